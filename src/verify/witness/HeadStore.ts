/**
 * Remembers which head of each log was signed last, before it is signed: so that no key ever tells two stories.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { Checkpoint } from "../../audit/Checkpoint.ts"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { StorageFailed, VargateError } from "../../errors/VargateError.ts"
import { RecordHash } from "../../model/RecordHash.ts"
import type { Storage } from "../Checkpoints.ts"
import * as LogHead from "./LogHead.ts"

/**
 * The beginning of a log, up to a record that was read: enough to read on from there, and to prove that a later log begins with
 * it.
 *
 * @category models
 * @since 0.2.0
 */
export const LogPrefix = Schema.Struct({ checkpoint: Checkpoint, peaks: Schema.Array(RecordHash) })

/**
 * The type of {@link LogPrefix}.
 *
 * @category models
 * @since 0.2.0
 */
export type LogPrefix = typeof LogPrefix.Type

/**
 * The head that was signed last, and how far each witness is known to have followed.
 *
 * @category models
 * @since 0.2.0
 */
export class KeptHead extends Schema.Class<KeptHead>("effect-vargate/KeptHead")({
  origin: Schema.String,
  size: Schema.Int,
  root: RecordHash,
  peaks: Schema.Array(RecordHash),
  /** The hash of its last record, by which a verified chain that continues it is known. Heads of earlier files have none. */
  last: Schema.optionalKey(RecordHash),
  /** Its last record, from which on the log is read for the next head. Heads of earlier files have none. */
  checkpoint: Schema.optionalKey(Checkpoint),
  /** The last size that a witness has cosigned, by its name in the policy. */
  witnesses: Schema.Record(Schema.String, Schema.Int),
  /** What witnesses have followed that are behind the head, as far as it was read with a checkpoint. */
  behind: Schema.optionalKey(Schema.Array(LogPrefix))
}) {
  /** The log up to this head; undefined for heads of earlier files and of an empty log. */
  get prefix(): LogPrefix | undefined {
    return this.checkpoint === undefined ? undefined : { checkpoint: this.checkpoint, peaks: this.peaks }
  }

  /** The longest part of the log that is known and that has at most so many records. */
  prefixAt(size: number): LogPrefix | undefined {
    const { prefix } = this
    return [...this.behind ?? [], ...prefix === undefined ? [] : [prefix]]
      .filter(({ checkpoint }) => checkpoint.count <= size)
      .sort((a, b) => b.checkpoint.count - a.checkpoint.count)[0]
  }
}

/**
 * What was read of a log, as `VerifiedRecords` returns it.
 *
 * @category options
 * @since 0.2.0
 */
export interface ReadSince {
  /** Where reading began: the records are those after it. Default: the beginning of the log. */
  readonly since?: LogPrefix | undefined
  /** The newest record. */
  readonly checkpoint?: Checkpoint | undefined
}

/**
 * Remembers heads.
 *
 * @category services
 * @since 0.2.0
 */
export class HeadStore extends Context.Service<HeadStore, {
  readonly get: (origin: string) => Effect.Effect<KeptHead | undefined, StorageFailed | VargateError>
  /**
   * Keeps the head over these records as the one that may be signed now, and returns it. Fails with `InvalidRequest` where
   * the log has become shorter, or does not begin with the log that was signed last. One process at a time has the store.
   *
   * The records are those of a verified chain (`VerifiedRecords`), in which the hash of a record stands for all before it: so
   * only what has come since the last head is hashed, and need be read: `since` is the `prefix` of the kept head, or one that
   * is `behind` it.
   */
  readonly advance: (
    origin: string,
    recordHashes: ReadonlyArray<string>,
    read?: ReadSince
  ) => Effect.Effect<KeptHead, StorageFailed | VargateError>
  /** Notes that a witness has cosigned a size. */
  readonly cosigned: (
    origin: string,
    sizes: ReadonlyMap<string, number>
  ) => Effect.Effect<void, StorageFailed | VargateError>
}>()("effect-vargate/HeadStore") {}

const File = Schema.fromJsonString(Schema.Struct({
  format: Schema.Literal("vargate-heads"),
  version: Schema.Literal(1),
  heads: Schema.Array(KeptHead)
}))

const decodeFile = Schema.decodeEffect(File)
const encodeFile = Schema.encodeSync(File)

/** Roots of stored trees are nothing that a head is about. */
const withoutRoots = ({ at, count, id, recordHash, tenantId }: Checkpoint) =>
  new Checkpoint({ at, count, id, recordHash, tenantId, roots: [] })

const isSame = (a: LogPrefix, b: LogPrefix | undefined) =>
  b !== undefined && a.checkpoint.count === b.checkpoint.count && a.checkpoint.recordHash === b.checkpoint.recordHash &&
  a.peaks.join() === b.peaks.join()

/** What is kept for witnesses that are behind a head of so many records. */
const behindOf = (size: number, witnesses: Readonly<Record<string, number>>, known: KeptHead | undefined) => {
  const sizes = [...new Set(Object.values(witnesses))].filter((seen) => seen < size)
  const behind = sizes.flatMap((seen) => {
    const prefix = known?.prefixAt(seen)
    return prefix?.checkpoint.count === seen ? [prefix] : []
  })
  return behind.length === 0 ? {} : { behind }
}

/**
 * A store over any storage.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (storage: Storage): Effect.Effect<HeadStore["Service"]> =>
  Effect.sync(() => {
    const writing = Semaphore.makeUnsafe(1)
    const { exclusively = identity } = storage

    const read = Effect.flatMap(storage.read, (json): Effect.Effect<ReadonlyArray<KeptHead>, VargateError> =>
      json === undefined ? Effect.succeed([]) : decodeFile(json).pipe(
        Effect.map(({ heads }) =>
          heads
        ),
        Effect.mapError(({ issue }) => invalidRequest("HeadStore.read", fieldIssues(issue, [])))
      ))

    const keep = (heads: ReadonlyArray<KeptHead>, head: KeptHead) =>
      storage.write(encodeFile({
        format: "vargate-heads",
        version: 1,
        heads: [...heads.filter(({ origin }) => origin !== head.origin), head]
      }))

    const advance = Effect.fnUntraced(function*(
      origin: string,
      recordHashes: ReadonlyArray<string>,
      { checkpoint, since }: ReadSince = {}
    ) {
      const operation = "HeadStore.advance"
      const refuse = (message: string) => invalidRequest(operation, [{ path: [], message }])
      const heads = yield* read
      const last = heads.find((head) => head.origin === origin)
      const size = last?.size ?? 0
      const from = since?.checkpoint.count ?? 0
      const total = from + recordHashes.length
      if (since !== undefined && !isSame(since, last?.prefixAt(from))) {
        return yield* refuse("the records do not begin where a head of this log was kept")
      }
      if (total < size) {
        return yield* refuse(
          `a head of ${size} records was signed, and now there are ${total}: the log was cut, or is another one; sign no more of it`
        )
      }
      if (checkpoint !== undefined && checkpoint.count !== total) {
        return yield* refuse(`the checkpoint is that of ${checkpoint.count} records, and there are ${total}`)
      }
      const before = last?.last === undefined
        ? yield* LogHead.grow(recordHashes.slice(0, size))
        : { size, peaks: last.peaks }
      const isContinued = last === undefined ||
        ((last.last === undefined ||
          last.last === (size === from ? since?.checkpoint.recordHash : recordHashes[size - from - 1])) &&
          (yield* LogHead.rootOf(before)) === last.root)
      if (!isContinued) {
        return yield* refuse(`the first ${size} records are not those over which a head was signed`)
      }
      const { peaks } = yield* LogHead.grow(recordHashes.slice(size - from), before)
      const root = yield* LogHead.rootOf({ size: total, peaks })
      const newest = recordHashes.at(-1) ?? since?.checkpoint.recordHash
      const witnesses = last?.witnesses ?? {}
      const head = new KeptHead({
        origin,
        size: total,
        root,
        peaks,
        ...newest === undefined ? {} : { last: RecordHash.make(newest) },
        ...checkpoint === undefined ? {} : { checkpoint: withoutRoots(checkpoint) },
        witnesses,
        ...behindOf(total, witnesses, last)
      })
      // On the disk before there is a signature: a crash must not leave one that is not known here.
      yield* keep(heads, head)
      return head
    })

    const cosigned = Effect.fnUntraced(function*(origin: string, sizes: ReadonlyMap<string, number>) {
      const heads = yield* read
      const head = heads.find((head) => head.origin === origin)
      if (head === undefined || sizes.size === 0) return
      const witnesses = { ...head.witnesses, ...Object.fromEntries(sizes) }
      const { behind: _, ...rest } = head
      yield* keep(heads, new KeptHead({ ...rest, witnesses, ...behindOf(head.size, witnesses, head) }))
    })

    return HeadStore.of({
      get: (origin) => Effect.map(read, (heads) => heads.find((head) => head.origin === origin)),
      advance: (origin, recordHashes, read) =>
        advance(origin, recordHashes, read).pipe(exclusively, writing.withPermits(1)),
      cosigned: (origin, sizes) => cosigned(origin, sizes).pipe(exclusively, writing.withPermits(1))
    })
  })

/**
 * Heads in memory: gone with the process, so for tests only.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<HeadStore> = Layer.effect(
  HeadStore,
  Effect.suspend(() => {
    let text: string | undefined
    return make({ read: Effect.sync(() => text), write: (json) => Effect.sync(() => void (text = json)) })
  })
)
