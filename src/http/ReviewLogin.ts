/**
 * How reviewers log in at a panel's page by a provider of identities, in two steps: the browser is sent there, and comes
 * back.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Reviewer } from "../reviews/Reviewer.ts"
import type { NotAuthenticated } from "../reviews/ReviewError.ts"

/**
 * A login at a provider.
 *
 * @category services
 * @since 0.2.0
 */
export class ReviewLogin extends Context.Service<ReviewLogin, {
  /** As the button on the page names it. */
  readonly name: string
  /**
   * Begins a login: where to send the browser, and what it has to bring back in a cookie, so that no other browser can end this
   * login.
   */
  readonly begin: (
    redirectUri: string
  ) => Effect.Effect<{ readonly url: string; readonly cookie: Redacted.Redacted }, NotAuthenticated>
  /** Ends it, with the address to which the browser was sent back. A login can be ended once. */
  readonly complete: (
    cookie: Redacted.Redacted,
    callback: URL
  ) => Effect.Effect<Reviewer, NotAuthenticated>
}>()("effect-vargate/http/ReviewLogin") {}
