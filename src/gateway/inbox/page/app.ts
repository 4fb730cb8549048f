/** The inbox page: the login form, then the inbox, then the login form again. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type { OperationError } from "../../../errors/VargateError.ts"
import { isKeyRefused } from "./decisions.ts"
import { element } from "./elements.ts"
import { type End, read, show } from "./inbox.ts"
import { makeLoginForm } from "./loginForm.ts"
import { open } from "./session.ts"

const root = document.getElementById("inbox")!

const farewells: Readonly<Record<End, string>> = {
  "logged out": "You are logged out.",
  "key refused": "The gateway does not accept this key any more. Log in with another one."
}

const refusal = (error: OperationError): string => {
  if (isKeyRefused(error)) return "The gateway does not know this key."
  return error._tag === "VargateError" && error.reason._tag === "InvalidRequest"
    ? "This cannot be a key: a key is one word of plain letters, digits and signs."
    : error.message
}

/** Opens the inbox, and returns the reason why it closed. */
const visit = Effect.fnUntraced(function*(key: string) {
  const session = yield* open(key)
  return yield* show(root, session, yield* read(session))
}, Effect.scoped)

const logIn = Effect.fnUntraced(function*(message: string) {
  const keys = yield* Queue.unbounded<string>()
  const form = makeLoginForm((key) => void Queue.offerUnsafe(keys, key), message)
  root.replaceChildren(form.element)
  document.title = "Approval inbox"
  form.focus()
  for (;;) {
    const end = yield* Effect.result(Effect.flatMap(Queue.take(keys), visit))
    if (Result.isSuccess(end)) return farewells[end.success]
    form.refuse(refusal(end.failure))
  }
})

const page = Effect.gen(function*() {
  for (let message = "";;) message = yield* logIn(message)
})

const faulty = () =>
  root.replaceChildren(element("p", { class: "login panel", role: "alert" }, "This page has a fault. Load it again."))

Effect.runFork(Effect.tapCause(page, (cause) => Effect.andThen(Effect.sync(faulty), Effect.logError(cause))))
