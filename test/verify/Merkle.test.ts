import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { hash } from "node:crypto"
import { AuditLog } from "../../src/audit/AuditLog.ts"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import { levelsOf, pathOf } from "../../src/internal/merkleTree.ts"
import { RecordHash } from "../../src/model/RecordHash.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import { GatewayMemory } from "../../src/testing/GatewayMemory.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import * as Merkle from "../../src/verify/Merkle.ts"
import { MerkleProof, MerkleTree } from "../../src/verify/MerkleProof.ts"
import { ProofBody, TreeRow } from "../../src/verify/wire/MerkleApi.ts"
import { capturesOf, hasCaptures, reason } from "../conformance/captures.ts"
import { type Random, seeded } from "../support/generateJson.ts"
import { gateway, submitSome } from "../support/rawLog.ts"

const hashPair = (left: string, right: string) => hash("sha256", Buffer.from(left + right, "hex"), "hex")
const leavesOf = (count: number, salt = "") =>
  Array.from({ length: count }, (_, i) => RecordHash.make(hash("sha256", `${salt}${i}`, "hex")))

const treeOf = (leaves: ReadonlyArray<string>, index = 0) => {
  const levels = levelsOf(leaves, hashPair)
  const tree = { index, root: RecordHash.make(levels.at(-1)![0]!), records: leaves.length }
  const proofs = leaves.map((leaf, leafIndex) =>
    new MerkleProof({
      recordHash: RecordHash.make(leaf),
      root: tree.root,
      steps: pathOf(levels, leafIndex).map(({ sibling, side }) => ({ sibling: RecordHash.make(sibling), side })),
      leafIndex,
      treeIndex: index,
      treeSize: leaves.length
    })
  )
  return { tree, proofs }
}

/** The same fields unchecked: a hostile answer need not keep to the types. */
const forged = (proof: MerkleProof, change: Record<string, unknown>): MerkleProof =>
  Object.assign(Object.create(MerkleProof.prototype), proof, change)

const check = (proof: MerkleProof, trusted: string | Merkle.TrustedTree) =>
  Effect.map(Merkle.verifyInclusion(proof, trusted), ({ reason, valid }) => valid ? "valid" : reason)

describe.skipIf(!hasCaptures)(`captured proofs (${reason})`, () => {
  const bodies = capturesOf("GET", /^\/audit\/merkle\/proof\/[^/]+$/).filter(({ status }) => status === 200)
  const trees = capturesOf("GET", /^\/audit\/merkle\/roots$/).filter(({ status }) => status === 200)
    .flatMap(({ text }) => JSON.parse(text).trees as ReadonlyArray<typeof TreeRow.Encoded>)

  it.effect("all hold against the root that was stored, unless the log changed after it", () =>
    Effect.gen(function*() {
      const seen: Record<string, number> = {}
      for (const { file, text } of bodies) {
        const proof = yield* Schema.decodeEffect(ProofBody)(JSON.parse(text))
        const row = trees.find((tree) =>
          tree.tree_index === proof.treeIndex && tree.period_start === JSON.parse(text).period_start &&
          (tree.merkle_root === proof.root || /after/.test(file))
        )
        assert(row !== undefined, file)
        const verdict = yield* check(proof, yield* Schema.decodeEffect(TreeRow)(row))
        const isChanged = /after/.test(file)
        assert.strictEqual(verdict === "valid", !isChanged, `${file}: ${verdict}`)
        seen[String(verdict)] = (seen[String(verdict)] ?? 0) + 1
      }
      assert.isAtLeast(seen["valid"]!, 20)
    }))

  it.effect("hold in the guide's dialect, with and without an index", () =>
    Effect.gen(function*() {
      for (const { file, text } of bodies.filter(({ file }) => !/after/.test(file))) {
        const body = JSON.parse(text)
        const bare = { record_hash: body.record_hash, merkle_root: body.tree_root, proof: body.proof.map(siblingOf) }
        const indexed = yield* Schema.decodeEffect(ProofBody)({ ...bare, leaf_index: body.leaf_index })
        assert.strictEqual(yield* check(indexed, body.tree_root), "valid", file)
        const searched = yield* Schema.decodeEffect(ProofBody)(bare)
        assert.strictEqual(yield* check(searched, body.tree_root), "valid", file)
      }
    }).pipe(Effect.provide(NodeHasher.layer)))
})

const siblingOf = ({ sibling }: { readonly sibling: string }) => sibling

describe("verifyInclusion", () => {
  it.effect("accepts every leaf of every tree of 1 to 40 records, with either hasher", () =>
    Effect.gen(function*() {
      for (let size = 1; size <= 40; size++) {
        const { proofs, tree } = treeOf(leavesOf(size))
        for (const proof of proofs) {
          const verdicts = [yield* check(proof, tree), yield* Effect.provide(check(proof, tree.root), NodeHasher.layer)]
          assert.deepStrictEqual(verdicts, ["valid", "valid"])
        }
      }
    }))

  it.effect("says what is wrong", () =>
    Effect.gen(function*() {
      const { proofs, tree } = treeOf(leavesOf(5))
      const proof = proofs[3]!
      const last = proofs[4]!
      const swapSides = proof.steps.map(({ sibling, side }) => ({
        sibling,
        side: side === "left" ? "right" : "left"
      }))
      const cases: ReadonlyArray<readonly [MerkleProof, string]> = [
        [forged(proof, { recordHash: proof.recordHash.toUpperCase() }), "MalformedHash"],
        [forged(proof, { recordHash: `${proof.recordHash}00` }), "MalformedHash"],
        [
          forged(proof, { steps: [{ sibling: "zz".repeat(32), side: "left" }, ...proof.steps.slice(1)] }),
          "MalformedHash"
        ],
        [forged(proof, { leafIndex: 5 }), "IndexOutOfRange"],
        [forged(proof, { leafIndex: -1 }), "IndexOutOfRange"],
        [forged(proof, { leafIndex: 1.5 }), "IndexOutOfRange"],
        [forged(proof, { treeIndex: 1 }), "WrongTree"],
        [forged(proof, { treeSize: 6 }), "WrongSize"],
        [forged(proof, { steps: proof.steps.slice(1) }), "WrongDepth"],
        [forged(proof, { steps: [...proof.steps, proof.steps[0]] }), "WrongDepth"],
        [forged(proof, { steps: [] }), "WrongDepth"],
        [forged(proof, { steps: swapSides }), "WrongSide"],
        [forged(proof, { leafIndex: 2 }), "WrongSide"],
        [
          forged(last, { steps: [{ ...last.steps[0]!, sibling: proof.recordHash }, ...last.steps.slice(1)] }),
          "NotTheLastNode"
        ],
        [
          forged(proof, { steps: [{ ...proof.steps[0]!, sibling: proof.recordHash }, ...proof.steps.slice(1)] }),
          "NotTheLastNode"
        ],
        [forged(proof, { recordHash: proofs[0]!.recordHash }), "RootMismatch"]
      ]
      for (const [bad, expected] of cases) assert.strictEqual(yield* check(bad, tree), expected)
    }))

  it.effect("does not take a tree that repeats its last record for one that has it once", () =>
    Effect.gen(function*() {
      const leaves = leavesOf(3)
      const three = treeOf(leaves)
      const four = treeOf([...leaves, leaves[2]!])
      assert.strictEqual(three.tree.root, four.tree.root)
      for (const proof of four.proofs.slice(2)) {
        assert.strictEqual(yield* check(proof, three.tree), "WrongSize")
        assert.strictEqual(yield* check(proof, three.tree.root), "NotTheLastNode")
      }
    }))

  const otherHash = (random: Random, text: string) => {
    const at = random.below(64)
    const digit = random.pick([..."0123456789abcdef"].filter((digit) => digit !== text[at]))
    return text.slice(0, at) + digit + text.slice(at + 1)
  }

  const mutations: Readonly<Record<string, (proof: MerkleProof, random: Random) => MerkleProof | undefined>> = {
    path: (proof, random) => {
      const place = random.below(proof.steps.length)
      const steps = proof.steps.map((step, i) =>
        i === place ? { ...step, sibling: otherHash(random, step.sibling) } : step
      )
      return forged(proof, { steps })
    },
    record: (proof, random) => forged(proof, { recordHash: otherHash(random, proof.recordHash) }),
    index: (proof, random) => {
      const leafIndex = random.pick([random.below(2 * proof.treeSize! + 2) - 1, random.next() * 10, NaN, 2 ** 53])
      return leafIndex === proof.leafIndex ? undefined : forged(proof, { leafIndex })
    },
    size: (proof, random) => {
      const treeSize = random.pick([random.below(3 * proof.treeSize! + 2) - 1, random.next() * 10, NaN, Infinity])
      return treeSize === proof.treeSize ? undefined : forged(proof, { treeSize })
    },
    sides: (proof, random) => {
      const place = random.below(proof.steps.length)
      const steps = proof.steps.map(({ sibling, side }, i) =>
        i === place ? { sibling, side: side === "left" ? "right" : "left" } : { sibling, side }
      )
      return forged(proof, { steps })
    },
    length: (proof, random) => {
      const place = random.below(proof.steps.length)
      return forged(proof, {
        steps: random.below(2) === 0
          ? proof.steps.toSpliced(place, 1)
          : proof.steps.toSpliced(place, 0, proof.steps[place]!)
      })
    },
    spelling: (proof, random) => {
      const upper = proof.recordHash.toUpperCase()
      return upper === proof.recordHash
        ? undefined
        : forged(proof, { recordHash: random.pick([upper, ` ${proof.recordHash}`, `${proof.recordHash}\n`, "", "0x"]) })
    }
  }

  it.effect("refuses 100,000 random mutations of proofs", () =>
    Effect.gen(function*() {
      const random = seeded(31)
      const trees = [1, 2, 3, 5, 8, 13, 33, 100].map((size) => treeOf(leavesOf(size, `${size}/`)))
      const kinds = Object.values(mutations)
      let refused = 0
      while (refused < 100_000) {
        const { proofs, tree } = random.pick(trees)
        const mutated = random.pick(kinds)(random.pick(proofs), random)
        if (mutated === undefined) continue
        const verdict = yield* check(mutated, tree)
        assert.notStrictEqual(verdict, "valid")
        refused++
        if (random.below(10) > 0) continue
        assert.notStrictEqual(yield* check(random.pick(proofs), otherHash(random, tree.root)), "valid")
        refused++
      }
    }).pipe(Effect.provide(NodeHasher.layer)))
})

describe("rootOf", () => {
  it.effect("is the root that the gateway computes", () =>
    Effect.gen(function*() {
      for (const size of [1, 2, 3, 4, 5, 31, 100]) {
        const leaves = leavesOf(size)
        const expected = levelsOf(leaves, hashPair).at(-1)![0]
        assert.strictEqual(yield* Merkle.rootOf(leaves), expected)
        assert.strictEqual(yield* Effect.provide(Merkle.rootOf(leaves), NodeHasher.layer), expected)
      }
    }))

  it.effect("is the same for trees that are built in parts", () =>
    Effect.gen(function*() {
      const all = leavesOf(12_289)
      for (const size of [255, 256, 257, 4095, 4096, 4097, 8191, 8192, 8193, 12_287, 12_289]) {
        const leaves = all.slice(0, size)
        const expected = levelsOf(leaves, hashPair).at(-1)![0]
        assert.strictEqual(yield* Effect.provide(Merkle.rootOf(leaves), NodeHasher.layer), expected, `${size} leaves`)
        if (size % 2 === 1) assert.strictEqual(yield* Merkle.rootOf(leaves), expected, `${size} leaves, Web Crypto`)
      }
    }))

  it.effect("refuses no leaves, and leaves that are no hashes", () =>
    Effect.gen(function*() {
      const good = leavesOf(5000)
      const bad = [
        "ab",
        "AB".repeat(32),
        `${good[0]!.slice(0, 63)}A`,
        // Their low bytes are those of digits.
        "\u0161".repeat(64),
        `${good[0]!.slice(0, 63)}\u0130`,
        `${good[0]}0`,
        good[0]!.slice(0, 63),
        ` ${good[0]!.slice(0, 63)}`
      ]
      for (
        const leaves of [[], ...bad.flatMap((leaf) => [[leaf], good.with(300, leaf as RecordHash), [...good, leaf]])]
      ) {
        assert.strictEqual((yield* Effect.flip(Merkle.rootOf(leaves))).reason._tag, "InvalidRequest")
      }
      const lengths = [good[0]!.slice(0, 63), `${good[1]}0`]
      assert.strictEqual((yield* Effect.flip(Merkle.rootOf(lengths))).reason._tag, "InvalidRequest")
    }).pipe(Effect.provide(NodeHasher.layer)))
})

/** Three hours of records in a gateway, and the fourth begun. */
const threeHours = Effect.gen(function*() {
  const random = seeded(32)
  yield* submitSome(random, 20, 600_000)
  yield* TestClock.adjust("1 hour")
  const merkle = yield* Merkle.Merkle
  const { records } = yield* AuditLog.use((auditLog) => auditLog.page({ limit: 1000 }))
  return { merkle, records, trees: yield* merkle.roots() }
})

const tagsOf = ({ findings }: { readonly findings: ReadonlyArray<{ readonly _tag: string }> }) =>
  findings.map(({ _tag }) => _tag)

describe("verifyTrees", () => {
  it.effect("rebuilds every tree from the records, in any order", () =>
    Effect.gen(function*() {
      const { records, trees } = yield* threeHours
      for (const order of [records, records.toReversed()]) {
        const report = yield* Merkle.verifyTrees(trees, order)
        assert.deepInclude({ ...report }, { valid: true, rebuilt: trees.length, notRead: 0, findings: [] })
      }
      const report = yield* ChainVerifier.verify({ trees: true, pageSize: 3 })
      assert.deepInclude({ ...report.trees }, { valid: true, rebuilt: trees.length, notRead: 0, findings: [] })
      assert.strictEqual(report.checkpoint?.roots.length, trees.length)
    }).pipe(Effect.provide(gateway())))

  it.effect("tells tampering from erasure", () =>
    Effect.gen(function*() {
      const { merkle, records, trees } = yield* threeHours
      const subject = records.find(({ piiSubjectId }) => piiSubjectId)!
      yield* AuditLog.use((auditLog) => auditLog.erase(subject.piiSubjectId!))
      const erased = yield* ChainVerifier.verify({ trees: true })
      assert.isTrue(erased.valid)
      assert.deepStrictEqual([...new Set(tagsOf(erased.trees!))], ["ErasedLeaves"])
      const other = records.find(({ id, piiSubjectId }) =>
        piiSubjectId !== subject.piiSubjectId && trees.some((tree) =>
          tree.fromRecordId! <= Math.min(id, subject.id) && Math.max(id, subject.id) <= tree.toRecordId!
        )
      )
      assert(other !== undefined)
      assert.strictEqual((yield* merkle.prove(other.recordHash)).inclusion.reason, "ErasedLeaves")
      const memory = yield* GatewayMemory
      yield* memory.tamperWithLedger({ edit: (all) => all.filter(({ id }) => id !== other.id), rehash: true })
      const tampered = yield* ChainVerifier.verify({ trees: true })
      assert.isFalse(tampered.valid)
      assert.deepStrictEqual(tampered.findings, [])
      assert.include(tagsOf(tampered.trees!), "Tampered")
    }).pipe(Effect.provide(gateway())))

  it.effect("accepts a tree that was built after an erasure", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(33), 12, 1000)
      const auditLog = yield* AuditLog
      const [subject] = yield* auditLog.subjects
      yield* auditLog.erase(subject!.id)
      yield* TestClock.adjust("1 hour")
      const report = yield* ChainVerifier.verify({ trees: true })
      assert.isTrue(report.valid)
      assert.deepStrictEqual(tagsOf(report.trees!), ["ErasedLeaves"])
    }).pipe(Effect.provide(gateway())))

  it.effect("follows the chain of trees", () =>
    Effect.gen(function*() {
      const { records, trees } = yield* threeHours
      assert.isAtLeast(trees.length, 2)
      const report = (changed: ReadonlyArray<MerkleTree>) => Effect.map(Merkle.verifyTrees(changed, records), tagsOf)
      const other = leavesOf(1)[0]!
      const first = trees.at(-1)!
      assert.deepStrictEqual(
        yield* report(trees.with(trees.length - 1, new MerkleTree({ ...first, prevRoot: other }))),
        [
          "BrokenTreeChain"
        ]
      )
      assert.includeMembers(
        [...yield* report(trees.with(trees.length - 1, new MerkleTree({ ...first, root: other })))],
        [
          "BrokenTreeChain",
          "Tampered"
        ]
      )
      assert.includeMembers([...yield* report(trees.filter(({ index }) => index !== 1))], ["MissingTree"])
      const shifted = new MerkleTree({ ...trees[1]!, toRecordId: trees[1]!.toRecordId! - 1 })
      if (shifted.records > 1) assert.include(yield* report(trees.with(1, shifted)), "UncoveredRecords")
      assert.deepInclude({ ...yield* Merkle.verifyTrees(trees, records.slice(0, 1)) }, {
        valid: true,
        notRead: trees.length
      })
    }).pipe(Effect.provide(gateway())))
})

describe("prove and awaitProof", () => {
  it.effect("hold the gateway's proof against the stored root, or a pinned one", () =>
    Effect.gen(function*() {
      const { merkle, records, trees } = yield* threeHours
      for (const { id, recordHash } of records) {
        const tree = trees.find((tree) => tree.fromRecordId! <= id && id <= tree.toRecordId!)!
        const proven = yield* merkle.prove(recordHash)
        assert.isTrue(proven.inclusion.valid)
        assert.strictEqual(proven.tree?.index, tree.index)
        assert.isTrue((yield* merkle.prove(recordHash, tree)).inclusion.valid)
        assert.isTrue((yield* merkle.prove(recordHash, tree.root)).inclusion.valid)
        assert.strictEqual((yield* merkle.prove(recordHash, leavesOf(1)[0]!)).inclusion.reason, "RootMismatch")
      }
    }).pipe(Effect.provide(gateway())))

  it.effect("do not believe a proof that was rebuilt after tampering", () =>
    Effect.gen(function*() {
      const { merkle, records } = yield* threeHours
      const memory = yield* GatewayMemory
      yield* memory.tamperWithLedger({ edit: (all) => all.toSpliced(0, 1), rehash: true })
      const [head] = (yield* AuditLog.use((auditLog) => auditLog.page({ limit: 1000 }))).records.slice(-1)
      const proven = yield* merkle.prove(head!.recordHash)
      assert.isTrue(proven.proof.claimedValid)
      assert.isFalse(proven.inclusion.valid)
      assert.notStrictEqual(proven.inclusion.reason, "ErasedLeaves")
      assert.isAbove(records.length, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("wait for the end of the hour, and not longer", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("20 minutes")
      const { actionId } = yield* ToolCalls.use((toolCalls) => toolCalls.call({ tool: "http", method: "GET" }))
      const { recordHash } = yield* AuditLog.use((auditLog) => auditLog.record(actionId))
      const merkle = yield* Merkle.Merkle
      const fiber = yield* Effect.forkChild(merkle.awaitProof(recordHash), { startImmediately: true })
      yield* TestClock.adjust("40 minutes")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.isTrue((yield* Fiber.join(fiber)).inclusion.valid)
    }).pipe(Effect.provide(gateway())))

  it.effect("give up on a hash that nobody knows", () =>
    Effect.gen(function*() {
      const merkle = yield* Merkle.Merkle
      const fiber = yield* Effect.forkChild(
        Effect.flip(merkle.awaitProof(leavesOf(1)[0]!, { timeout: "2 hours" })),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 hours")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "VargateError" && error.reason._tag === "NotFound")
    }).pipe(Effect.provide(gateway())))
})

describe("a stored tree", () => {
  const row = {
    tree_index: 0,
    merkle_root: "ab".repeat(32),
    record_count: 1,
    period_start: "2026-11-23T09:00:00",
    period_end: "2026-11-23T10:00:00"
  }

  it.effect.each(
    [[12, 12], ["12", 12], [null, null], [undefined, undefined], ["0x12", null], [1.5, null], [{}, null]] as const
  )("that names block %o has block %o", ([anchor_block, expected]) =>
    Effect.gen(function*() {
      const tree = yield* Schema.decodeUnknownEffect(TreeRow)(
        anchor_block === undefined ? row : { ...row, anchor_block }
      )
      assert.strictEqual(tree.anchorBlock, expected)
      const written = yield* Schema.encodeEffect(TreeRow)(tree)
      assert.strictEqual(written.anchor_block, expected ?? null)
    }))
})
