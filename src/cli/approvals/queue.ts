/**
 * Pending actions on the screen.
 *
 * @internal
 */
import type * as DateTime from "effect/DateTime"
import type { PendingAction, PendingList } from "../../approvals/Approval.ts"
import { shortId, withValue } from "../core/outcome.ts"
import type { Column, Row } from "../screen/table.ts"
import { bold, dim, type Line, red, spansOf, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

/** @internal */
export const columns: ReadonlyArray<Column> = [
  { title: "ID", min: 8 },
  { title: "WAITED" },
  { title: "LEFT" },
  { title: "AGENT", min: 8 },
  { title: "ACTION", min: 14 },
  { title: "PARAMS", min: 10 }
]

/** @internal */
export const rowOf = (action: PendingAction, now: DateTime.Utc): Row => [
  bold(shortId(action.actionId)),
  Words.shortStretch(now.epochMilliseconds - action.createdAt.epochMilliseconds),
  expiry(action, now, Words.shortStretch),
  action.agentId,
  `${action.tool}/${action.method}`,
  dim(Words.brief(action.params))
]

const soon = 5 * 60_000

const expiry = ({ timeoutAt }: PendingAction, now: DateTime.Utc, words: (millis: number) => string): Line => {
  if (timeoutAt === undefined) return dim("?")
  const left = timeoutAt.epochMilliseconds - now.epochMilliseconds
  return left <= 0 ? red("over") : (left < soon ? yellow : String)(words(left))
}

/** @internal */
export const headline = ({ pending, stats }: PendingList): Line => {
  const total = stats?.pending ?? pending.length
  return [
    total === 0 ? "Nothing waits" : bold(`${Words.count(total, "action")} ${total === 1 ? "waits" : "wait"}`),
    total > pending.length ? dim(` (only the newest ${pending.length} shown)`) : "",
    stats === undefined
      ? ""
      : dim(`   ${stats.approved} approved, ${stats.rejected} rejected, ${stats.expired} expired so far`)
  ]
}

/**
 * One action in full, for its reviewer.
 *
 * @internal
 */
export const details = (action: PendingAction, now: DateTime.Utc, width: number | undefined): ReadonlyArray<Line> =>
  withValue(
    [
      ["Action", [bold(`${action.tool}/${action.method}`), dim(`  ${action.actionId}`)]],
      ["Agent", action.agentId],
      ["Waited", [
        Words.stretch(now.epochMilliseconds - action.createdAt.epochMilliseconds),
        dim(", expires in "),
        ...spansOf(expiry(action, now, Words.stretch))
      ]],
      action.violations.length === 0 ? undefined : ["Violations", action.violations.join(", ")]
    ],
    "Params",
    action.params,
    width
  )
