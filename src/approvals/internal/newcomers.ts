/**
 * Which pending actions have come since the last look.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import type { ActionId } from "../../model/ActionId.ts"
import type { PendingAction } from "../Approval.ts"

/**
 * What is not known yet, oldest first. What has expired long ago is forgotten.
 *
 * @internal
 */
export const newcomers = (
  pending: ReadonlyArray<PendingAction>,
  known: Map<ActionId, DateTime.Utc>,
  now: DateTime.Utc
) => {
  const horizon = DateTime.subtract(now, { hours: 2 })
  const listed = new Set(pending.map(({ actionId }) => actionId))
  for (const [actionId, createdAt] of known) {
    if (DateTime.isLessThan(createdAt, horizon) && !listed.has(actionId)) known.delete(actionId)
  }
  const news = pending.filter(({ actionId }) => !known.has(actionId)).toReversed()
  for (const { actionId, createdAt } of news) known.set(actionId, createdAt)
  return news
}
