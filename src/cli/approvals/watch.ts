/**
 * `approvals watch`: the queue as it changes.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DecidedAction, PendingAction, PendingList } from "../../approvals/Approval.ts"
import { Approvals } from "../../approvals/Approvals.ts"
import { newcomers } from "../../approvals/internal/newcomers.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { connected } from "../core/connected.ts"
import { duration } from "../core/flags.ts"
import { shortId } from "../core/outcome.ts"
import { enduring } from "../core/waiting.ts"
import { Pending } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { table } from "../screen/table.ts"
import { bold, dim, green, type Line, red } from "../screen/text.ts"
import * as Words from "../screen/words.ts"
import * as Queue from "./queue.ts"

/** For pipes and scripts: each action once, when it comes. */
const asLines = Effect.fnUntraced(function*(every: Duration.Duration) {
  const approvals = yield* Approvals
  const printer = yield* Printer
  const endure = yield* enduring()
  const known = new Map<ActionId, DateTime.Utc>()
  const look = Effect.gen(function*() {
    const { pending } = yield* endure(approvals.pending)
    yield* Effect.forEach(
      newcomers(pending, known, yield* DateTime.now),
      (action) => printer.print(Pending, action, () => [lineOf(action)]),
      { discard: true }
    )
  })
  yield* Effect.repeat(look, Schedule.spaced(every))
})

const lineOf = ({ actionId, agentId, createdAt, method, params, tool }: PendingAction): Line => [
  `${Words.stamp(createdAt)}  ${actionId}  ${agentId}  ${tool}/${method}  `,
  dim(Words.brief(params))
]

/** For terminals: the whole queue, drawn again and again, with what was decided meanwhile below it. */
const asScreen = Effect.fnUntraced(function*(every: Duration.Duration) {
  const approvals = yield* Approvals
  const printer = yield* Printer
  const decided = new Map<ActionId, Line>()
  let known: ReadonlyArray<PendingAction> = []

  const endure = yield* enduring()

  const frame = Effect.gen(function*() {
    const list = yield* endure(approvals.pending)
    const now = yield* DateTime.now
    const gone = known.filter(({ actionId }) => !list.pending.some((action) => action.actionId === actionId))
    known = list.pending
    if (gone.length > 0) {
      const history = yield* endure(approvals.history)
      for (const action of gone) {
        const row = history.find(({ actionId }) => actionId === action.actionId)
        decided.set(action.actionId, decisionLine(action, row, now))
      }
      for (const actionId of [...decided.keys()].slice(0, -shownDecisions)) decided.delete(actionId)
    }
    yield* printer.draw(screen(list, [...decided.values()], now, {
      width: printer.width(),
      height: printer.height()
    }))
  })
  yield* Effect.repeat(frame, Schedule.spaced(every))
})

const shownDecisions = 5
/** Around the table: headline, blank lines, column titles, the hint. */
const frameLines = 6

const screen = (
  list: PendingList,
  decided: ReadonlyArray<Line>,
  now: DateTime.Utc,
  { height = 24, width }: { readonly height: number | undefined; readonly width: number | undefined }
): ReadonlyArray<Line> => {
  const maxRows = Math.max(1, height - frameLines - (decided.length === 0 ? 0 : decided.length + 1))
  const rows = list.pending.slice(0, maxRows).map((action) => Queue.rowOf(action, now))
  const hidden = list.pending.length - rows.length
  return [
    Queue.headline(list),
    "",
    ...rows.length === 0 ? [] : table(Queue.columns, rows, width),
    ...hidden > 0 ? [dim(`... and ${hidden} more`)] : [],
    ...rows.length === 0 ? [] : [""],
    ...decided,
    ...decided.length === 0 ? [] : [""],
    [bold("effect-vargate approvals approve ID"), dim("  decides; Ctrl-C ends this")]
  ]
}

const decisionLine = (action: PendingAction, row: DecidedAction | undefined, now: DateTime.Utc): Line => {
  const status = row?.status ?? "decided"
  const style = status === "approved" ? green : status === "rejected" ? red : dim
  const at = Words.stamp(row?.reviewedAt ?? now).slice(6)
  return [
    dim(`${at}  `),
    style(status.padEnd(8)),
    `  ${shortId(action.actionId)}  ${action.tool}/${action.method}`,
    row?.note ? dim(`  ${row.note}`) : ""
  ]
}

/** @internal */
export const command = Command.make(
  "watch",
  {
    every: duration("every").pipe(
      Flag.withDescription("How often to look (1s)"),
      Flag.withDefault(Duration.seconds(1))
    )
  },
  Effect.fnUntraced(function*({ every }) {
    const { isLive } = yield* Printer
    yield* connected(isLive ? asScreen(every) : asLines(every))
  })
).pipe(Command.withDescription("The queue as it changes; in a pipe, each action once"))
