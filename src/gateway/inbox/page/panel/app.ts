/** The page of a panel: the login, then what needs the reviewer, then the login again. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type { PageSession } from "../../../../http/ReviewPageGroup.ts"
import { element } from "../elements.ts"
import { type End, show } from "./inbox.ts"
import { makeLoginForm } from "./loginForm.ts"
import { connect, isEnded, type Session } from "./session.ts"

const root = document.getElementById("inbox")!

const farewells: Readonly<Record<End, string>> = {
  "logged out": "You are logged out.",
  "session ended": "Your session has ended. Log in again."
}

/** What the way back from the provider says, after the `#`. */
const problems: Readonly<Record<string, string>> = {
  "#login-refused": "The login was not accepted. Try again, or ask the operator of the panel.",
  "#login-unavailable": "The provider cannot be reached now. Try again later."
}

const problemOnTheWay = () => {
  const problem = problems[location.hash]
  if (problem !== undefined) history.replaceState(null, "", location.pathname + location.search)
  return problem ?? ""
}

type LoggedIn = PageSession & { readonly reviewer: NonNullable<PageSession["reviewer"]> }

const isLoggedIn = (session: PageSession): session is LoggedIn => session.reviewer !== null

const logIn = Effect.fnUntraced(function*(session: Session, provider: string | null, message: string) {
  const tokens = yield* Queue.unbounded<string>()
  const form = makeLoginForm({ provider, message, onToken: (token) => void Queue.offerUnsafe(tokens, token) })
  root.replaceChildren(form.element)
  document.title = "Review panel"
  form.focus()
  for (;;) {
    const answer = yield* Effect.result(Effect.flatMap(Queue.take(tokens), session.logIn))
    if (Result.isSuccess(answer) && isLoggedIn(answer.success)) return answer.success
    form.refuse(
      Result.isFailure(answer) && !isEnded(answer.failure)
        ? "The panel cannot be reached now. Try again later."
        : "The panel does not know this token."
    )
  }
})

const page = Effect.gen(function*() {
  const session = yield* connect
  let message = problemOnTheWay()
  for (;;) {
    const current = yield* Effect.orElseSucceed(
      session.current,
      (): PageSession => ({ reviewer: null, csrf: null, provider: null })
    )
    const { reviewer } = isLoggedIn(current) ? current : yield* logIn(session, current.provider, message)
    message = farewells[yield* show(root, session, reviewer)]
  }
})

const faulty = () =>
  root.replaceChildren(element("p", { class: "login panel", role: "alert" }, "This page has a fault. Load it again."))

Effect.runFork(Effect.tapCause(page, (cause) => Effect.andThen(Effect.sync(faulty), Effect.logError(cause))))
