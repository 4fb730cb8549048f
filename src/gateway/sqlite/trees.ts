/**
 * Merkle trees, and what they are built of.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { RecordHash } from "../../model/RecordHash.ts"
import { MerkleTree } from "../../verify/MerkleProof.ts"
import type { Ledger } from "../ledger/Ledger.ts"
import type { Database } from "./Database.ts"
import { fromColumn, toColumn } from "./losslessText.ts"
import { fromMillis, toMillis } from "./recordRows.ts"

const slice = 2000

interface TreeRow {
  readonly tree_index: number
  readonly root: string
  readonly records: number
  readonly height: number | null
  readonly from_record_id: number | null
  readonly to_record_id: number | null
  readonly period_start: number
  readonly period_end: number
  readonly created_at: number | null
  readonly prev_root: string | null
  readonly anchor_tx: string | null
  readonly anchor_chain: string | null
  readonly anchor_block: number | null
}

/** An absent value comes back as absent, as the schema of a tree has it. */
const present = <K extends string, A>(key: K, value: A | null) =>
  value === null ? {} : { [key]: value } as { [_ in K]: A }

const treeOf = (row: TreeRow): MerkleTree =>
  new MerkleTree({
    index: row.tree_index,
    root: RecordHash.make(row.root),
    records: row.records,
    ...present("height", row.height),
    ...present("fromRecordId", row.from_record_id),
    ...present("toRecordId", row.to_record_id),
    periodStart: fromMillis(row.period_start),
    periodEnd: fromMillis(row.period_end),
    ...present("createdAt", row.created_at === null ? null : fromMillis(row.created_at)),
    prevRoot: row.prev_root === null ? null : RecordHash.make(row.prev_root),
    anchorTx: row.anchor_tx,
    anchorChain: row.anchor_chain,
    ...present("anchorBlock", row.anchor_block)
  })

/**
 * The methods of a ledger that are about trees.
 *
 * @category constructors
 * @since 0.1.0
 */
export const trees = ({ commit, read, sql }: Database["Service"]) => {
  const positionOf = (tenantId: string, id: number) =>
    Effect.map(
      read(sql<{ readonly position: number }>`
        SELECT position FROM records WHERE id = ${id} AND tenant_id = ${tenantId}`),
      ([row]) => row?.position
    )

  const leavesBetween = (tenantId: string, after: number, to: number) =>
    Stream.paginate(after, (after) =>
      Effect.map(
        read(sql<
          {
            readonly id: number
            readonly position: number
            readonly record_hash: string
            readonly created_at: number | null
            readonly requested_at: number
          }
        >`
          SELECT id, position, record_hash, created_at, requested_at FROM records
          WHERE tenant_id = ${tenantId} AND position > ${after} AND position <= ${to}
            AND erasure_status IS NOT 'erased'
          ORDER BY position LIMIT ${slice}`),
        (rows) =>
          [
            rows.map((row) => ({
              id: row.id,
              recordHash: RecordHash.make(row.record_hash),
              createdAt: fromMillis(row.created_at ?? row.requested_at)
            })),
            rows.length < slice ? Option.none() : Option.some(rows[rows.length - 1]!.position)
          ] as const
      ))

  return {
    leaves: (tenantId, afterId, toId) =>
      Stream.unwrap(Effect.gen(function*() {
        const after = afterId === undefined ? 0 : yield* positionOf(tenantId, afterId)
        const to = toId === undefined ? Number.MAX_SAFE_INTEGER : yield* positionOf(tenantId, toId)
        return leavesBetween(tenantId, after ?? 0, to ?? 0)
      })),

    trees: (tenantId) =>
      Effect.map(
        read(sql<TreeRow>`SELECT * FROM merkle_trees WHERE tenant_id = ${tenantId} ORDER BY tree_index`),
        (rows) => rows.map(treeOf)
      ),

    addTree: (tenantId, tree) =>
      commit(Effect.asVoid(sql`INSERT INTO merkle_trees ${
        sql.insert({
          tenant_id: tenantId,
          tree_index: tree.index,
          root: tree.root,
          records: tree.records,
          height: tree.height ?? null,
          from_record_id: tree.fromRecordId ?? null,
          to_record_id: tree.toRecordId ?? null,
          period_start: tree.periodStart.epochMilliseconds,
          period_end: tree.periodEnd.epochMilliseconds,
          created_at: toMillis(tree.createdAt),
          prev_root: tree.prevRoot ?? null,
          anchor_tx: tree.anchorTx ?? null,
          anchor_chain: tree.anchorChain ?? null,
          anchor_block: tree.anchorBlock ?? null
        })
      }`)),

    noteAnchor: (tenantId, treeIndex, { block, chain, tx }) =>
      commit(Effect.asVoid(sql`UPDATE merkle_trees
        SET anchor_tx = ${tx}, anchor_chain = ${chain}, anchor_block = ${block ?? null}
        WHERE tenant_id = ${tenantId} AND tree_index = ${treeIndex} AND anchor_tx IS NULL`)),

    hashes: (tenantId, after, limit) =>
      Effect.map(
        read(sql<{ readonly position: number; readonly record_hash: string }>`
          SELECT position, record_hash FROM records WHERE tenant_id = ${tenantId} AND position > ${after}
          ORDER BY position LIMIT ${limit}`),
        (rows) => rows.map(({ position, record_hash }) => ({ place: position, recordHash: record_hash }))
      ),

    signedHead: (tenantId, origin) =>
      Effect.map(
        read(sql<{ readonly size: number; readonly root: string; readonly note: string }>`
          SELECT size, root, note FROM signed_heads WHERE tenant_id = ${tenantId} AND origin = ${toColumn(origin)}`),
        ([row]) => row && { origin, size: row.size, root: RecordHash.make(row.root), note: fromColumn(row.note) }
      ),

    putTiles: (tenantId, tiles) =>
      tiles.length === 0 ?
        Effect.void :
        commit(Effect.forEach(tiles, ({ hashes, index, level }) =>
          sql`INSERT INTO log_tiles (tenant_id, level, tile_index, hashes)
          VALUES (${tenantId}, ${level}, ${index}, ${hashes})
          ON CONFLICT (tenant_id, level, tile_index) DO UPDATE SET hashes = excluded.hashes`, { discard: true })),

    putSignedHead: (tenantId, { note, origin, root, size }) =>
      commit(Effect.asVoid(sql`INSERT INTO signed_heads (tenant_id, origin, size, root, note)
        VALUES (${tenantId}, ${toColumn(origin)}, ${size}, ${root}, ${toColumn(note)})
        ON CONFLICT (tenant_id, origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note`)),

    tile: (tenantId, level, index) =>
      Effect.map(
        read(sql<{ readonly hashes: Uint8Array }>`SELECT hashes FROM log_tiles
          WHERE tenant_id = ${tenantId} AND level = ${level} AND tile_index = ${index}`),
        ([row]) => row?.hashes
      )
  } satisfies Partial<Ledger["Service"]>
}
