/** News for those who hear the page, one sentence at a time, without taking them from what they do. */
import { element } from "./elements.ts"

export interface Announcer {
  readonly element: HTMLElement
  readonly say: (sentence: string) => void
}

export const makeAnnouncer = (): Announcer => {
  const region = element("p", { class: "unseen", role: "status" })
  return {
    element: region,
    // A sentence that stood there before would not be read again.
    say: (sentence) => region.replaceChildren(element("span", {}, sentence))
  }
}
