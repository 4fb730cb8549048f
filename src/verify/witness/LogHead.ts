/**
 * Heads of a log: how many records it has, and the root of a tree over them, signed. Two parties that have heads of the same
 * size compare one line; a later head is proved to be a continuation of an earlier one.
 *
 * **Details**
 *
 * The tree is that of RFC 6962 over the record hashes in the order of the chain, and a head is a C2SP checkpoint: origin,
 * size and root, a line each. Record hashes survive an erasure, so heads do as well.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { RecordHash } from "../../model/RecordHash.ts"
import { Hasher } from "../Hasher.ts"
import * as Tree from "./internal/logTree.ts"

/**
 * A head as it stands in a checkpoint.
 *
 * @category models
 * @since 0.2.0
 */
export class LogHead extends Schema.Class<LogHead>("effect-vargate/LogHead")({
  /** Which log it is. */
  origin: Schema.String,
  size: Schema.Int,
  root: RecordHash,
  /** Further lines, which nothing here looks at. */
  extensions: Schema.Array(Schema.String)
}) {}

/**
 * Roots of the perfect trees that a log is made of, the largest first: enough to prove later that it has only grown.
 *
 * @category models
 * @since 0.2.0
 */
export const Peaks = Schema.Struct({ size: Schema.Int, peaks: Schema.Array(RecordHash) })

/**
 * The type of {@link Peaks}.
 *
 * @category models
 * @since 0.2.0
 */
export type Peaks = typeof Peaks.Type

const refused = (operation: string, message: string): Effect.Effect<never, VargateError> =>
  Effect.fail(invalidRequest(operation, [{ path: [], message }]))

/** A hash as it stands in notes and proofs, or `undefined`. */
const hexOfBase64 = (text: string): RecordHash | undefined => {
  const bytes = Base64.decode(text)
  return Result.isSuccess(bytes) && bytes.success.length === 32 && Base64.encode(bytes.success) === text
    ? Hex.encode(bytes.success) as RecordHash
    : undefined
}

/**
 * A hash in hex as base64.
 *
 * @category texts
 * @since 0.2.0
 */
export const hashToBase64 = (hash: string): string => {
  const bytes = Hex.decode(hash)
  return Base64.encode(Result.isSuccess(bytes) ? bytes.success : new Uint8Array())
}

/**
 * A hash in base64 as hex; undefined where it is none.
 *
 * @category texts
 * @since 0.2.0
 */
export const hashFromBase64 = hexOfBase64

/**
 * The text of a checkpoint, which is what is signed.
 *
 * @category texts
 * @since 0.2.0
 */
export const format = ({ extensions, origin, root, size }: LogHead): string =>
  `${[origin, size, hashToBase64(root), ...extensions].join("\n")}\n`

/**
 * Reads the text of a checkpoint. Fails with `InvalidRequest` where it is none.
 *
 * @category texts
 * @since 0.2.0
 */
export const parse = (text: string): Effect.Effect<LogHead, VargateError> => {
  if (typeof text !== "string") return refused("LogHead.parse", "a checkpoint is a text")
  const [origin, size, root, ...rest] = text.split("\n")
  const hash = root === undefined ? undefined : hexOfBase64(root)
  const isWhole = text.endsWith("\n") && !rest.slice(0, -1).includes("")
  return !isWhole || origin === undefined || origin === "" || size === undefined || hash === undefined ||
      !/^(?:0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))
    ? refused("LogHead.parse", "a checkpoint has an origin, a size and a root, a line each")
    : Effect.succeed(new LogHead({ origin, size: Number(size), root: hash, extensions: rest.slice(0, -1) }))
}

const noHash = (operation: string) => refused(operation, "a record hash has 64 lower-case hex digits")

const leavesOf = (operation: string, recordHashes: ReadonlyArray<string>) =>
  recordHashes.every(Tree.isHash)
    ? Effect.flatMap(Hasher, (hasher) => Tree.hashLeaves(hasher, recordHashes))
    : noHash(operation)

/**
 * The peaks of a log with more records, oldest first. Default: of a log that begins with them.
 *
 * @category building
 * @since 0.2.0
 */
export const grow = Effect.fnUntraced(function*(
  recordHashes: ReadonlyArray<string>,
  from: Peaks = { size: 0, peaks: [] }
): Effect.fn.Return<Peaks, VargateError> {
  const grown = yield* Tree.growRecords(yield* Hasher, from, recordHashes)
  return grown === undefined ? yield* noHash("LogHead.grow") : grown as Peaks
})

/**
 * The root over all records of a log.
 *
 * @category building
 * @since 0.2.0
 */
export const rootOf = ({ peaks }: Peaks): Effect.Effect<RecordHash> =>
  Effect.flatMap(Hasher, (hasher) => Tree.rootOfPeaks(hasher, peaks)) as Effect.Effect<RecordHash>

/**
 * The path that proves that a log with further records begins with the log of these peaks.
 *
 * @category proving
 * @since 0.2.0
 */
export const proveGrowth = Effect.fnUntraced(function*(
  older: Peaks,
  newRecordHashes: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<string>, VargateError> {
  const leaves = yield* leavesOf("LogHead.proveGrowth", newRecordHashes)
  return yield* Tree.consistencyPath(yield* Hasher, older, leaves)
})

/**
 * Whether a path proves that a log has only grown from one head to another.
 *
 * @category verifying
 * @since 0.2.0
 */
export const isContinuation = (
  older: Pick<LogHead, "size" | "root">,
  newer: Pick<LogHead, "size" | "root">,
  path: ReadonlyArray<string>
): Effect.Effect<boolean> =>
  path.every(Tree.isHash)
    ? Effect.flatMap(Hasher, (hasher) => Tree.isConsistent(hasher, older, newer, path))
    : Effect.succeed(false)

/**
 * The paths of some records of a log, by their places, to its root.
 *
 * @category proving
 * @since 0.2.0
 */
export const proveRecords = Effect.fnUntraced(function*(
  recordHashes: ReadonlyArray<string>,
  places: ReadonlyArray<number>
): Effect.fn.Return<ReadonlyArray<ReadonlyArray<string>>, VargateError> {
  const operation = "LogHead.proveRecords"
  if (places.some((place) => !Number.isSafeInteger(place) || place < 0 || place >= recordHashes.length)) {
    return yield* refused(operation, `a place is a whole number from 0 to ${recordHashes.length - 1}`)
  }
  const hasher = yield* Hasher
  const leaves = yield* leavesOf(operation, recordHashes)
  return yield* Effect.forEach(places, (place) => Tree.inclusionPath(hasher, leaves, place))
})

/**
 * Whether a path leads from a record at a place to the root of a head.
 *
 * @category verifying
 * @since 0.2.0
 */
export const isIncluded = (
  recordHash: string,
  index: number,
  { root, size }: Pick<LogHead, "size" | "root">,
  path: ReadonlyArray<string>
): Effect.Effect<boolean> =>
  [recordHash, ...path].every(Tree.isHash)
    ? Effect.gen(function*() {
      const hasher = yield* Hasher
      const [leaf] = yield* Tree.hashLeaves(hasher, [recordHash])
      return (yield* Tree.rootOfInclusion(hasher, leaf!, index, size, path)) === root
    })
    : Effect.succeed(false)
