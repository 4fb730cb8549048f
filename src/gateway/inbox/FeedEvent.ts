/**
 * What happens in an embedded gateway, in a word each. The content stays behind: who may read it asks for it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../../model/ActionId.ts"

/**
 * The audit log has one more record.
 *
 * @category events
 * @since 0.1.0
 */
export class Recorded extends Schema.TaggedClass<Recorded>("effect-vargate/gateway/Recorded")("Recorded", {
  actionId: ActionId,
  decision: Schema.String
}) {}

/**
 * An action is pending: it needs an approval.
 *
 * @category events
 * @since 0.1.0
 */
export class Held extends Schema.TaggedClass<Held>("effect-vargate/gateway/Held")("Held", { actionId: ActionId }) {}

/**
 * A reviewer decided.
 *
 * @category events
 * @since 0.1.0
 */
export class Settled extends Schema.TaggedClass<Settled>("effect-vargate/gateway/Settled")("Settled", {
  actionId: ActionId,
  status: Schema.Literals(["approved", "rejected"])
}) {}

/**
 * An action's time is over. The gateway notices it when the action is read.
 *
 * @category events
 * @since 0.1.0
 */
export class Expired extends Schema.TaggedClass<Expired>("effect-vargate/gateway/Expired")("Expired", {
  actionId: ActionId
}) {}

/**
 * One piece of news.
 *
 * @category events
 * @since 0.1.0
 */
export const FeedEvent = Schema.Union([Recorded, Held, Settled, Expired])

/**
 * The type of {@link FeedEvent}.
 *
 * @category events
 * @since 0.1.0
 */
export type FeedEvent = typeof FeedEvent.Type
