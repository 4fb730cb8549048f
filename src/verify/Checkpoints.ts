/**
 * Checkpoints, kept where the gateway cannot reach them. Holding the log against them shows what a self-consistent
 * rewrite or truncation hides from all others.
 *
 * **Example** (Only what is new, and proof that the old is still there)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ChainVerifier, Checkpoints } from "effect-vargate"
 *
 * const check = Effect.gen(function*() {
 *   const store = yield* Checkpoints.CheckpointStore
 *   const report = yield* ChainVerifier.verify({ since: yield* store.latest("my-tenant") })
 *   if (report.checkpoint !== undefined) yield* store.keep(report.checkpoint)
 *   return report
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { Checkpoint } from "../audit/Checkpoint.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import { StorageFailed, type VargateError } from "../errors/VargateError.ts"

/**
 * The models that these operations speak of.
 *
 * @since 0.1.0
 */
export * from "../audit/Checkpoint.ts"

/**
 * Remembers checkpoints.
 *
 * @category services
 * @since 0.1.0
 */
export class CheckpointStore extends Context.Service<CheckpointStore, {
  /** The tenants that there are checkpoints of. */
  readonly tenants: Effect.Effect<ReadonlyArray<string>, StorageFailed | VargateError>
  /** A tenant's checkpoints, oldest first: the last {@link keptPerTenant}. */
  readonly all: (tenantId: string) => Effect.Effect<ReadonlyArray<Checkpoint>, StorageFailed | VargateError>
  /** The one to verify against the next time. */
  readonly latest: (tenantId: string) => Effect.Effect<Checkpoint | undefined, StorageFailed | VargateError>
  /**
   * Keeps a checkpoint. Fails with `InvalidRequest` where that would go back, or contradict one that is kept: a log
   * that was cut or rewritten must not become the truth.
   */
  readonly keep: (checkpoint: Checkpoint) => Effect.Effect<void, StorageFailed | VargateError>
  /** All of them as a JSON text, for another party or for safekeeping. */
  readonly export: Effect.Effect<string, StorageFailed | VargateError>
  /**
   * Adds exported ones that are not known yet. Fails with `InvalidRequest`, and takes none, where one of them
   * contradicts one that is kept: {@link compare} tells which.
   */
  readonly import: (json: string) => Effect.Effect<void, StorageFailed | VargateError>
}>()("effect-vargate/CheckpointStore") {}

/**
 * So many checkpoints are remembered of each tenant. The newest fixes everything before it; older ones only make it
 * easier to compare with another party.
 *
 * @category constants
 * @since 0.1.0
 */
export const keptPerTenant = 1000

// --- as JSON ---------------------------------------------------------------------------------------------------------

const File = Schema.fromJsonString(Schema.Struct({
  format: Schema.Literal("vargate-checkpoints"),
  version: Schema.Literal(1),
  checkpoints: Schema.Array(Checkpoint)
}))

const decodeFile = Schema.decodeEffect(File)
const encodeFile = Schema.encodeSync(File)

/**
 * Checkpoints as a JSON text.
 *
 * @category json
 * @since 0.1.0
 */
export const toJson = (checkpoints: ReadonlyArray<Checkpoint>): string =>
  encodeFile({ format: "vargate-checkpoints", version: 1, checkpoints })

/**
 * Reads what {@link toJson} wrote. Fails with `InvalidRequest` where the text is something else.
 *
 * @category json
 * @since 0.1.0
 */
export const fromJson = (json: string): Effect.Effect<ReadonlyArray<Checkpoint>, VargateError> =>
  decodeFile(json).pipe(
    Effect.map(({ checkpoints }) => checkpoints),
    Effect.mapError(({ issue }) => invalidRequest("Checkpoints.fromJson", fieldIssues(issue, [])))
  )

// --- comparing -------------------------------------------------------------------------------------------------------

/**
 * Two parties were shown different logs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contradiction {
  readonly tenantId: string
  /** The record's id, the tree's index, or the size of a head. */
  readonly at: { readonly id: number } | { readonly tree: number } | { readonly head: number }
  readonly ours: string
  readonly theirs: string
}

/**
 * What comparing found. `agreed` counts records and roots that both were shown alike.
 *
 * @category models
 * @since 0.1.0
 */
export interface Comparison {
  readonly agreed: number
  readonly contradictions: ReadonlyArray<Contradiction>
}

/**
 * Compares what two parties were shown: the record at every place of the log that both have a checkpoint of, and every
 * tree root that both know.
 *
 * **Gotchas**
 *
 * Where `agreed` is 0 they have no place in common, and nothing was compared. Then verify the log of one against the
 * checkpoints of the other: `ChainVerifier.verify({ checkpoints: theirs })`.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compare = (ours: ReadonlyArray<Checkpoint>, theirs: ReadonlyArray<Checkpoint>): Comparison => {
  const seen = new Map(ours.flatMap((checkpoint) => placesOf(checkpoint)).map((place) => [place.key, place]))
  const contradictions: Array<Contradiction> = []
  const agreed = new Set<string>()
  for (const { at, hash, key, tenantId } of theirs.flatMap((checkpoint) => placesOf(checkpoint))) {
    const known = seen.get(key)
    if (known === undefined) continue
    if (known.hash === hash) agreed.add(key)
    else contradictions.push({ tenantId, at, ours: known.hash, theirs: hash })
  }
  return { agreed: agreed.size, contradictions }
}

interface Place {
  readonly key: string
  readonly tenantId: string
  readonly at: Contradiction["at"]
  readonly hash: string
}

/** A checkpoint speaks of its record, by its id and by its place in the log, and of some roots. */
const placesOf = ({ count, head, id, recordHash, roots, tenantId }: Checkpoint): ReadonlyArray<Place> => [
  { key: JSON.stringify([tenantId, "record", id]), tenantId, at: { id }, hash: recordHash },
  { key: JSON.stringify([tenantId, "place", count]), tenantId, at: { id }, hash: recordHash },
  ...(head === undefined
    ? []
    : [{ key: JSON.stringify([tenantId, "head", count]), tenantId, at: { head: count }, hash: head }]),
  ...roots.map(({ index, root }) => ({
    key: JSON.stringify([tenantId, "tree", index]),
    tenantId,
    at: { tree: index },
    hash: root
  }))
]

// --- stores ----------------------------------------------------------------------------------------------------------

/**
 * Where the JSON text of all checkpoints is kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Storage {
  /** Undefined where nothing was ever kept. */
  readonly read: Effect.Effect<string | undefined, StorageFailed>
  /** Must leave either the old text or the new one, whatever happens. */
  readonly write: (json: string) => Effect.Effect<void, StorageFailed>
  /** Keeps other processes away from the storage meanwhile. Default: no other process uses it. */
  readonly exclusively?: (<A, E>(change: Effect.Effect<A, E>) => Effect.Effect<A, E | StorageFailed>) | undefined
}

/**
 * A store over any storage.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (storage: Storage): Effect.Effect<CheckpointStore["Service"]> =>
  Effect.sync(() => {
    const writing = Semaphore.makeUnsafe(1)
    const { exclusively = identity } = storage

    const read = Effect.flatMap(
      storage.read,
      (json) => json === undefined ? Effect.succeed<ReadonlyArray<Checkpoint>>([]) : fromJson(json)
    )

    const add = (operation: string, added: ReadonlyArray<Checkpoint>, goesForward: boolean) =>
      Effect.gen(function*() {
        const kept = yield* read
        const [contradiction] = compare(kept, added).contradictions
        if (contradiction !== undefined) {
          return yield* invalidRequest(operation, [{ path: [], message: contradicts(contradiction) }])
        }
        const back = goesForward &&
          kept.find(({ count, tenantId }) =>
            added.some((checkpoint) => checkpoint.tenantId === tenantId && checkpoint.count < count)
          )
        if (back) {
          return yield* invalidRequest(operation, [{
            path: ["count"],
            message: `${back.count} records are vouched for already`
          }])
        }
        yield* storage.write(toJson(merge(kept, added)))
      }).pipe(exclusively, writing.withPermits(1))

    const all = (tenantId: string) =>
      Effect.map(read, (kept) => kept.filter((checkpoint) => checkpoint.tenantId === tenantId))

    return CheckpointStore.of({
      tenants: Effect.map(read, (kept) => [...new Set(kept.map(({ tenantId }) => tenantId))]),
      all,
      latest: (tenantId) => Effect.map(all(tenantId), (kept) => kept.at(-1)),
      keep: (checkpoint) => add("CheckpointStore.keep", [checkpoint], true),
      export: Effect.map(read, toJson),
      import: (json) => Effect.flatMap(fromJson(json), (added) => add("CheckpointStore.import", added, false))
    })
  })

const contradicts = ({ at, ours, theirs }: Contradiction) =>
  `${
    "id" in at ? `record ${at.id}` : "tree" in at ? `tree ${at.tree}` : `the head of ${at.head} records`
  } was shown as ${ours} and is now shown as ${theirs}`

/** By tenant and place, of two of the same place the later one. */
const merge = (kept: ReadonlyArray<Checkpoint>, added: ReadonlyArray<Checkpoint>): ReadonlyArray<Checkpoint> => {
  const byPlace = new Map(
    [...kept, ...added].map((checkpoint) =>
      [JSON.stringify([checkpoint.tenantId, checkpoint.count]), checkpoint] as const
    )
  )
  const tenants = Map.groupBy(byPlace.values(), ({ tenantId }) => tenantId)
  return [...tenants.values()].flatMap((own) => own.sort((a, b) => a.count - b.count).slice(-keptPerTenant))
}

/**
 * Checkpoints in memory: gone with the process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<CheckpointStore> = Layer.effect(
  CheckpointStore,
  Effect.suspend(() => {
    let text: string | undefined
    return make({
      read: Effect.sync(() => text),
      write: (json) => Effect.sync(() => void (text = json))
    })
  })
)

/**
 * Checkpoints in the `KeyValueStore` in context, all under one key. Default: `vargate/checkpoints`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerKeyValueStore = (
  options: { readonly key?: string | undefined } = {}
): Layer.Layer<CheckpointStore, never, KeyValueStore.KeyValueStore> => {
  const { key = "vargate/checkpoints" } = options
  const failed = (operation: string) => ({ message }: KeyValueStore.KeyValueStoreError) =>
    new StorageFailed({ operation, detail: message })
  return Layer.effect(
    CheckpointStore,
    Effect.flatMap(KeyValueStore.KeyValueStore, (store) =>
      make({
        read: Effect.mapError(store.get(key), failed("CheckpointStore.read")),
        write: (json) => Effect.mapError(store.set(key, json), failed("CheckpointStore.write"))
      }))
  )
}
