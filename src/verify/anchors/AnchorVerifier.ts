/**
 * Verifies that the hourly Merkle roots of the log are on an EVM chain, at nodes of the auditor's own choice: a clock and a
 * memory outside the gateway.
 *
 * **When to use**
 *
 * A checkpoint shows what was changed after you first looked. An anchor also shows what was changed before, as long as it
 * was changed after the anchoring, and whether the gateway told others another story.
 *
 * **Details**
 *
 * Nothing about the chain is taken from the gateway: chain id, contract, owner and code are pinned by the auditor, nodes
 * are the auditor's own, asked by plain JSON-RPC (`eth_chainId`, `eth_getBlockByNumber`, `eth_getCode`, `eth_call`,
 * `eth_getTransactionReceipt`). Every entry of the contract is read at one final block, so that no archive node is needed;
 * logs (`eth_getLogs`) are asked for only where `ownerSince` is pinned.
 *
 * **Example** (Two nodes that must agree)
 *
 * ```ts
 * import { Console, Effect, Layer, Redacted } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { AnchorVerifier, Vargate } from "effect-vargate"
 *
 * const program = Effect.gen(function*() {
 *   const report = yield* AnchorVerifier.verify({
 *     nodes: [
 *       { label: "own", url: "http://127.0.0.1:8545" },
 *       { label: "hosted", url: Redacted.make("https://rpc.example/v2/secret-key") }
 *     ],
 *     chainId: 137,
 *     contract: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
 *     finality: "finalized",
 *     maxDelay: "3 hours"
 *   })
 *   yield* Console.log(report.isChecked ? report.valid : "not checked", report.findings)
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(AnchorVerifier.layer.pipe(Layer.provideMerge(Vargate.layerConfig()))),
 *   Effect.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type { OperationError, VargateError } from "../../errors/VargateError.ts"
import * as Transport from "../../transport/Transport.ts"
import type { ChainReport } from "../ChainReport.ts"
import type { VerifyOptions as ChainOptions } from "../ChainVerifier.ts"
import { chainReader, storedTrees } from "../internal/chain/readChain.ts"
import type { MerkleTree } from "../MerkleProof.ts"
import { AnchorEvidence } from "./AnchorEvidence.ts"
import type { AnchorsReport } from "./AnchorsReport.ts"
import { checkOptions, type Options } from "./internal/anchorOptions.ts"
import { examineAnchors, type Question } from "./internal/examine.ts"
import type { CheckedTree } from "./internal/judge.ts"
import { askOver, type Exchange } from "./internal/node.ts"

/**
 * Nodes, what is pinned, and how to ask.
 *
 * @since 0.2.0
 */
export type { Finality, Node, Options, Pins } from "./internal/anchorOptions.ts"

/**
 * How to verify the log and its anchors together.
 *
 * @category options
 * @since 0.2.0
 */
export interface VerifyOptions extends Options, Pick<ChainOptions, "checkpoints" | "since" | "pageSize"> {}

/**
 * A report, and what it rests on.
 *
 * @category models
 * @since 0.2.0
 */
export interface Gathered {
  readonly report: AnchorsReport
  readonly evidence: AnchorEvidence
}

/**
 * Verifies the anchors of the log of the key's tenant.
 *
 * @category services
 * @since 0.2.0
 */
export class AnchorVerifier extends Context.Service<AnchorVerifier, {
  /**
   * Reads and verifies the log as `ChainVerifier.verify` does, rebuilds its trees (up to the newest 500), and checks the
   * anchor of each. `chain` of the report is what the log itself showed. Fails only where the gateway cannot be asked, or
   * an option is unusable; a node that cannot be asked is told in the report.
   *
   * **Gotchas**
   *
   * With `since`, older records are not read: their trees are compared with the chain, and are `notChecked` all the same.
   */
  readonly verify: (options: VerifyOptions) => Effect.Effect<AnchorsReport, OperationError>
  /** The same, with all that the nodes answered, for `Evidence.export`. */
  readonly gather: (options: VerifyOptions) => Effect.Effect<Gathered, OperationError>
}>()("effect-vargate/AnchorVerifier") {}

/**
 * Builds the service over the transport in context. Nodes are asked over the `HttpClient` in context.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = yield* HttpClient.HttpClient

  const gatherAs = Effect.fnUntraced(function*(operation: string, options: VerifyOptions) {
    const read = chainReader(transport, operation)
    const checked = yield* checkOptions(operation, options)
    const trees = yield* storedTrees(transport, operation)
    const seenAt = yield* Clock.currentTimeMillis
    const states = new Map<number, Omit<CheckedTree, "tree">>()
    const { checkpoints, maxFindings, pageSize, since } = options
    const chain = yield* read({
      checkpoints,
      maxFindings,
      pageSize,
      since,
      trees: Effect.succeed(trees),
      onTree: ({ index }, isRebuilt, lastRequest) => void states.set(index, { isRebuilt, lastRequest })
    })
    const known = trees.map((tree): CheckedTree => ({
      isRebuilt: undefined,
      lastRequest: undefined,
      ...states.get(tree.index),
      tree
    }))
    return yield* ask(client, known, seenAt, checked, chain)
  })

  const verify = Effect.fn("AnchorVerifier.verify")((options: VerifyOptions) =>
    Effect.map(gatherAs("AnchorVerifier.verify", options), ({ report }) => report)
  )
  const gather = Effect.fn("AnchorVerifier.gather")((options: VerifyOptions) =>
    gatherAs("AnchorVerifier.gather", options)
  )

  return AnchorVerifier.of({ verify, gather })
})

/**
 * The service over a transport and the `HttpClient` by which nodes are asked.
 *
 * **Gotchas**
 *
 * Over an embedded gateway the `HttpClient` of the transport reaches that gateway and no node: provide another one here.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<AnchorVerifier, never, Transport.Transport | HttpClient.HttpClient> = Layer.effect(
  AnchorVerifier,
  make
)

/**
 * `AnchorVerifier.verify` of the service in context.
 *
 * @category accessors
 * @since 0.2.0
 */
export const verify = (options: VerifyOptions): Effect.Effect<AnchorsReport, OperationError, AnchorVerifier> =>
  AnchorVerifier.use((verifier) => verifier.verify(options))

// --- without a gateway -----------------------------------------------------------------------------------------------

/**
 * Checks the anchors of trees that were rebuilt from verified records elsewhere, over the `HttpClient` in context.
 *
 * **Gotchas**
 *
 * It is the caller who has verified that the records lead to the roots of these trees.
 *
 * @category verifying
 * @since 0.2.0
 */
export const checkTrees: (
  trees: ReadonlyArray<MerkleTree>,
  options: Options
) => Effect.Effect<AnchorsReport, VargateError, HttpClient.HttpClient> = Effect.fn("AnchorVerifier.checkTrees")(
  function*(trees: ReadonlyArray<MerkleTree>, options: Options) {
    const checked = yield* checkOptions("AnchorVerifier.checkTrees", options)
    const client = yield* HttpClient.HttpClient
    const known = trees.map((tree): CheckedTree => ({ tree, isRebuilt: true, lastRequest: undefined }))
    return (yield* ask(client, known, yield* Clock.currentTimeMillis, checked, undefined)).report
  }
)

const ask = Effect.fnUntraced(function*(
  client: HttpClient.HttpClient,
  trees: ReadonlyArray<CheckedTree>,
  seenAt: number,
  { limits, nodes, settings }: Effect.Success<ReturnType<typeof checkOptions>>,
  chain: ChainReport | undefined
): Effect.fn.Return<Gathered> {
  const transcripts = nodes.map(({ label }) => ({ label, exchanges: [] as Array<Exchange> }))
  const questions = nodes.map((node, place): Question => ({
    label: node.label,
    ask: askOver(client, node, limits, (exchange) => void transcripts[place]!.exchanges.push(exchange))
  }))
  const askedAt = yield* DateTime.now
  const now = DateTime.toEpochMillis(askedAt)
  const report = yield* examineAnchors({ questions, trees, settings, seenAt, now, chain })
  const { maxFindings: _, nodeTimeout: __, codeHash, logRange, maxLag, owner, ownerSince, ...pinned } = settings
  const evidence = new AnchorEvidence({
    ...pinned,
    ...(owner === undefined ? {} : { owner }),
    ...(ownerSince === undefined ? {} : { logRange, ownerSince }),
    ...(codeHash === undefined ? {} : { codeHash }),
    maxLagSeconds: Math.ceil(Duration.toSeconds(maxLag)),
    toTree: Math.max(-1, ...trees.map(({ tree }) => tree.index)),
    seenAt: DateTime.makeUnsafe(seenAt),
    askedAt,
    nodes: transcripts
  })
  return { report, evidence }
})
