/** The login: a field for the key, which is kept in memory and nowhere else. */
import { element } from "./elements.ts"

export interface LoginForm {
  readonly element: HTMLElement
  readonly focus: () => void
  /** Says why the key opened nothing, and lets another one be tried. */
  readonly refuse: (sentence: string) => void
}

/** Plain http is as safe as the network; on this machine there is none. */
const isExposed = () => !isSecureContext

const exposed = () =>
  element(
    "p",
    { class: "caution" },
    "This page came over plain http: others on the network can read your key. Use https, or a network that you trust."
  )

export const makeLoginForm = (onKey: (key: string) => void, message: string): LoginForm => {
  const field = element("input", {
    id: "key",
    type: "password",
    required: true,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": "key-hint key-message"
  })
  const submit = element("button", { type: "submit", class: "primary" }, "Open the inbox")
  const notice = element("p", { id: "key-message", class: "message", role: "alert" }, message)
  const form = element(
    "form",
    { class: "login panel", "aria-labelledby": "title" },
    element("h1", { id: "title" }, "Approval inbox"),
    element("p", { class: "lead" }, "Actions of your agents wait here for a reviewer's decision."),
    element("label", { for: "key" }, "API key"),
    field,
    element(
      "p",
      { id: "key-hint", class: "hint" },
      "The gateway printed it when it started. It stays in the memory of this page and is gone when you log out or close it."
    ),
    ...(isExposed() ? [exposed()] : []),
    submit,
    notice
  )
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    if (submit.hasAttribute("aria-disabled")) return
    submit.setAttribute("aria-disabled", "true")
    notice.textContent = ""
    onKey(field.value.trim())
    field.value = ""
  })
  return {
    element: form,
    focus: () => field.focus(),
    refuse: (sentence) => {
      submit.removeAttribute("aria-disabled")
      notice.textContent = sentence
      field.focus()
    }
  }
}
