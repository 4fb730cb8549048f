/**
 * Roots of the audit log on a blockchain.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type OperationError, ReportedFailure, type SideEffect, VargateError } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import * as Transport from "../transport/Transport.ts"
import type { MerkleProof } from "../verify/MerkleProof.ts"
import type { Anchor, AnchorChain, AnchorCheck, AnchorConsistency, AnchorStatus, LoggedRoot } from "./Anchor.ts"
import type { AnchorFailure } from "./wire/AnchorsApi.ts"
import { AnchorsApi } from "./wire/AnchorsApi.ts"

/**
 * The models that these operations speak of.
 *
 * @since 0.1.0
 */
export * from "./Anchor.ts"

/**
 * Reads and writes anchors.
 *
 * **Details**
 *
 * The gateway answers 200 where it could do nothing (`{"error":"blockchain unavailable"}`): here that is a failure, a
 * `VargateError` whose reason is `ReportedFailure`.
 *
 * **Gotchas**
 *
 * Except for `trigger`, a measured gateway asks for no key, and speaks of the records of all tenants together.
 *
 * @category services
 * @since 0.1.0
 */
export class Anchors extends Context.Service<Anchors, {
  /** Which chains there are (GET /anchor/status). To have none is no failure. */
  readonly status: Effect.Effect<AnchorStatus, OperationError>
  /** Whether the log's root is the one on the chain (GET /anchor/verify). */
  readonly verify: Effect.Effect<AnchorCheck, OperationError>
  /**
   * All anchors, newest first (GET /anchor/log). A measured gateway lists each twice, once for an older mechanism: it is
   * here once.
   */
  readonly log: Effect.Effect<ReadonlyArray<Anchor>, OperationError>
  /** What the gateway says about the chain of its anchors (GET /anchor/chain-verify): a claim, not a proof. */
  readonly verifyChain: Effect.Effect<AnchorChain, OperationError>
  /**
   * That a record is in the tree over the whole log as it is now (GET /anchor/proof/{action_id}). `NotFound` for an
   * unknown action. `Merkle.verifyInclusion` verifies it against an anchored root.
   *
   * **Gotchas**
   *
   * After an erasure a measured gateway returns proofs that lead nowhere (`claimedValid` is false), or answers 500.
   */
  readonly proof: (actionId: ActionId) => Effect.Effect<MerkleProof, OperationError>
  /**
   * What the gateway says about the way from one anchor to a later one (GET /anchor/consistency-proof): a claim, not a
   * proof. `NotFound` for an unknown anchor, `InvalidRequest` where the first is not the earlier.
   */
  readonly consistency: (from: number, to: number) => Effect.Effect<AnchorConsistency, OperationError>
  /** Writes the root to the chain now (POST /anchor/trigger). It costs what the chain costs. */
  readonly trigger: Effect.Effect<Anchor, OperationError>
  /** Roots that the gateway notes for itself, newest first, at most 100 (GET /merkle/roots). */
  readonly roots: Effect.Effect<ReadonlyArray<LoggedRoot>, OperationError>
}>()("effect-vargate/Anchors") {}

type Failure = typeof AnchorFailure.Type

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(AnchorsApi)

  const request = Effect.fnUntraced(function*<A extends object, E>(
    method: string,
    sideEffect: SideEffect,
    sending: Effect.Effect<A, E>
  ) {
    const operation = `Anchors.${method}`
    const answer = yield* transport.request({ name: operation, sideEffect }, sending)
    return isFailure(answer)
      ? yield* new VargateError({
        operation,
        reason: new ReportedFailure({ detail: transport.redact(answer.error), sideEffect })
      })
      : answer as Exclude<A, Failure>
  })

  const status = request("status", "none", client.anchors.status({})).pipe(
    Effect.withSpan("Anchors.status")
  )

  const verify = request("verify", "none", client.anchors.verify({})).pipe(
    Effect.withSpan("Anchors.verify")
  )

  const log = request("log", "none", client.anchors.log({})).pipe(
    Effect.map(({ anchors }) => once(anchors)),
    Effect.withSpan("Anchors.log")
  )

  const verifyChain = request("verifyChain", "none", client.anchors.chain({})).pipe(
    Effect.withSpan("Anchors.verifyChain")
  )

  const proof = Effect.fn("Anchors.proof")((actionId: ActionId) =>
    request("proof", "none", client.anchors.proof({ params: { action_id: actionId } }))
  )

  const consistency = Effect.fn("Anchors.consistency")((from: number, to: number) =>
    request(
      "consistency",
      "none",
      client.anchors.consistency({ query: { from_anchor_index: from, to_anchor_index: to } })
    )
  )

  const trigger = request("trigger", "possible", client.anchors.trigger({})).pipe(
    Effect.withSpan("Anchors.trigger")
  )

  const roots = request("roots", "none", client.anchors.roots({})).pipe(
    Effect.map(({ roots }) => roots),
    Effect.withSpan("Anchors.roots")
  )

  return Anchors.of({ status, verify, log, verifyChain, proof, consistency, trigger, roots })
})

const legacy = "hardhat_legacy"

/** One of each transaction: that of the mechanism which is in use. */
const once = (anchors: ReadonlyArray<Anchor>): ReadonlyArray<Anchor> => {
  const current = new Set(anchors.flatMap(({ source, tx }) => source === legacy || tx === null ? [] : [tx]))
  return anchors.filter(({ source, tx }) => source !== legacy || tx === null || !current.has(tx))
}

const isFailure = (answer: object): answer is Failure => "error" in answer

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Anchors, never, Transport.Transport> = Layer.effect(Anchors, make)
