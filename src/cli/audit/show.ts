/**
 * `audit show`: one record in full.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { connected } from "../core/connected.ts"
import { Record } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { findRecord } from "./find.ts"
import { details } from "./record.ts"

/** @internal */
export const recordArgument = Argument.String("record").pipe(
  Argument.withDescription("Its number, its action's id, or its hash")
)

const run = Effect.fnUntraced(function*(text: string) {
  const printer = yield* Printer
  const record = yield* findRecord(text)
  yield* printer.print(Record, record, (width) => details(record, width))
})

/** @internal */
export const command = Command.make("show", { record: recordArgument }, ({ record }) => connected(run(record))).pipe(
  Command.withDescription("One record in full")
)
