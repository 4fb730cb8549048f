/**
 * Failures of operators, who look after a tenant and its managed agents. They belong to the table in `VargateError`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ManagedSessionId } from "../model/ManagedSession.ts"
import { SettingName } from "../model/TenantSettings.ts"
import { InvalidRequest, Reason, type Verdict } from "./Reason.ts"

/**
 * A setting that is not as requested, although it was sent.
 *
 * @category models
 * @since 0.1.0
 */
export const UnmetSetting = Schema.Struct({
  setting: SettingName,
  wanted: Schema.Unknown,
  found: Schema.Unknown
})

/**
 * Settings were sent and read back, and at least one is not as requested. The others may have been applied.
 *
 * **Details**
 *
 * A gateway ignores some values that it does not know, and answers 200 all the same. And where it refuses one of several
 * settings (400), it may have applied those before it: then `refusal` says why, and `unmet` what is missing, as far as
 * the gateway shows it.
 *
 * @category errors
 * @since 0.1.0
 */
export class SettingNotApplied
  extends Schema.TaggedError<SettingNotApplied>("effect-vargate/SettingNotApplied")("SettingNotApplied", {
    unmet: Schema.Array(UnmetSetting),
    /** What was read back as requested. */
    confirmed: Schema.Array(SettingName),
    /** What the gateway does not show. */
    unconfirmed: Schema.Array(SettingName),
    refusal: Schema.optional(InvalidRequest)
  })
  implements Verdict
{
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const unmet = this.unmet.map(describe).join("; ") || "none that the gateway shows"
    const hidden = this.unconfirmed.length === 0
      ? ""
      : ` It is unknown whether ${this.unconfirmed.join(", ")} took effect: the gateway does not show it.`
    if (this.refusal === undefined) {
      return `The gateway accepted the settings and did not apply all of them: ${unmet}.${hidden} Use values that it knows.`
    }
    const why = this.refusal.issues.map(({ message }) => message).join("; ")
    return `The gateway refused a setting (${why}) and may have applied others. Not applied: ${unmet}.${hidden} Correct it and apply them again.`
  }
  override toJSON() {
    return {
      _tag: this._tag,
      unmet: this.unmet.map(({ setting }) => setting),
      confirmed: this.confirmed,
      unconfirmed: this.unconfirmed,
      message: this.message,
      sideEffect: this.sideEffect,
      refusal: this.refusal?.toJSON()
    }
  }
}

/** A webhook's URL may hold a secret. */
const describe = ({ found, setting, wanted }: typeof UnmetSetting.Type): string =>
  setting === "webhookUrl"
    ? setting
    : `${setting} should be ${JSON.stringify(wanted)} and is ${JSON.stringify(found)}`

/**
 * The answer to a rotation was lost: the old key may be dead, and then the new one was in that answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class RotationUnknown extends Schema.TaggedError<RotationUnknown>("effect-vargate/RotationUnknown")(
  "RotationUnknown",
  { cause: Reason }
) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `It is unknown whether the API key was replaced: ${this.cause.message} While calls still succeed, the old key is valid. Once they are refused, rotate again with a session that was opened before, rotateKey({ session }), or sign in to the dashboard for a new key.`
  }
  override toJSON() {
    return {
      _tag: this._tag,
      message: this.message,
      sideEffect: this.sideEffect,
      cause: this.cause.toJSON()
    }
  }
}

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
