/**
 * `approvals list`: what waits now.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { Approvals } from "../../approvals/Approvals.ts"
import { connected } from "../core/connected.ts"
import { Pending } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { table } from "../screen/table.ts"
import { dim } from "../screen/text.ts"
import * as Queue from "./queue.ts"

const run = Effect.gen(function*() {
  const approvals = yield* Approvals
  const printer = yield* Printer
  const list = yield* approvals.pending
  const now = yield* DateTime.now
  if (printer.isJson) {
    return yield* Effect.forEach(list.pending, (action) => printer.print(Pending, action, () => []), { discard: true })
  }
  yield* printer.show([Queue.headline(list)])
  if (list.pending.length === 0) {
    return yield* printer.note(
      dim(
        "A call is pending where the policy asks for an approval: effect-vargate settings get shows \
the tenant's template and its thresholds."
      )
    )
  }
  const rows = list.pending.map((action) => Queue.rowOf(action, now))
  yield* printer.show(["", ...table(Queue.columns, rows, printer.width())])
})

/** @internal */
export const command = Command.make("list", {}, () => connected(run)).pipe(
  Command.withDescription("The pending actions"),
  Command.withAlias("ls")
)
