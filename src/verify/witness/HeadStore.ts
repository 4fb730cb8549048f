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
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { StorageFailed, VargateError } from "../../errors/VargateError.ts"
import { RecordHash } from "../../model/RecordHash.ts"
import type { Storage } from "../Checkpoints.ts"
import * as LogHead from "./LogHead.ts"

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
  /** The last size that a witness has cosigned, by its name in the policy. */
  witnesses: Schema.Record(Schema.String, Schema.Int)
}) {}

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
   * only what has come since the last head is hashed.
   */
  readonly advance: (
    origin: string,
    recordHashes: ReadonlyArray<string>
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

    const advance = Effect.fnUntraced(function*(origin: string, recordHashes: ReadonlyArray<string>) {
      const operation = "HeadStore.advance"
      const refuse = (message: string) => invalidRequest(operation, [{ path: [], message }])
      const heads = yield* read
      const last = heads.find((head) => head.origin === origin)
      const size = last?.size ?? 0
      if (recordHashes.length < size) {
        return yield* refuse(`a head of ${size} records was signed, and now there are ${recordHashes.length}`)
      }
      const before = last?.last === undefined
        ? yield* LogHead.grow(recordHashes.slice(0, size))
        : { size, peaks: last.peaks }
      const isContinued = last === undefined ||
        ((last.last === undefined || last.last === recordHashes[size - 1]) &&
          (yield* LogHead.rootOf(before)) === last.root)
      if (!isContinued) {
        return yield* refuse(`the first ${size} records are not those over which a head was signed`)
      }
      const { peaks } = yield* LogHead.grow(recordHashes.slice(size), before)
      const root = yield* LogHead.rootOf({ size: recordHashes.length, peaks })
      const newest = recordHashes.at(-1)
      const head = new KeptHead({
        origin,
        size: recordHashes.length,
        root,
        peaks,
        ...newest === undefined ? {} : { last: RecordHash.make(newest) },
        witnesses: last?.witnesses ?? {}
      })
      // On the disk before there is a signature: a crash must not leave one that is not known here.
      yield* keep(heads, head)
      return head
    })

    const cosigned = Effect.fnUntraced(function*(origin: string, sizes: ReadonlyMap<string, number>) {
      const heads = yield* read
      const head = heads.find((head) => head.origin === origin)
      if (head === undefined || sizes.size === 0) return
      yield* keep(heads, new KeptHead({ ...head, witnesses: { ...head.witnesses, ...Object.fromEntries(sizes) } }))
    })

    return HeadStore.of({
      get: (origin) => Effect.map(read, (heads) => heads.find((head) => head.origin === origin)),
      advance: (origin, recordHashes) => advance(origin, recordHashes).pipe(exclusively, writing.withPermits(1)),
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
