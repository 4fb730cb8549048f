/** The login: at the provider where there is one, and by a token, which is sent once and kept nowhere. */
import { element } from "../elements.ts"

export interface LoginForm {
  readonly element: HTMLElement
  readonly focus: () => void
  /** Says why the token opened nothing, and lets another one be tried. */
  readonly refuse: (sentence: string) => void
}

export interface Options {
  readonly provider: string | null
  readonly message: string
  readonly onToken: (token: string) => void
}

const exposed = () =>
  element(
    "p",
    { class: "caution" },
    "This page came over plain http: others on the network can read your token. Use https, or a network that you trust."
  )

export const makeLoginForm = ({ message, onToken, provider }: Options): LoginForm => {
  const field = element("input", {
    id: "token",
    type: "password",
    required: true,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": "token-hint token-message"
  })
  const submit = element("button", { type: "submit", class: provider === null ? "primary" : false }, "Log in")
  const notice = element("p", { id: "token-message", class: "message", role: "alert" }, message)
  const form = element(
    "form",
    {},
    element("label", { for: "token" }, "Your token"),
    field,
    element(
      "p",
      { id: "token-hint", class: "hint" },
      "The operator of the panel gave it to you. It is sent once, and the page does not keep it."
    ),
    submit
  )
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    if (submit.hasAttribute("aria-disabled")) return
    submit.setAttribute("aria-disabled", "true")
    notice.textContent = ""
    onToken(field.value.trim())
    field.value = ""
  })
  const link = provider === null
    ? undefined
    : element("a", { class: "button primary", href: "panel/login" }, `Log in with ${provider}`)
  return {
    element: element(
      "main",
      { class: "login panel", "aria-labelledby": "title" },
      element("h1", { id: "title" }, "Review panel"),
      element("p", { class: "lead" }, "Log in as yourself: what you decide is recorded under your name."),
      ...link === undefined ? [] : [link, element("p", { class: "or" }, "or")],
      ...isSecureContext ? [] : [exposed()],
      form,
      notice
    ),
    focus: () => (link ?? field).focus(),
    refuse: (sentence) => {
      submit.removeAttribute("aria-disabled")
      notice.textContent = sentence
      field.focus()
    }
  }
}
