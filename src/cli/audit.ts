/**
 * `audit`: the records of the log.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { AuditLog } from "../audit/AuditLog.ts"
import type { AuditRecord } from "../audit/AuditRecord.ts"
import * as Export from "./audit/export.ts"
import { type Filter, flags, goesOn, matches } from "./audit/filter.ts"
import { progressing } from "./audit/find.ts"
import { columns, rowOf } from "./audit/record.ts"
import * as Show from "./audit/show.ts"
import { connected } from "./core/connected.ts"
import { duration, positive } from "./core/flags.ts"
import { enduring } from "./core/waiting.ts"
import { Record } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { header, layout, type Row, rowOf as tableRow } from "./screen/table.ts"
import { dim } from "./screen/text.ts"

/** The newest that match, oldest of them first, as one reads. */
const newest = Effect.fnUntraced(function*(filter: Filter, limit: number) {
  const auditLog = yield* AuditLog
  const printer = yield* Printer
  const records = yield* progressing(auditLog.records({ pageSize: Math.min(1000, Math.max(100, limit)) })).pipe(
    Stream.takeWhile((record) => goesOn(filter, record)),
    Stream.filter((record) => matches(filter, record)),
    Stream.take(limit),
    Stream.runCollect
  )
  printer.progress()
  return records.toReversed()
})

/** What came after a record, oldest first. */
const after = Effect.fnUntraced(function*(id: number) {
  const auditLog = yield* AuditLog
  const records = yield* auditLog.records({ pageSize: 100 }).pipe(
    Stream.takeWhile((record) => record.id > id),
    Stream.runCollect
  )
  return records.toReversed()
})

/** Room for records that are yet to come. */
const usual = (
  last: number
): Row => [String(last + 1000), "00-00 00:00:00", "pending", "a".repeat(16), "a".repeat(24), "a".repeat(24)]

const run = Effect.fnUntraced(function*(
  filter: Filter,
  limit: number,
  isFollowing: boolean,
  every: Duration.Duration
) {
  const auditLog = yield* AuditLog
  const printer = yield* Printer
  // Asked first: what is recorded while the first ones are read comes with the second look.
  let last = isFollowing ? (yield* auditLog.page({ limit: 1 })).records[0]?.id ?? 0 : 0
  const first = (yield* newest(filter, limit)).filter(({ id }) => !isFollowing || id <= last)
  const now = yield* DateTime.now
  const fitted = layout(
    columns,
    [...first.map((record) => rowOf(record, now)), ...isFollowing ? [usual(last)] : []],
    printer.width()
  )
  const print = Effect.fnUntraced(function*(records: ReadonlyArray<AuditRecord>) {
    const now = yield* DateTime.now
    yield* Effect.forEach(
      records,
      (record) => printer.print(Record, record, () => [tableRow(fitted, rowOf(record, now))]),
      { discard: true }
    )
  })
  if (first.length > 0 || isFollowing) yield* printer.show([header(fitted)])
  else yield* printer.note(dim("No record matches."))
  yield* print(first)
  if (!isFollowing) return
  const endure = yield* enduring(true)
  const look = Effect.gen(function*() {
    const news = yield* endure(after(last))
    last = news.at(-1)?.id ?? last
    yield* print(news.filter((record) => matches(filter, record)))
  })
  yield* Effect.repeat(look, Schedule.spaced(every))
})

/** @internal */
export const command = Command.make(
  "audit",
  {
    ...flags,
    limit: positive("limit").pipe(
      Flag.withAlias("l"),
      Flag.withMetavar("<n>"),
      Flag.withDescription("How many of the newest (20)"),
      Flag.withDefault(20)
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("And continue with new ones")
    ),
    every: duration("every").pipe(
      Flag.withDescription("How often to look for those (1s)"),
      Flag.withDefault(Duration.seconds(1))
    )
  },
  ({ every, follow, limit, ...filter }) => connected(run(filter, limit, follow, every))
).pipe(
  Command.withDescription("The records of the log, the newest last"),
  Command.withSubcommands([Show.command, Export.command]),
  Command.withExamples([
    { command: "effect-vargate audit --decision deny --since 2h" },
    { command: "effect-vargate audit --follow --json | jq -r .actionId" },
    { command: "effect-vargate audit show 128" }
  ])
)
