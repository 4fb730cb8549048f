/**
 * Merkle trees over the audit log: one per full hour.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MerkleProof, MerkleTree } from "./domain/MerkleProof.ts"
import type { RecordHash } from "./domain/RecordHash.ts"
import * as Transport from "./Transport.ts"
import type { OperationError } from "./VargateError.ts"

/**
 * Fetches stored roots and inclusion proofs.
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
   * hash, and until the record's hour is over. What it claims about itself is not verified here.
   */
  readonly proof: (recordHash: RecordHash) => Effect.Effect<MerkleProof, OperationError>
}>()("effect-vargate/Merkle") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport

  const roots = Effect.fn("Merkle.roots")(function*({ limit }: { readonly limit?: number | undefined } = {}) {
    const { trees } = yield* transport.request(
      { name: "Merkle.roots", sideEffect: "none" },
      (client) => client.merkle.roots({ query: limit === undefined ? {} : { limit } })
    )
    return trees
  })

  const proof = Effect.fn("Merkle.proof")((recordHash: RecordHash) =>
    transport.request(
      { name: "Merkle.proof", sideEffect: "none" },
      (client) => client.merkle.proof({ params: { hash: recordHash } })
    )
  )

  return Merkle.of({ roots, proof })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Merkle, never, Transport.Transport> = Layer.effect(Merkle, make)
