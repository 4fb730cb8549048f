/**
 * The heads of the logs of tenants that have opted in, signed by the gateway's operator, with the tiles that lead to them: so
 * that any witness or auditor can follow such a log without a key.
 *
 * **Details**
 *
 * The tree is that of RFC 6962 over the record hashes in the order of the chain (`LogHead`), and what is served has the form
 * of C2SP's tlog-tiles. A tile that is complete is kept, a head is kept before it is served, and one that does not
 * continue the head before it is not signed: a key tells one story.
 *
 * **Gotchas**
 *
 * Such a log shows the world how many records it has and when it grows, and the hash of each. It shows nothing of their
 * content.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { createHash } from "node:crypto"
import { RecordHash } from "../../model/RecordHash.ts"
import type { HasherService } from "../../verify/Hasher.ts"
import * as Tree from "../../verify/witness/internal/logTree.ts"
import * as LogHead from "../../verify/witness/LogHead.ts"
import * as Note from "../../verify/witness/Note.ts"
import { Ledger, type LogTile } from "./Ledger.ts"

/**
 * The log of one tenant.
 *
 * @category options
 * @since 0.2.0
 */
export interface SignedLog {
  /** Its name is the origin of the log: one that says nothing of the tenant is best (`Note.makeKey`, `Note.parseSigner`). */
  readonly key: Note.SignerKey
  /** Where it is served. Default: `/tlog/` and the id of the key. `""` is the root of the server. */
  readonly path?: string | undefined
}

/**
 * Whose heads are signed.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** By the ids of tenants. Those that are not named have no public log. */
  readonly tenants: Readonly<Record<string, SignedLog>>
  /** How often the gateway looks whether a log has grown. Default: every 10 seconds. */
  readonly every?: Duration.Input | undefined
}

/** Hashes in a tile, and levels of the tree between two levels of tiles. */
const width = 256

/** Records that are read in one go. */
const slice = 4096

const hasher: HasherService = {
  hash: (text) => createHash("sha256").update(text).digest("hex"),
  hashAll: (texts) => Effect.sync(() => texts.map((text) => createHash("sha256").update(text).digest("hex")))
}

const bytesOf = (hashes: ReadonlyArray<string>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Result.getOrThrow(Hex.decode(hashes.join(""))))

const hashesOf = (bytes: Uint8Array): ReadonlyArray<string> =>
  Array.from({ length: bytes.length / 32 }, (_, i) => Hex.encode(bytes.subarray(32 * i, 32 * i + 32)))

/**
 * A log as it was signed last.
 *
 * @category models
 * @since 0.2.0
 */
export interface Published {
  readonly size: number
  /** The signed note. */
  readonly note: string
  /** Of each level of tiles the hashes of the one that is not complete yet. */
  readonly partial: ReadonlyArray<ReadonlyArray<string>>
}

/** The peaks of a tree whose levels of tiles end in these hashes, the largest first. */
const peaksOf = Effect.fnUntraced(function*(partial: Published["partial"]) {
  const peaks: Array<string> = []
  for (const hashes of partial.toReversed()) {
    peaks.push(...(yield* Tree.grow(hasher, Tree.noFrontier, hashes)).peaks)
  }
  return peaks
})

/** How a log grows: complete tiles become hashes of the level above. */
const add = Effect.fnUntraced(function*(
  partial: Array<Array<string>>,
  counts: Array<number>,
  level: number,
  hashes: ReadonlyArray<string>,
  tiles: Array<LogTile>
): Effect.fn.Return<void> {
  const own = partial[level] ??= []
  counts[level] ??= 0
  own.push(...hashes)
  const roots: Array<string> = []
  while (own.length >= width) {
    const complete = own.splice(0, width)
    tiles.push({ level, index: counts[level]!++, hashes: bytesOf(complete) })
    roots.push(yield* Tree.rootOfLeaves(hasher, complete))
  }
  if (roots.length > 0) yield* add(partial, counts, level + 1, roots, tiles)
})

/**
 * Signs heads, and has the tiles.
 *
 * @category services
 * @since 0.2.0
 */
export class SignedHeads extends Context.Service<SignedHeads, {
  /** Signs a log's head where the log has grown. */
  readonly sign: (tenantId: string) => Effect.Effect<void>
  readonly published: (tenantId: string) => Published | undefined
  /** So many hashes of a tile of the signed tree; undefined where it does not have them. */
  readonly tile: (
    tenantId: string,
    tile: { readonly level: number; readonly index: number; readonly width: number }
  ) => Effect.Effect<Uint8Array<ArrayBuffer> | undefined>
  /** The record hashes under a tile of the lowest level. */
  readonly entries: (
    tenantId: string,
    tile: { readonly index: number; readonly width: number }
  ) => Effect.Effect<ReadonlyArray<string> | undefined>
}>()("effect-vargate/gateway/SignedHeads") {}

const make = Effect.fnUntraced(function*({ tenants }: Pick<Options, "tenants">) {
  const ledger = yield* Ledger
  const logs = new Map(Object.entries(tenants))
  const published = new Map<string, Published>()
  const signing = yield* Semaphore.make(1)

  const refuse = (tenantId: string, why: string) =>
    Effect.logError(`The head of the log of ${tenantId} is not signed: ${why}`)

  /** What complete tiles lead to at a size, from those that are kept. */
  const load = Effect.fnUntraced(function*(tenantId: string, size: number) {
    const partial: Array<Array<string>> = [[]]
    const counts = [Math.floor(size / width)]
    for (let level = 1; counts[level - 1]! > 0; level++) {
      const below = counts[level - 1]!
      const complete = Math.floor(below / width)
      const own: Array<string> = []
      for (let index = complete * width; index < below; index++) {
        const tile = yield* ledger.tile(tenantId, level - 1, index)
        if (tile === undefined) return undefined
        own.push(yield* Tree.rootOfLeaves(hasher, hashesOf(tile)))
      }
      partial.push(own)
      counts.push(complete)
    }
    return { partial, counts }
  })

  const sign = Effect.fnUntraced(function*(tenantId: string) {
    const log = logs.get(tenantId)
    if (log === undefined) return
    const { key } = log
    const origin = key.verifier.name
    const kept = yield* ledger.signedHead(tenantId, origin)
    const size = kept?.size ?? 0
    const known = yield* load(tenantId, size)
    if (known === undefined) return yield* refuse(tenantId, "tiles of it are missing in the ledger")
    const { counts, partial } = known
    let place = counts[0]! * width
    let isChecked = kept === undefined
    /** Whether what was signed last is still the beginning of the log. */
    const isContinued = (leaves: ReadonlyArray<string>) =>
      Effect.map(
        Effect.flatMap(peaksOf([leaves, ...partial.slice(1)]), (peaks) => Tree.rootOfPeaks(hasher, peaks)),
        (root) => root === kept?.root
      )
    while (true) {
      const found = yield* ledger.hashes(tenantId, place, slice)
      if (found.some((link, i) => link.place !== place + i + 1)) {
        return yield* refuse(tenantId, "records of it are missing, and nothing is signed over a gap")
      }
      const leaves = yield* Tree.hashLeaves(hasher, found.map(({ recordHash }) => recordHash))
      if (!isChecked) {
        const old = size - place
        if (leaves.length < old) return yield* refuse(tenantId, `it had ${size} records, and has fewer now`)
        if (!(yield* isContinued(leaves.slice(0, old)))) {
          return yield* refuse(tenantId, `its first ${size} records are not those over which a head was signed`)
        }
        isChecked = true
      }
      const tiles: Array<LogTile> = []
      yield* add(partial, counts, 0, leaves, tiles)
      yield* ledger.putTiles(tenantId, tiles)
      place += found.length
      if (found.length < slice) break
      // Other work gets its turn while a long log is read for the first time.
      yield* Effect.yieldNow
    }
    if (place === size && kept !== undefined) {
      if (!published.has(tenantId)) published.set(tenantId, { size, note: kept.note, partial })
      return
    }
    const peaks = yield* peaksOf(partial)
    const root = RecordHash.make(yield* Tree.rootOfPeaks(hasher, peaks))
    const text = LogHead.format(new LogHead.LogHead({ origin, size: place, root, extensions: [] }))
    const note = Note.format({ text, signatures: [yield* Note.sign(text, key, 0)] })
    // Kept before it is shown: a process that ends in between has told nothing that is not known here.
    yield* ledger.putSignedHead(tenantId, { origin, size: place, root, note })
    published.set(tenantId, { size: place, note, partial })
  })

  return SignedHeads.of({
    sign: (tenantId) => signing.withPermit(sign(tenantId)),
    published: (tenantId) => published.get(tenantId),
    tile: Effect.fnUntraced(function*(tenantId, { index, level, width: wanted }) {
      const log = published.get(tenantId)
      if (log === undefined) return undefined
      const hashes = Math.floor(log.size / width ** level)
      if (index * width + wanted > hashes) return undefined
      if (index === Math.floor(hashes / width)) return bytesOf(log.partial[level]!.slice(0, wanted))
      const tile = yield* ledger.tile(tenantId, level, index)
      return tile && new Uint8Array(tile.subarray(0, 32 * wanted))
    }),
    entries: Effect.fnUntraced(function*(tenantId, { index, width: wanted }) {
      const log = published.get(tenantId)
      if (log === undefined || index * width + wanted > log.size) return undefined
      const found = yield* ledger.hashes(tenantId, index * width, wanted)
      // Those in archives are with the archives.
      const isWhole = found.length === wanted && found[0]?.place === index * width + 1
      return isWhole ? found.map(({ recordHash }) => recordHash) : undefined
    })
  })
})

/**
 * Signs as long as the gateway runs. Without options no log is public.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options | undefined): Layer.Layer<SignedHeads, never, Ledger> =>
  Layer.effect(
    SignedHeads,
    Effect.gen(function*() {
      const heads = yield* make(options ?? { tenants: {} })
      const ids = Object.keys(options?.tenants ?? {})
      const signAll = Effect.forEach(
        ids,
        (id) => Effect.catchDefect(heads.sign(id), (defect) => Effect.logError(`No head of ${id} was signed`, defect)),
        { discard: true }
      )
      if (ids.length > 0) {
        yield* Effect.forkScoped(
          Effect.repeat(signAll, Schedule.spaced(options?.every ?? Duration.seconds(10))),
          { startImmediately: true }
        )
      }
      return heads
    })
  )
