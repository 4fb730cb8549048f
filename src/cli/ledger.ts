/**
 * `backup`, `restore` and `archive`: the file of a gateway on this machine.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type { Archive } from "../gateway/sqlite/archive.ts"
import type { Copy } from "../gateway/sqlite/backup.ts"
import * as FileCheckpoints from "../node/FileCheckpoints.ts"
import { CheckpointStore } from "../verify/Checkpoints.ts"
import { moment } from "./core/flags.ts"
import { Archived, BackedUp, Restored } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts } from "./screen/table.ts"
import { bold, dim, type Line } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const data = Flag.String("data").pipe(
  Flag.withMetavar("<file>"),
  Flag.withDescription("The gateway's ledger, in SQLite (./vargate.db)"),
  Flag.withDefault("./vargate.db")
)

const tenantLines = ({ tenants }: Copy): ReadonlyArray<readonly [string, Line]> =>
  tenants.map(({ head, id, records }) => [
    "Tenant",
    [id, `  ${Words.count(records, "record")}, verified`, dim(`  newest ${head.slice(0, 16)}...`)]
  ])

/** @internal */
export const backup = Command.make(
  "backup",
  {
    to: Argument.String("file").pipe(Argument.withDescription("The backup; it must not exist")),
    data
  },
  Effect.fnUntraced(function*({ data, to }) {
    const printer = yield* Printer
    const Backup = yield* Effect.promise(() => import("../gateway/sqlite/backup.ts"))
    const copy = yield* Backup.backup({ filename: data, to })
    yield* printer.print(BackedUp, copy, (width) =>
      facts([
        ["Backup", bold(copy.filename)],
        ...tenantLines(copy),
        ["Key", [copy.keyFile, dim(", not copied: without it the backup does not open")]]
      ], width))
    yield* printer.note(dim("Keep the .head file with the backup, and the key away from both."))
  })
).pipe(
  Command.withDescription("Back up a gateway's ledger, also while the gateway runs"),
  Command.withExamples([{ command: "effect-vargate backup /backups/2026-11-30.db --data ./vargate.db" }])
)

/** @internal */
export const restore = Command.make(
  "restore",
  {
    from: Argument.String("file").pipe(Argument.withDescription("The backup")),
    data,
    acceptLoss: Flag.Boolean("accept-loss").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Give up the newer records that the head of the lost ledger names")
    )
  },
  Effect.fnUntraced(function*({ acceptLoss, data, from }) {
    const printer = yield* Printer
    const Backup = yield* Effect.promise(() => import("../gateway/sqlite/backup.ts"))
    const copy = yield* Backup.restore({ from, filename: data, acceptLoss })
    yield* printer.print(
      Restored,
      copy,
      (width) => facts([["Ledger", bold(copy.filename)], ...tenantLines(copy), ["Key", copy.keyFile]], width)
    )
  })
).pipe(
  Command.withDescription("Put a gateway's ledger back from a backup"),
  Command.withExamples([{ command: "effect-vargate restore /backups/2026-11-30.db --data ./vargate.db" }])
)

const archiveLines = ({ checkpoint, filename, records, tenantId }: Archive): ReadonlyArray<readonly [string, Line]> => [
  ["Tenant", [tenantId, `  ${Words.count(records, "record")} taken out, up to number ${checkpoint.count - 1}`]],
  ["Archive", bold(filename)]
]

/** @internal */
export const archive = Command.make(
  "archive",
  {
    to: Argument.String("folder").pipe(Argument.withDescription("Where the archives are kept")),
    before: moment("before").pipe(
      Flag.withDescription("Archive whole hours before this time, like 90d or 2026-09-01")
    ),
    data
  },
  Effect.fnUntraced(function*({ before, data, to }) {
    const printer = yield* Printer
    const Archiving = yield* Effect.promise(() => import("../gateway/sqlite/archive.ts"))
    const archives = yield* Archiving.archive({ filename: data, before, to })
    const checkpoints = `${to}/checkpoints.json`
    yield* Effect.forEach(archives, ({ checkpoint }) => CheckpointStore.use((store) => store.keep(checkpoint))).pipe(
      Effect.provide(FileCheckpoints.layer(checkpoints))
    )
    yield* printer.print(
      Archived,
      { archives, checkpoints: archives.length === 0 ? undefined : checkpoints },
      (width) =>
        archives.length === 0
          ? ["Nothing to archive: no whole hour before that time is without pending actions."]
          : facts([
            ...archives.flatMap(archiveLines),
            ["Checkpoints", checkpoints],
            ["Verify", `effect-vargate verify --checkpoint ${checkpoints} --since-checkpoint`]
          ], width)
    )
  })
).pipe(
  Command.withDescription("Take old records out of the ledger of a gateway that is stopped"),
  Command.withExamples([{ command: "effect-vargate archive ./archives --before 90d --data ./vargate.db" }])
)
