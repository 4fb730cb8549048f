/**
 * Failures of those who look after managed agents. They belong to the table in `VargateError`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ManagedSessionId } from "../model/ManagedSession.ts"
import type { Verdict } from "./Verdict.ts"

/**
 * The gateway marked a session of a managed agent as over, and did not say that the agent was told to stop (POST
 * /managed/sessions/{id}/interrupt): it may go on acting.
 *
 * **Details**
 *
 * Asking again is a `Conflict`, because for the gateway the session is over. A simulated session
 * (`ManagedSession.isSimulated`) always ends like this: nothing ran that could be stopped.
 *
 * @category errors
 * @since 0.1.0
 */
export class InterruptNotConfirmed
  extends Schema.TaggedError<InterruptNotConfirmed>("effect-vargate/InterruptNotConfirmed")("InterruptNotConfirmed", {
    sessionId: ManagedSessionId,
    status: Schema.String
  })
  implements Verdict
{
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `Session ${this.sessionId} is marked as ${this.status}, but the gateway did not confirm that its agent was told to stop: it may continue to act. Stop it where it runs; another interrupt is refused.`
  }
}
