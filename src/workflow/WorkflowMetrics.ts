/**
 * What to watch of durable calls: how many wait, for how long, and how they end.
 *
 * | metric | kind | meaning |
 * | --- | --- | --- |
 * | `vargate_workflow_waiting` | gauge | executions that wait for a reviewer |
 * | `vargate_workflow_oldest_wait_seconds` | gauge | how long the one that waits longest has waited; 0 where none does |
 * | `vargate_workflow_outcomes` | frequency | how executions ended: `agent`, `gateway`, or the name of the error |
 *
 * The gauges are kept by the reconciler, so one machine of a cluster has them. An `OutcomeUnknown` among the outcomes
 * needs an operator, who looks up what was done.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/**
 * Executions that wait for a reviewer.
 *
 * @category metrics
 * @since 0.1.0
 */
export const waiting = Metric.gauge("vargate_workflow_waiting", {
  description: "Executions that wait for a reviewer"
})

/**
 * Seconds that the longest waiting execution has waited.
 *
 * @category metrics
 * @since 0.1.0
 */
export const oldestWait = Metric.gauge("vargate_workflow_oldest_wait_seconds", {
  description: "How long the execution that waits longest has waited"
})

/**
 * How executions ended.
 *
 * @category metrics
 * @since 0.1.0
 */
export const outcomes = Metric.frequency("vargate_workflow_outcomes", {
  description: "How executions ended: who acted, or the name of the error"
})

/**
 * Notes since when each execution waits, in epoch milliseconds.
 *
 * @category recording
 * @since 0.1.0
 */
export const recordWaits = (since: ReadonlyMap<string, number>): Effect.Effect<void> =>
  Effect.flatMap(DateTime.now, (now) => {
    let oldest = now.epochMilliseconds
    for (const at of since.values()) oldest = Math.min(oldest, at)
    return Effect.andThen(
      Metric.update(waiting, since.size),
      Metric.update(oldestWait, (now.epochMilliseconds - oldest) / 1000)
    )
  })
