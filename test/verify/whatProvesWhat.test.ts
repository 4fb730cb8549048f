/** The table "What proves what" of docs/outside-proof.md, cell by cell: what each defence finds of each attack. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import { GatewayMemory } from "../../src/testing/GatewayMemory.ts"
import * as Transport from "../../src/transport/Transport.ts"
import * as AnchorVerifier from "../../src/verify/anchors/AnchorVerifier.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import { rootOf } from "../../src/verify/Merkle.ts"
import { MerkleTree } from "../../src/verify/MerkleProof.ts"
import * as LogHead from "../../src/verify/witness/LogHead.ts"
import * as VerifiedRecords from "../../src/verify/witness/VerifiedRecords.ts"
import * as WitnessPolicy from "../../src/verify/witness/WitnessPolicy.ts"
import { gateway } from "../support/rawLog.ts"
import { chainId, contract, hour, nodes, ScriptedChain, treesOf } from "./anchors/scriptedChain.ts"
import { cast, headOf, signed } from "./witness/heads.ts"

type Records = ReadonlyArray<AuditRecord>
type Edit = (records: Records) => Records

const change: Edit = (records) => records.map((record, i) => i === 4 ? { ...record, params: { i: 400 } } : record)
const cut: Edit = (records) => records.slice(0, 6)

/** What a gateway would store of these records, three an hour, without asking one: a rewritten log rewrites its trees. */
const treesFrom = (records: Records) =>
  Effect.gen(function*() {
    const trees: Array<MerkleTree> = []
    for (const [index, tree] of treesOf(records.length / 3).entries()) {
      const own = records.slice(3 * index, 3 * index + 3)
      const root = yield* rootOf(own.map(({ recordHash }) => recordHash))
      const prevRoot = trees.at(-1)?.root ?? tree.prevRoot ?? null
      const [fromRecordId, toRecordId] = [own[0]!.id, own.at(-1)!.id]
      trees.push(new MerkleTree({ ...tree, root, prevRoot, records: 3, fromRecordId, toRecordId }))
    }
    return trees
  })

const anchoredChain = (records: Records) =>
  Effect.map(treesFrom(records), (trees) => {
    const chain = new ScriptedChain()
    chain.anchor(trees)
    chain.mine(3 * hour + 500)
    return chain
  })

interface Attack {
  readonly edit: Edit
  readonly rehash: boolean
  /** Whether the checkpoint, the anchors and the witnesses are of the log before the attack. */
  readonly isSeenBefore: { readonly checkpoint: boolean; readonly outside: boolean }
  /** Nodes that are asked: honest ones, or one that tells the gateway's story. */
  readonly nodes: ReadonlyArray<"honest" | "lying">
}

const after = { checkpoint: true, outside: true }
const honest = ["honest"] as const

const attacks: Readonly<Record<string, Attack>> = {
  "one record changed": { edit: change, rehash: false, isSeenBefore: after, nodes: honest },
  "rewritten after you looked": { edit: change, rehash: true, isSeenBefore: after, nodes: honest },
  "rewritten before you looked": {
    edit: change,
    rehash: true,
    isSeenBefore: { checkpoint: false, outside: true },
    nodes: honest
  },
  "rewritten before anyone looked": {
    edit: change,
    rehash: true,
    isSeenBefore: { checkpoint: false, outside: false },
    nodes: honest
  },
  "cut": { edit: cut, rehash: true, isSeenBefore: after, nodes: honest },
  "another log for you": {
    edit: (records) => cut(change(records)),
    rehash: true,
    isSeenBefore: { checkpoint: false, outside: true },
    nodes: honest
  },
  "a colluding node, asked alone": {
    edit: change,
    rehash: true,
    isSeenBefore: { checkpoint: false, outside: true },
    nodes: ["lying"]
  },
  "a colluding node beside an honest one": {
    edit: change,
    rehash: true,
    isSeenBefore: { checkpoint: false, outside: true },
    nodes: ["lying", "honest"]
  }
}

/** Which defences find something. */
const foundBy = ({ edit, isSeenBefore, nodes: asked, rehash }: Attack) =>
  Effect.gen(function*() {
    const toolCalls = yield* ToolCalls
    const memory = yield* GatewayMemory
    for (let i = 0; i < 9; i++) {
      yield* toolCalls.decide({ tool: "files", method: "read", params: { i } })
      yield* TestClock.adjust("20 minutes")
    }
    yield* TestClock.adjust("10 minutes")
    const before = yield* memory.records()
    const checkpoint = (yield* ChainVerifier.verify()).checkpoint!
    yield* memory.tamperWithLedger({ edit, rehash })
    const now = yield* memory.records()
    const published = isSeenBefore.outside ? before : now

    const chain = yield* ChainVerifier.verify()
    const compared = yield* ChainVerifier.verify(isSeenBefore.checkpoint ? { checkpoints: [checkpoint] } : {})

    const chains = { honest: yield* anchoredChain(published), lying: yield* anchoredChain(now) }
    const anchors = yield* AnchorVerifier.verify({
      nodes: asked.map((label) => ({ label, url: `http://127.0.0.1/${label}` })),
      chainId,
      contract,
      finality: "finalized",
      maxDelay: "1 hour",
      retries: 0
    }).pipe(Effect.provide(Layer.provide(
      AnchorVerifier.layer,
      Layer.merge(
        Layer.effect(Transport.Transport, Transport.Transport),
        nodes({ honest: { chain: chains.honest }, lying: { chain: chains.lying } })
      )
    )))
    assert.isTrue(anchors.isChecked)

    const { log, policy, witnesses } = yield* cast
    const cosigned = yield* signed(
      yield* headOf("vargate.test/log", published.map(({ recordHash }) => recordHash)),
      [log, ...witnesses]
    )
    const { head, valid } = yield* WitnessPolicy.verifyHead(cosigned, policy)
    assert.isTrue(valid)
    const own = yield* Effect.option(VerifiedRecords.read())
    const isOfHead = own._tag === "Some" && own.value.recordHashes.length >= head!.size &&
      (yield* Effect.flatMap(LogHead.grow(own.value.recordHashes.slice(0, head!.size)), LogHead.rootOf)) === head!.root
    return [!chain.valid, !compared.valid, !anchors.valid, !isOfHead]
  }).pipe(Effect.provide(Layer.fresh(gateway())))

const page = readFileSync(fileURLToPath(new URL("../../docs/outside-proof.md", import.meta.url)), "utf8")
const [, section = ""] = /^## What proves what\n(.+?)^## /ms.exec(page)!
const table = section.split("\n").filter((line) => line.startsWith("| "))
  .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))

describe("what proves what", () => {
  it("has a row for each attack", () => {
    assert.deepStrictEqual(table[0]!.slice(1), ["chain", "checkpoint", "anchor", "witness"])
    assert.deepStrictEqual(table.slice(2).map(([attack]) => attack), Object.keys(attacks))
  })

  it.effect.each(Object.entries(attacks))("%s", ([name, attack]) =>
    Effect.gen(function*() {
      const found = yield* foundBy(attack)
      const row = table.find(([attack]) => attack === name)!
      assert.deepStrictEqual(found.map((is) => is ? "found" : "no"), row.slice(1))
    }))
})
