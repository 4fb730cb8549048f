/**
 * The policy's yes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ActionId } from "./ActionId.ts"
import { ExecutedUnseen, Execution } from "./Execution.ts"

/**
 * The policy allowed the call. `execution` says what the gateway did about it, which may be nothing.
 *
 * **Gotchas**
 *
 * A tenant that fails open answers the same while its policy engine is down; nothing in the answer tells.
 *
 * @category models
 * @since 0.1.0
 */
export class Allowed extends Schema.TaggedClass<Allowed>("effect-vargate/Allowed")("Allowed", {
  actionId: ActionId,
  execution: Schema.Union([...Execution.members, ExecutedUnseen]),
  /** The answer was lost, and this one was put together from the audit log. */
  reconciled: Schema.Boolean.pipe(Schema.withConstructorDefault(Effect.succeed(false)))
}) {}
