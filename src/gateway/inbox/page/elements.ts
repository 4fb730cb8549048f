/**
 * The only way in which this page makes elements: text becomes text nodes, so that nothing that was sent is ever read
 * as markup. (The page's policy forbids the other ways as well.)
 */

/** `undefined` and `false` leave an attribute out, `true` writes it without a value. */
export type Attributes = Readonly<Record<string, string | boolean | undefined>>

export type Child = Node | string

export const element = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[Tag] => {
  const created = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) created.setAttribute(name, value === true ? "" : value)
  }
  created.append(...children)
  return created
}

/** Words for those who cannot see what stands around them. */
export const unseen = (text: string) => element("span", { class: "unseen" }, text)

export const button = (label: ReadonlyArray<Child>, onClick: () => void, attributes: Attributes = {}) => {
  const created = element("button", { type: "button", ...attributes }, ...label)
  created.addEventListener("click", onClick)
  return created
}

/** Writes only what has changed, so that a screen reader is told no news that are none. */
export const setText = (target: Element, text: string) => {
  if (target.textContent !== text) target.textContent = text
}
