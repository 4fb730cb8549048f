import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { ToolCalls } from "../../../src/calls/ToolCalls.ts"
import { RecordHash } from "../../../src/model/RecordHash.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import { GatewayMemory } from "../../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import * as Transport from "../../../src/transport/Transport.ts"
import type { AnchorsReport } from "../../../src/verify/anchors/AnchorsReport.ts"
import * as AnchorVerifier from "../../../src/verify/anchors/AnchorVerifier.ts"
import { Merkle } from "../../../src/verify/Merkle.ts"
import { MerkleTree } from "../../../src/verify/MerkleProof.ts"
import { gateway } from "../../support/rawLog.ts"
import {
  anchoringOf,
  type Answer,
  callOf,
  chainId,
  contract,
  digest,
  hour,
  nodes,
  otherContract,
  owner,
  type Params,
  ScriptedChain,
  treesOf
} from "./scriptedChain.ts"

/** SHA-256 of the bytes of the scripted code. */
const codeHash = "12c1c6c1622ef139f7be5e75d22b0af0c26c294582e9a761716a7444d64bff39"
const pins = { chainId, contract, finality: "finalized", maxDelay: "1 hour" } as const
const optionsFor = (...labels: ReadonlyArray<string>): AnchorVerifier.Options => ({
  ...pins,
  nodes: labels.map((label) => ({ label, url: Redacted.make(`http://127.0.0.1/${label}?key=secret-key`) })),
  retries: 0
})

/** The report on trees, by nodes that answer as they are told. The clock stands a little after the newest block. */
const check = (
  trees: ReadonlyArray<MerkleTree>,
  answers: Parameters<typeof nodes>[0],
  options: Partial<AnchorVerifier.Options> = {}
): Effect.Effect<AnchorsReport> =>
  Effect.gen(function*() {
    const newest = Math.max(...Object.values(answers).map(({ chain }) => chain.head.time))
    yield* TestClock.setTime(1000 * (newest + 30))
    return yield* AnchorVerifier.checkTrees(trees, { ...optionsFor(...Object.keys(answers)), ...options })
  }).pipe(Effect.provide(Layer.merge(nodes(answers), NodeHasher.layer)), Effect.orDie)

const tags = ({ findings }: AnchorsReport) => findings.map(({ _tag }) => _tag)
const states = ({ trees }: AnchorsReport) => trees.map(({ state }) => state)
const changed = (tree: MerkleTree, change: Partial<MerkleTree>) => new MerkleTree({ ...tree, ...change })

/** Three trees, all anchored, and a chain that has them. */
const honest = () => {
  const chain = new ScriptedChain()
  const trees = chain.anchor(treesOf(3))
  chain.mine(5 * hour)
  return { chain, trees }
}

describe("an honest gateway", () => {
  it.effect("has every tree on the chain, with its block and its delay", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      const report = yield* check(trees, { a: { chain }, b: { chain } }, {
        owner: owner.toUpperCase().replace("0X", "0x"),
        codeHash
      })
      assert.deepStrictEqual(tags(report), [])
      assert.isTrue(report.valid && report.isChecked && report.isComplete)
      assert.deepStrictEqual(states(report), ["anchored", "anchored", "anchored"])
      assert.deepInclude(report.trees[1]!, { index: 1, anchorIndex: 1, block: 2, delaySeconds: 60 })
      assert.deepInclude(report, { entries: 3, otherEntries: 0, chainId, contract })
      assert.deepStrictEqual(report.nodes, [{ label: "a", isChecked: true }, { label: "b", isChecked: true }])
    }))

  it.effect("may have sent a tree again, and may share the contract with others", () =>
    Effect.gen(function*() {
      const chain = new ScriptedChain()
      const [tree] = chain.anchor(treesOf(1))
      chain.submit(anchoringOf(tree!), 2 * hour)
      chain.submit({ ...anchoringOf(tree!), root: digest("foreign"), prevRoot: digest("other") }, 2 * hour)
      const report = yield* check([tree!], { a: { chain } })
      assert.isTrue(report.valid)
      assert.deepInclude(report, { entries: 3, otherEntries: 1 })
    }))

  it.effect("is given its time: a fresh tree is pending, before and after its transaction is mined", () =>
    Effect.gen(function*() {
      const chain = new ScriptedChain()
      const [first, second] = treesOf(2)
      const [anchored] = chain.anchor([first!])
      chain.mine(2 * hour + 60)
      const waiting = changed(second!, { anchorTx: `0x${digest("not mined")}` })
      for (const tree of [second!, waiting]) {
        const report = yield* check([anchored!, tree], { a: { chain } })
        assert.deepStrictEqual([report.valid, states(report)], [true, ["anchored", "pending"]])
      }
      const [mined] = chain.anchor([second!])
      const report = yield* check([anchored!, mined!], { a: { chain } }, { finality: { confirmations: 1 } })
      assert.deepStrictEqual([report.valid, states(report)], [true, ["anchored", "pending"]])
    }))

  it.effect("may have anchored roots over its whole log, the first of which is that of its first tree", () =>
    Effect.gen(function*() {
      const chain = new ScriptedChain()
      const [first, second] = treesOf(2)
      const [anchored] = chain.anchor([first!])
      chain.submit({ ...anchoringOf(first!), root: digest("all"), prevRoot: first!.root, records: 15 }, 2 * hour)
      const [next] = chain.anchor([second!])
      assert.isTrue((yield* check([anchored!, next!], { a: { chain } })).valid)
    }))

  it.effect("need not have anchored from the beginning", () =>
    Effect.gen(function*() {
      const chain = new ScriptedChain()
      const [first, second] = treesOf(2)
      const [anchored] = chain.anchor([second!])
      chain.mine(9 * hour)
      assert.deepStrictEqual(tags(yield* check([first!, anchored!], { a: { chain } })), ["MissingAnchor"])
      assert.isTrue((yield* check([first!, anchored!], { a: { chain } }, { fromTree: 1 })).valid)
    }))
})

describe("what is wrong has a finding of its own", () => {
  const cases: ReadonlyArray<
    readonly [string, expected: ReadonlyArray<string>, () => readonly [ReadonlyArray<MerkleTree>, ScriptedChain]]
  > = [
    ["a missing anchor", ["MissingAnchor"], () => {
      const chain = new ScriptedChain()
      const [first, second] = treesOf(2)
      const [anchored] = chain.anchor([first!])
      chain.mine(9 * hour)
      return [[anchored!, second!], chain]
    }],
    ["a tree that was told otherwise before: forked", ["ForkedTree"], () => {
      const { chain, trees } = honest()
      const last = trees[2]!
      chain.submit({ ...anchoringOf(last), root: digest("another story") }, 6 * hour)
      return [trees, chain]
    }],
    ["a tree that is not shown any more", ["ForkedTree"], () => {
      const { chain, trees } = honest()
      return [trees.slice(0, 2), chain]
    }],
    ["an anchor in a foreign contract", ["ForeignContract"], () => {
      const chain = new ScriptedChain()
      const [tree] = treesOf(1)
      const anchorTx = chain.submit(anchoringOf(tree!), hour + 60, { to: otherContract })
      chain.mine(9 * hour)
      return [[changed(tree!, { anchorTx })], chain]
    }],
    ["a chain that is not the pinned one", ["ForeignChain"], () => {
      const { chain, trees } = honest()
      chain.chainId = 80002
      return [trees, chain]
    }],
    ["a reverted transaction", ["Reverted"], () => {
      const chain = new ScriptedChain()
      const [tree] = treesOf(1)
      const anchorTx = chain.submit(anchoringOf(tree!), hour + 60, { isSuccess: false })
      chain.mine(9 * hour)
      return [[changed(tree!, { anchorTx })], chain]
    }],
    ["a late anchor", ["LateAnchor"], () => {
      const chain = new ScriptedChain()
      const [tree] = treesOf(1)
      const anchorTx = chain.submit(anchoringOf(tree!), 3 * hour)
      return [[changed(tree!, { anchorTx })], chain]
    }],
    ["an anchor before the hour was over", ["AnchoredTooEarly"], () => {
      const chain = new ScriptedChain()
      const [tree] = treesOf(1)
      const anchorTx = chain.submit(anchoringOf(tree!), hour - 60)
      return [[changed(tree!, { anchorTx })], chain]
    }],
    ["a transaction that was reorganized away", ["TransactionMissing"], () => {
      const { trees } = honest()
      const chain = new ScriptedChain("after the reorganization")
      chain.mine(9 * hour)
      return [trees.slice(0, 1), chain]
    }],
    ["a tree rewritten after anchoring", ["AnchoredOtherRoot", "ForkedTree"], () => {
      const { chain, trees } = honest()
      return [[...trees.slice(0, 2), changed(trees[2]!, { root: RecordHash.make(digest("rewritten")) })], chain]
    }],
    ["a transaction of something else", ["NoAnchorWritten"], () => {
      const { chain, trees } = honest()
      const receipt = chain.answer.bind(chain)
      chain.answer = (method, params) => {
        const answer = receipt(method, params)
        return method === "eth_getTransactionReceipt" ? { ...(answer as object), logs: [] } : answer
      }
      return [trees.slice(0, 1).concat(trees.slice(1).map((tree) => changed(tree, { anchorTx: null }))), chain]
    }],
    ["what is no transaction hash", ["MalformedTransaction"], () => {
      const { chain, trees } = honest()
      return [[changed(trees[0]!, { anchorTx: "0x01\", \"latest" }), ...trees.slice(1)], chain]
    }],
    ["another block than that of the transaction", ["WrongBlock"], () => {
      const { chain, trees } = honest()
      return [[changed(trees[0]!, { anchorBlock: 4 }), ...trees.slice(1)], chain]
    }],
    ["an entry of another size", ["EntryDiffers"], () => {
      const chain = new ScriptedChain()
      const [tree] = treesOf(1)
      const anchorTx = chain.submit({ ...anchoringOf(tree!), records: 11 }, hour + 60)
      chain.mine(9 * hour)
      return [[changed(tree!, { anchorTx })], chain]
    }],
    ["no contract at the pinned address", ["NoContract"], () => {
      const { chain, trees } = honest()
      chain.code = "0x"
      return [trees, chain]
    }],
    ["a receipt of a block that is not on the chain", ["NotOnChain"], () => {
      const { chain, trees } = honest()
      const answer = chain.answer.bind(chain)
      chain.answer = (method, params) => {
        const result = answer(method, params)
        return method === "eth_getTransactionReceipt" && params[0] === trees[0]!.anchorTx
          ? { ...(result as object), blockHash: `0x${digest("uncle")}` }
          : result
      }
      return [trees, chain]
    }]
  ]

  it.effect.each(cases)("%s", ([, expected, scene]) =>
    Effect.gen(function*() {
      const [trees, chain] = scene()
      const report = yield* check(trees, { a: { chain } })
      assert.deepStrictEqual(tags(report), expected)
      assert.isFalse(report.valid)
    }))

  it.effect("another owner, and another code", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      const report = yield* check(trees, { a: { chain } }, { owner: otherContract, codeHash: "00".repeat(32) })
      assert.deepStrictEqual(tags(report), ["WrongCode", "WrongOwner"])
      assert.deepInclude(report.findings[1]!, { expected: otherContract, found: owner })
    }))
})

describe("nodes", () => {
  const lying: Answer = (method, _, honest) =>
    method === "eth_getTransactionReceipt" ? { ...(honest() as object), status: "0x0" } : honest()

  it.effect("a lying one alone is believed", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      assert.deepStrictEqual(tags(yield* check(trees.slice(0, 3), { a: { chain, answer: lying } })), [
        "Reverted",
        "Reverted",
        "Reverted"
      ])
      // One that knows of another story than the chain has: believed as well.
      const forged = new ScriptedChain()
      const rewritten = forged.anchor(treesOf(3, { salt: " rewritten" }))
      forged.mine(5 * hour)
      assert.isTrue((yield* check(rewritten, { a: { chain: forged } })).valid)
    }))

  it.effect("beside an honest one it is found out", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      const report = yield* check(trees, { liar: { chain, answer: lying }, honest: { chain } })
      assert.deepStrictEqual(tags(report), ["NodesDisagree", "NodesDisagree", "NodesDisagree"])
      assert.deepInclude(report.findings[0]!, { about: "tree", tree: 0 })
      assert.deepStrictEqual(states(report), ["disputed", "disputed", "disputed"])
      const forged = new ScriptedChain("forged")
      const rewritten = forged.anchor(treesOf(3, { salt: " rewritten" }))
      forged.mine(5 * hour)
      const other = yield* check(rewritten, { liar: { chain: forged }, honest: { chain } })
      assert.deepStrictEqual(tags(other), ["NodesDisagree"])
      assert.deepInclude(other.findings[0]!, { about: "block" })
      assert.isFalse(report.valid || other.valid)
    }))

  it.effect("disagree about the code, the owner and the number of entries", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      const other =
        (method: string, change: (result: unknown, params: Params) => unknown): Answer => (asked, params, honest) =>
          asked === method ? change(honest(), params) : honest()
      const lie = (selector: string, answer: string) =>
        other("eth_call", (result, params) => callOf(params).data === selector ? answer : result)
      const about = (answer: Answer) =>
        Effect.map(
          check(trees, { a: { chain }, b: { chain, answer } }),
          ({ findings }) => findings.flatMap((finding) => "about" in finding ? [finding.about] : [finding._tag])
        )
      assert.deepStrictEqual(yield* about(other("eth_getCode", () => "0x60")), ["code"])
      assert.deepStrictEqual(yield* about(lie("0x8da5cb5b", `0x${"0".repeat(64)}`)), ["owner"])
      assert.deepStrictEqual(yield* about(lie("0xd3182bed", `0x${"2".padStart(64, "0")}`)), ["tree", "entries"])
    }))

  it.effect("of different heights are asked about the same block", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      const behind: Answer = (method, params, honest) =>
        method === "eth_getBlockByNumber" && params[0] === "finalized"
          ? chain.answer(method, ["0x3"])
          : honest()
      const report = yield* check(trees, { a: { chain }, b: { chain, answer: behind } }, { maxLag: "1 day" })
      assert.deepStrictEqual([report.valid, report.block?.number], [true, 3])
    }))

  const failures: ReadonlyArray<readonly [string, why: RegExp, unknown]> = [
    ["cannot be reached", /^could not be reached$/, ScriptedTransport.refuse],
    ["breaks the connection", /^could not be reached$/, ScriptedTransport.disconnect],
    ["answers 401", /^answered 401 to eth_call$/, ScriptedTransport.json(401, { message: "secret-key is wrong" })],
    ["redirects", /^answered 302 to eth_call$/, ScriptedTransport.text(302, "", { location: "http://127.0.0.1/b" })],
    [
      "answers an error in a 200",
      /^answered error -32601 to eth_call$/,
      ScriptedTransport.json(200, { id: 1, error: { code: -32601, message: "secret-key" } })
    ],
    ["answers no JSON", /^answered eth_call with something else$/, ScriptedTransport.text(200, "<html>")],
    ["answers another type", /^answered eth_call with something else$/, ScriptedTransport.json(200, { result: 7 })],
    ["answers nothing", /^answered eth_call with something else$/, ScriptedTransport.json(200, {})],
    [
      "answers too much",
      /^answered more than 65536 bytes to eth_call$/,
      ScriptedTransport.text(200, `{"result":"0x${"00".repeat(40_000)}"}`)
    ]
  ]

  it.effect.each(failures)("one that %s is not checked, which is not valid", ([, why, step]) =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      const answer: Answer = (method, _, honest) => method === "eth_call" ? step : honest()
      const options = { maxAnswerBytes: 65_536 }
      const alone = yield* check(trees, { a: { chain, answer } }, options)
      assert.deepStrictEqual([alone.valid, alone.isChecked, tags(alone)], [false, false, []])
      assert.deepStrictEqual(states(alone), ["notChecked", "notChecked", "notChecked"])
      assert.match(alone.nodes[0]!.why!, why)
      const beside = yield* check(trees, { a: { chain, answer }, b: { chain } }, options)
      assert.deepStrictEqual([beside.valid, beside.isChecked, beside.isComplete], [false, false, false])
      const enough = yield* check(trees, { a: { chain, answer }, b: { chain } }, { ...options, minNodes: 1 })
      assert.deepStrictEqual([enough.valid, enough.isChecked, enough.isComplete], [true, true, false])
      assert.notInclude(JSON.stringify([alone, beside, enough]), "secret")
      assert.notInclude(JSON.stringify([alone, beside, enough]), "127.0.0.1")
    }))

  it.effect("one that is silent, or never done, is not waited for without end", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      yield* TestClock.setTime(1000 * (chain.head.time + 30))
      const silent: Answer = (method, _, honest) => method === "eth_call" ? ScriptedTransport.hang : honest()
      const slow: Answer = (_, __, honest) =>
        ScriptedTransport.delayed(ScriptedTransport.json(200, { result: honest() }), "9 seconds")
      const asking = (answer: Answer) =>
        AnchorVerifier.checkTrees(trees, { ...optionsFor("a"), maxLag: "1 day", nodeTimeout: "30 seconds" }).pipe(
          Effect.provide(Layer.merge(nodes({ a: { chain, answer } }), NodeHasher.layer)),
          Effect.forkChild({ startImmediately: true })
        )
      for (
        const [answer, why] of [[silent, /did not answer eth_call within 10s/], [slow, /not done within 30s/]] as const
      ) {
        const fiber = yield* asking(answer)
        for (let i = 0; i < 12; i++) yield* TestClock.adjust("5 seconds")
        const report = yield* Fiber.join(fiber)
        assert.isFalse(report.isChecked)
        assert.match(report.nodes[0]!.why!, why)
      }
    }))

  it.effect("one that fails once is asked again", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      yield* TestClock.setTime(1000 * (chain.head.time + 30))
      let failures = 0
      const answer: Answer = (_, __, honest) => failures++ < 2 ? ScriptedTransport.json(429, {}) : honest()
      const fiber = yield* AnchorVerifier.checkTrees(trees, { ...optionsFor("a"), retries: 2 }).pipe(
        Effect.provide(Layer.merge(nodes({ a: { chain, answer } }), NodeHasher.layer)),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      assert.isTrue((yield* Fiber.join(fiber)).valid)
    }))

  it.effect("one that does not follow the chain is not heard", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      yield* TestClock.setTime(1000 * (chain.head.time + 2 * hour))
      const report = yield* AnchorVerifier.checkTrees(trees, optionsFor("a")).pipe(
        Effect.provide(Layer.merge(nodes({ a: { chain } }), NodeHasher.layer))
      )
      assert.deepStrictEqual([report.valid, report.isChecked], [false, false])
      assert.match(report.nodes[0]!.why!, /^does not follow the chain: its last final block is of 1970-01-01T05:00:00/)
    }))

  it.effect("are asked for the hashes of transactions only", () =>
    Effect.gen(function*() {
      const { chain, trees } = honest()
      const asked: Array<unknown> = []
      const answer: Answer = (method, params, honest) => {
        if (method === "eth_getTransactionReceipt") asked.push(params[0])
        return honest()
      }
      const bad = ["latest", "0x", `0x${"g".repeat(64)}`, `${trees[0]!.anchorTx}0`, "x".repeat(100_000)]
      const named = [trees[0]!, ...bad.map((anchorTx) => changed(trees[1]!, { anchorTx }))]
      yield* check(named, { a: { chain, answer } })
      assert.deepStrictEqual(asked, [trees[0]!.anchorTx])
    }))
})

describe("options", () => {
  it.effect("that are unusable are refused before anything is sent", () =>
    Effect.gen(function*() {
      const good = optionsFor("a")
      const refused: ReadonlyArray<readonly [string, object]> = [
        ["nodes", { nodes: [] }],
        ["nodes", { nodes: [good.nodes[0], good.nodes[0]] }],
        ["nodes.0.label", { nodes: [{ label: "a b", url: "http://127.0.0.1" }] }],
        ["nodes.0.url", { nodes: [{ label: "a", url: "ftp://127.0.0.1/secret" }] }],
        ["nodes.0.url", { nodes: [{ label: "a", url: "http://example.org/secret" }] }],
        ["nodes.0.url", { nodes: [{ label: "a", url: "https://me:secret@example.org" }] }],
        ["chainId", { chainId: 0 }],
        ["contract", { contract: "0x12" }],
        ["owner", { owner: "me" }],
        ["codeHash", { codeHash: "0x12" }],
        ["finality", { finality: "soon" }],
        ["finality", { finality: { confirmations: -1 } }],
        ["maxDelay", { maxDelay: "soon" }],
        ["minNodes", { minNodes: 2 }],
        ["maxEntries", { maxEntries: 0 }]
      ]
      for (const [path, change] of refused) {
        const error = yield* Effect.flip(
          AnchorVerifier.checkTrees([], { ...good, ...change }).pipe(Effect.provide(ScriptedTransport.layer([])))
        )
        assert(error.reason._tag === "InvalidRequest", String(error))
        assert.include(error.reason.issues.map(({ path }) => path.join(".")), path)
        assert.notInclude(JSON.stringify(error), "secret")
      }
    }))
})

describe("with the log of a gateway", () => {
  /** Some records in each of three hours, their trees anchored, and the clock after that. */
  const scene = Effect.gen(function*() {
    const toolCalls = yield* ToolCalls
    for (let i = 0; i < 9; i++) {
      yield* toolCalls.decide({ tool: "files", method: "read", params: { i } })
      yield* TestClock.adjust("20 minutes")
    }
    yield* TestClock.adjust("10 minutes")
    const trees = (yield* Merkle.use((merkle) => merkle.roots())).toReversed()
    const chain = new ScriptedChain()
    chain.anchor(trees)
    chain.mine(3 * hour + 500)
    return { chain, trees }
  })

  const verify = (chain: ScriptedChain, options: Partial<AnchorVerifier.VerifyOptions> = {}) =>
    AnchorVerifier.verify({ ...optionsFor("a"), ...options }).pipe(
      Effect.provide(Layer.provide(
        AnchorVerifier.layer,
        Layer.merge(Layer.effect(Transport.Transport, Transport.Transport), nodes({ a: { chain } }))
      ))
    )

  it.effect("the records lead to the anchored roots", () =>
    Effect.gen(function*() {
      const { chain, trees } = yield* scene
      assert.lengthOf(trees, 3)
      const report = yield* verify(chain)
      assert.deepStrictEqual(tags(report), [])
      assert.deepInclude(report, { valid: true, isComplete: true })
      assert.deepStrictEqual([report.chain?.records, report.chain?.trees?.rebuilt], [9, 3])
      assert.deepStrictEqual(states(report), ["anchored", "anchored", "anchored"])
    }).pipe(Effect.provide(gateway())))

  it.effect("records that were rewritten afterwards do not, though all hashes were computed anew", () =>
    Effect.gen(function*() {
      const { chain } = yield* scene
      const memory = yield* GatewayMemory
      yield* memory.tamperWithLedger({
        edit: (records) => records.map((record, i) => i === 4 ? { ...record, params: { i: 400 } } : record),
        rehash: true
      })
      const report = yield* verify(chain)
      assert.isFalse(report.valid)
      assert.deepStrictEqual(tags(report), ["RewrittenAfterAnchoring", "RewrittenAfterAnchoring"])
      assert.deepStrictEqual(states(report), ["anchored", "faulty", "faulty"])
    }).pipe(Effect.provide(gateway())))

  it.effect("a record that claims to be younger than its anchor is found", () =>
    Effect.gen(function*() {
      const toolCalls = yield* ToolCalls
      const memory = yield* GatewayMemory
      yield* Effect.forEach([1, 2], (i) => toolCalls.decide({ tool: "files", method: "read", params: { i } }))
      yield* TestClock.adjust("70 minutes")
      // Before there is a tree of it.
      yield* memory.tamperWithLedger({
        edit: (records) =>
          records.map((record, i) => i === 1 ? { ...record, requestedAt: DateTime.makeUnsafe(2_000 * hour) } : record),
        rehash: true
      })
      const chain = new ScriptedChain()
      chain.anchor(yield* Merkle.use((merkle) => merkle.roots()))
      chain.mine(hour + 500)
      const report = yield* verify(chain)
      assert.deepStrictEqual(tags(report), ["RecordAfterAnchor"])
      assert.isTrue(report.chain?.valid)
    }).pipe(Effect.provide(gateway())))

  it.effect("what is older than a checkpoint is compared with the chain, and its records are not", () =>
    Effect.gen(function*() {
      const { chain } = yield* scene
      const first = yield* verify(chain)
      const report = yield* verify(chain, { since: first.chain!.checkpoint!, pageSize: 2 })
      assert.deepInclude(report, { valid: true, isComplete: false })
      assert.deepStrictEqual(states(report), ["notChecked", "notChecked", "notChecked"])
      assert.strictEqual(report.trees[0]?.delaySeconds, 60)
    }).pipe(Effect.provide(gateway())))
})
