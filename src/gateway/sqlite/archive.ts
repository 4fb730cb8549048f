/**
 * Takes old records out of a gateway's file, into files that verify together with what stays.
 *
 * @since 0.2.0
 */
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { existsSync } from "node:fs"
import { type FileHandle, mkdir, open, rm } from "node:fs/promises"
import { join } from "node:path"
import { AuditPage } from "../../audit/AuditRecord.ts"
import { Checkpoint } from "../../audit/Checkpoint.ts"
import { LogBody } from "../../audit/wire/AuditApi.ts"
import { replaceFile } from "../../internal/replaceFile.ts"
import { RecordHash } from "../../model/RecordHash.ts"
import { verifyChain } from "../ledger/internal/chain.ts"
import * as MerkleTrees from "../ledger/MerkleTrees.ts"
import * as Database from "./Database.ts"
import * as LedgerSqlite from "./LedgerSqlite.ts"
import { recordOf, type RecordRow } from "./recordRows.ts"
import { chainIn } from "./records.ts"
import { StorageError } from "./StorageError.ts"

/**
 * What to archive, and where to.
 *
 * @category options
 * @since 0.2.0
 */
export interface ArchiveOptions extends Database.Options {
  /** Records of whole hours before this time are archived. */
  readonly before: DateTime.Utc
  /** A folder. It is made where it does not exist. */
  readonly to: string
}

/**
 * What was archived of one tenant.
 *
 * @category models
 * @since 0.2.0
 */
export interface Archive {
  readonly tenantId: string
  /** A log as GET /audit/log answers it. */
  readonly filename: string
  /** How many records were taken out of the ledger. The file holds the first one that stays, too. */
  readonly records: number
  /** The first record that stays: what the log of the gateway is verified from. */
  readonly checkpoint: Checkpoint
}

const block = 100

/** Records that are taken out in one step. */
const step = 5000

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code ?? String(cause)

const encode = Schema.encodeEffect(LogBody)

interface Row extends RecordRow {
  readonly position: number
}

/** The first record that stays, and what is archived before it. */
interface Cut {
  readonly tenantId: string
  /** The place of the oldest record. */
  readonly first: number
  readonly stays: Row
}

const make = Effect.gen(function*() {
  const { sql } = yield* Database.Database
  const trees = yield* MerkleTrees.MerkleTrees
  const chain = chainIn(sql)

  /** Whole trees are archived, of hours that are over, and nothing that is open. */
  const cutOf = Effect.fnUntraced(function*(tenantId: string, before: DateTime.Utc) {
    const covered = (yield* trees.trees(tenantId)).filter(({ periodEnd }) =>
      DateTime.isLessThanOrEqualTo(periodEnd, before)
    )
    const origin = yield* chain.origin(tenantId)
    const first = (origin?.place ?? 0) + 1
    const [open] = yield* sql<{ readonly position: number | null }>`
      SELECT min(position) AS position FROM records WHERE tenant_id = ${tenantId} AND action_id IN (
        SELECT action_id FROM held_actions WHERE tenant_id = ${tenantId} AND status = 'pending'
        UNION SELECT action_id FROM intents WHERE tenant_id = ${tenantId}
      )`
    for (const { toRecordId } of covered.reverse()) {
      const [row] = yield* sql<Row>`
        SELECT stays.* FROM records AS last JOIN records AS stays
          ON stays.tenant_id = last.tenant_id AND stays.position = last.position + 1
        WHERE last.id = ${toRecordId} AND last.tenant_id = ${tenantId}`
      if (row === undefined || row.position <= first || row.position > (open?.position ?? Infinity)) continue
      const cut: Cut = { tenantId, first, stays: row }
      return cut
    }
    return undefined
  })

  const writeRecords = Effect.fnUntraced(function*(
    file: FileHandle,
    { first, stays, tenantId }: Cut
  ) {
    const write = (text: string) => Effect.promise(() => file.write(text))
    yield* write(`{"records":[`)
    let below = stays.position + 1
    while (below > first) {
      const rows = yield* sql<Row>`
        SELECT * FROM records WHERE tenant_id = ${tenantId} AND position >= ${first} AND position < ${below}
        ORDER BY position DESC LIMIT ${block}`
      if (rows.length === 0) break
      const page = new AuditPage({ records: rows.map(recordOf), offset: 0, total: stays.position, tenantId })
      const { records } = yield* Effect.orDie(encode(page))
      const text = JSON.stringify(records).slice(1, -1)
      yield* write(below > stays.position ? text : `,${text}`)
      below = rows[rows.length - 1]!.position
    }
    const count = stays.position - first + 1
    yield* write(`],"count":${count},"offset":0,"total":${stays.position},"tenant_id":${JSON.stringify(tenantId)}}`)
    yield* Effect.promise(() => file.sync())
  })

  const save = Effect.fnUntraced(function*(folder: string, cut: Cut) {
    const name = `${encodeURIComponent(cut.tenantId)}-${cut.first}-${cut.stays.position}.json`
    const path = join(folder, name)
    if (existsSync(path)) {
      return yield* new StorageError({ problem: "Exists", filename: path, detail: "is there already" })
    }
    const draft = `${path}.part`
    yield* Effect.acquireUseRelease(
      Effect.promise(() => open(draft, "w", 0o600)),
      (file) => writeRecords(file, cut),
      (file) => Effect.promise(() => file.close())
    ).pipe(
      Effect.andThen(Effect.promise(() => replaceFile(draft, path))),
      Effect.catchDefect((cause) =>
        new StorageError({ problem: "Inaccessible", filename: path, detail: `cannot be written (${codeOf(cause)})` })
      ),
      Effect.ensuring(Effect.promise(() => rm(draft, { force: true })))
    )
    return path
  })

  /** After each step the ledger is whole by itself: what is gone is in the file. */
  const takeOut = Effect.fnUntraced(function*({ first, stays, tenantId }: Cut) {
    for (let from = first; from < stays.position; from += step) {
      const end = Math.min(from + step, stays.position) - 1
      yield* sql.withTransaction(Effect.gen(function*() {
        const gone = sql`tenant_id = ${tenantId} AND position <= ${end}`
        yield* sql`
          INSERT OR REPLACE INTO archived
          SELECT tenant_id, position, id, record_hash FROM records WHERE tenant_id = ${tenantId} AND position = ${end}`
        yield* sql`DELETE FROM policy_inputs WHERE record_id IN (SELECT id FROM records WHERE ${gone})`
        yield* sql`DELETE FROM records WHERE ${gone}`
      }))
    }
  })

  return Effect.fnUntraced(function*({ before, filename, to }: ArchiveOptions): Effect.fn.Return<
    ReadonlyArray<Archive>,
    StorageError | SqlError
  > {
    yield* Effect.tryPromise({
      try: () => mkdir(to, { recursive: true, mode: 0o700 }),
      catch: (cause) =>
        new StorageError({ problem: "Inaccessible", filename: to, detail: `cannot be made (${codeOf(cause)})` })
    })
    const tenants = yield* sql<
      { readonly tenant_id: string }
    >`SELECT DISTINCT tenant_id FROM records ORDER BY tenant_id`
    const archives: Array<Archive> = []
    for (const { tenant_id: tenantId } of tenants) {
      const cut = yield* cutOf(tenantId, before)
      if (cut === undefined) continue
      const status = yield* verifyChain(chain, tenantId)
      if (!status.valid) {
        const detail = `has a broken chain of tenant ${tenantId} at ${status.failedAt} (${status.reason})`
        return yield* new StorageError({ problem: "Broken", filename, detail })
      }
      const path = yield* save(to, cut)
      yield* takeOut(cut)
      const { action_id, id, position, record_hash } = cut.stays
      archives.push({
        tenantId,
        filename: path,
        records: position - cut.first,
        checkpoint: new Checkpoint({
          tenantId,
          id,
          actionId: action_id,
          recordHash: RecordHash.make(record_hash),
          count: position,
          at: yield* DateTime.now,
          roots: []
        })
      })
    }
    if (archives.length > 0) yield* sql`VACUUM`
    return archives
  })
})

/**
 * Takes the records of whole hours before a time out of a ledger that no gateway has open, and writes them to a file for
 * each tenant. Nothing is taken out before its file is on the disk.
 *
 * **Details**
 *
 * A file is a log as GET /audit/log answers it: with the files before it and what the gateway shows, it verifies as the pages of
 * one log. The gateway verifies what stays from the newest archived record on; to the clients of its log, the checkpoint in
 * the result stands for what was archived. Counters, keys of personal data and trees stay, and so does everything from the
 * oldest pending action on.
 *
 * @category retention
 * @since 0.2.0
 */
export const archive = Effect.fn("Gateway.archive")(function*(options: ArchiveOptions) {
  const ledger = Layer.provideMerge(
    MerkleTrees.layer,
    Layer.provideMerge(LedgerSqlite.layer, Database.layer(options))
  ).pipe(Layer.fresh)
  const context: Context.Context<Database.Database | MerkleTrees.MerkleTrees> = yield* Layer.build(ledger)
  const run = yield* Effect.provideContext(make, context)
  return yield* Effect.catchTag(
    run(options),
    "SqlError",
    (error) => Effect.fail(Database.storageError(options.filename)(error))
  )
}, Effect.scoped)
