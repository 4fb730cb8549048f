/**
 * Merkle trees over the audit log: one per full hour. Proofs are verified here, against roots that were stored or
 * pinned.
 *
 * **Details**
 *
 * A leaf is the 32 bytes of a record's hash, a node is SHA-256(left || right), an odd level repeats its last node, and
 * a tree of one is H(x || x). There are no prefixes, so a root alone does not say how many records are below it: hold a
 * proof against the stored tree (`MerkleTree`), which does. SHA-256 comes from the `Hasher` in context.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditApi } from "../audit/wire/AuditApi.ts"
import { checkDuration, checkObject } from "../errors/internal/checkInput.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { type OperationError } from "../errors/VargateError.ts"
import { monotonicMillis } from "../internal/elapsed.ts"
import { maxPageSize } from "../internal/limits.ts"
import type { RecordHash } from "../model/RecordHash.ts"
import * as Transport from "../transport/Transport.ts"
import { Hasher } from "./Hasher.ts"
import { inclusionWith, type TrustedTree as Trusted } from "./internal/merkle/inclusion.ts"
import { rootWith } from "./internal/merkle/merkleNodes.ts"
import { TreeRebuild } from "./internal/merkle/treeRebuild.ts"
import type { MerkleProof, MerkleTree } from "./MerkleProof.ts"
import { Inclusion, type TreesReport } from "./TreesReport.ts"
import type { TreeConsistency, TreesStatus } from "./TreesStatus.ts"
import { MerkleApi } from "./wire/MerkleApi.ts"

/**
 * A root that a proof is compared with, with the tree's index and number of records where they are known. A stored
 * `MerkleTree` is one.
 *
 * **Gotchas**
 *
 * Without `records` a proof may claim any tree size that its path fits.
 *
 * @category models
 * @since 0.1.0
 */
export type TrustedTree = Trusted

/**
 * A proof and the result of verifying it. `tree` is the stored tree that it was compared with, if none was passed.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProvenRecord {
  readonly inclusion: Inclusion
  readonly proof: MerkleProof
  readonly tree: MerkleTree | undefined
}

/**
 * Fetches stored roots and inclusion proofs, and verifies proofs.
 *
 * @category services
 * @since 0.1.0
 */
export class Merkle extends Context.Service<Merkle, {
  /** Stored trees, newest first (GET /audit/merkle/roots). `limit` defaults to 100 and is at most 500. */
  readonly roots: (options?: {
    readonly limit?: number | undefined
  }) => Effect.Effect<ReadonlyArray<MerkleTree>, OperationError>
  /**
   * The gateway's proof for a record (GET /audit/merkle/proof/{hash}). Fails with `NotFound` for an unknown or foreign
   * hash, and until the record's hour is over. What it claims about itself is not verified here: see `prove`.
   */
  readonly proof: (recordHash: RecordHash) => Effect.Effect<MerkleProof, OperationError>
  /**
   * Fetches the proof and verifies it against the stored root of its tree (one of the newest 500), or against one that
   * was pinned earlier. A proof that does not hold is a result with a reason. Where records of the tree were erased,
   * the gateway's proof cannot lead to the stored root any more: the reason is then `ErasedLeaves`, after a look at the
   * log.
   */
  readonly prove: (
    recordHash: RecordHash,
    trusted?: RecordHash | TrustedTree
  ) => Effect.Effect<ProvenRecord, OperationError>
  /**
   * Waits until the hour of a fresh record is over, and proves it then. Fails with `NotFound` where there is still no
   * proof after `timeout` (default: 90 minutes).
   */
  readonly awaitProof: (
    recordHash: RecordHash,
    options?: { readonly timeout?: Duration.Input | undefined }
  ) => Effect.Effect<ProvenRecord, OperationError>
  /** What the gateway says about its own trees (GET /audit/merkle/verify): a claim, not a proof. */
  readonly verify: Effect.Effect<TreesStatus, OperationError>
  /**
   * What the gateway says about the way from one tree to a later one (GET /audit/merkle/consistency/{n}/{m}): a claim,
   * not a proof. `NotFound` for an unknown tree, `InvalidRequest` where the first is not the earlier.
   */
  readonly consistency: (from: number, to: number) => Effect.Effect<TreeConsistency, OperationError>
}>()("effect-vargate/Merkle") {}

const hour = 3_600_000
/** The gateway builds the trees a moment after the hour, not on the stroke of it. */
const settling = 2000
const pollEvery = 30_000
const maxTrees = 500

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(AuditApi, MerkleApi)

  const rootsFor = Effect.fnUntraced(function*(name: string, limit: number | undefined) {
    const { trees } = yield* transport.request(
      { name, sideEffect: "none" },
      client.merkle.roots({ query: limit === undefined ? {} : { limit } })
    )
    return trees
  })

  const proofFor = (name: string, recordHash: RecordHash) =>
    transport.request(
      { name, sideEffect: "none" },
      client.merkle.proof({ params: { hash: recordHash } })
    )

  const roots = Effect.fn("Merkle.roots")((options: { readonly limit?: number | undefined } = {}) =>
    Effect.flatMap(checkObject("Merkle.roots", options), ({ limit }) => rootsFor("Merkle.roots", limit))
  )

  const proof = Effect.fn("Merkle.proof")((recordHash: RecordHash) => proofFor("Merkle.proof", recordHash))

  /** How many records in the range of a tree are marked as erased. */
  const erasedIn = Effect.fnUntraced(function*(name: string, tree: MerkleTree) {
    const { fromRecordId = Infinity, toRecordId = -Infinity } = tree
    const erased = new Set<number>()
    for (let offset = 0;; offset += maxPageSize) {
      const query = { limit: maxPageSize, offset }
      const { records, total } = yield* transport.request(
        { name, sideEffect: "none" },
        client.audit.log({ query })
      )
      for (const { erasureStatus, id } of records) {
        if (erasureStatus === "erased" && id >= fromRecordId && id <= toRecordId) erased.add(id)
      }
      const lowest = records.at(-1)?.id
      if (lowest === undefined || lowest < fromRecordId || offset + maxPageSize >= total) return erased.size
    }
  })

  const proveAs = Effect.fnUntraced(function*(
    name: string,
    recordHash: RecordHash,
    trusted: RecordHash | TrustedTree | undefined
  ) {
    const proof = yield* proofFor(name, recordHash)
    const tree = trusted !== undefined ?
      undefined :
      (yield* rootsFor(name, maxTrees)).find(({ index, root }) =>
        proof.treeIndex === undefined ? root === proof.root : index === proof.treeIndex
      )
    const against = trusted ?? tree
    if (proof.recordHash !== recordHash || against === undefined) {
      const reason = proof.recordHash === recordHash ? "NoTrustedRoot" : "WrongRecord"
      return { inclusion: new Inclusion({ valid: false, reason }), proof, tree }
    }
    const inclusion = yield* verifyInclusion(proof, against)
    const missing = (tree?.records ?? 0) - (proof.treeSize ?? Infinity)
    if (!inclusion.valid && tree !== undefined && missing > 0 && (yield* erasedIn(name, tree)) >= missing) {
      return { inclusion: new Inclusion({ ...inclusion, reason: "ErasedLeaves" }), proof, tree }
    }
    return { inclusion, proof, tree }
  })

  const prove = Effect.fn("Merkle.prove")((recordHash: RecordHash, trusted?: RecordHash | TrustedTree) =>
    proveAs("Merkle.prove", recordHash, trusted)
  )

  const awaitProof = Effect.fn("Merkle.awaitProof")(function*(
    recordHash: RecordHash,
    options: { readonly timeout?: Duration.Input | undefined } = {}
  ) {
    const { timeout: limit = "90 minutes" } = yield* checkObject("Merkle.awaitProof", options)
    const timeout = yield* checkDuration("Merkle.awaitProof", "timeout", limit)
    const now = yield* Clock.currentTimeMillis
    const started = yield* monotonicMillis
    const deadline = started + Duration.toMillis(timeout)
    const firstTry = started + (Math.floor(now / hour) + 1) * hour + settling - now
    const attempt: Effect.Effect<ProvenRecord, OperationError> = Effect.catchIf(
      proveAs("Merkle.awaitProof", recordHash, undefined),
      isNotFound,
      Effect.fnUntraced(function*(error) {
        const now = yield* monotonicMillis
        const pause = Math.max(firstTry - now, pollEvery)
        if (now + pause > deadline) return yield* error
        yield* Effect.sleep(pause)
        return yield* attempt
      })
    )
    return yield* attempt
  })

  const verify = transport.request(
    { name: "Merkle.verify", sideEffect: "none" },
    client.merkle.verify({})
  ).pipe(Effect.withSpan("Merkle.verify"))

  const consistency = Effect.fn("Merkle.consistency")((from: number, to: number) =>
    transport.request(
      { name: "Merkle.consistency", sideEffect: "none" },
      client.merkle.consistency({ params: { tree_n: from, tree_m: to } })
    )
  )

  return Merkle.of({ roots, proof, prove, awaitProof, verify, consistency })
})

const isNotFound = (error: OperationError): error is VargateError =>
  error._tag === "VargateError" && error.reason._tag === "NotFound"

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Merkle, never, Transport.Transport> = Layer.effect(Merkle, make)

// --- without a gateway -----------------------------------------------------------------------------------------------

/**
 * Recomputes the path of a proof and says whether it leads from the record to a root that you trust. What the proof
 * claims about itself (`root`, `claimedValid`) is not looked at.
 *
 * **Details**
 *
 * Sides must follow from `leafIndex`, the number of steps from `treeSize`, and a node may be its own sibling only at
 * the end of an odd level. Hashes in capitals or of another length are refused. In the guide's dialect (bare hashes)
 * sides follow from `leafIndex`; without one, every place is tried, for up to 16 steps.
 *
 * **Example** (Against a root that was pinned)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Merkle, type MerkleProof } from "effect-vargate"
 *
 * const check = (proof: MerkleProof.MerkleProof, pinned: MerkleProof.MerkleTree) =>
 *   Effect.map(Merkle.verifyInclusion(proof, pinned), ({ reason, valid }) => valid ? "in the tree" : reason)
 * ```
 *
 * @category verifying
 * @since 0.1.0
 */
export const verifyInclusion = (proof: MerkleProof, trusted: string | TrustedTree): Effect.Effect<Inclusion> =>
  Effect.flatMap(
    Hasher,
    (hasher) => inclusionWith(hasher, proof, typeof trusted === "string" ? { root: trusted } : trusted)
  )

/**
 * The root over leaves in the order of the log, oldest first. Fails with `InvalidRequest` where there is none, or where
 * one is not 64 lower-case hex digits.
 *
 * @category verifying
 * @since 0.1.0
 */
export const rootOf = (leaves: ReadonlyArray<string>): Effect.Effect<RecordHash, VargateError> =>
  Effect.flatMap(Hasher, (hasher) => rootWith(hasher, leaves)).pipe(
    Effect.flatMap((root) => {
      if (root !== undefined) return Effect.succeed(root as RecordHash)
      const message = leaves.length === 0 ? "a tree has at least one" : "each must be 64 lower-case hex digits"
      const issues = [{ path: ["leaves"], message }]
      return Effect.fail(invalidRequest("Merkle.rootOf", issues))
    })
  )

/**
 * A record as a leaf of a tree. An `AuditRecord` is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leaf {
  readonly id: number
  readonly recordHash: string
  readonly erasureStatus?: string | null | undefined
}

/**
 * Rebuilds stored trees from records, in any order, and compares roots, the chain of `prevRoot`s, and whether any
 * record was left out. Trees whose records are not among those given are counted as `notRead`. A tree that differs only
 * by erased records is `ErasedLeaves`, which is no fault.
 *
 * **When to use**
 *
 * `ChainVerifier.verify({ trees: true })` does this in the same pass in which it verifies the records. A tree proves
 * nothing about records that were not verified.
 *
 * @category verifying
 * @since 0.1.0
 */
export const verifyTrees = (
  trees: ReadonlyArray<MerkleTree>,
  leaves: Iterable<Leaf>
): Effect.Effect<TreesReport> =>
  Effect.flatMap(Hasher, (hasher) => {
    const rebuild = new TreeRebuild(trees, [])
    for (const { erasureStatus, id, recordHash } of leaves) rebuild.add(id, recordHash, erasureStatus === "erased")
    return rebuild.finish(hasher)
  })
