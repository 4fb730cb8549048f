/** Hourly trees, recomputed here from the description of the tree alone. */
import { assert, describe } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import type { MerkleProof } from "../../../src/domain/MerkleProof.ts"
import { RecordHash } from "../../../src/domain/RecordHash.ts"
import { Merkle } from "../../../src/Merkle.ts"
import * as ToolCalls from "../../../src/ToolCalls.ts"
import { allowed, log, newest, reasonOf, upTo } from "./cases.ts"
import { as, caseOf, type Door, globex, send } from "./doors.ts"

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex")

const pair = (left: string, right: string) => sha256(Buffer.from(left + right, "hex"))

const rootOf = (leaves: ReadonlyArray<string>): string => {
  const next = upTo(Math.ceil(leaves.length / 2)).map((i) => pair(leaves[2 * i]!, leaves[2 * i + 1] ?? leaves[2 * i]!))
  return next.length === 1 ? next[0]! : rootOf(next)
}

const climb = ({ recordHash, steps }: MerkleProof) =>
  steps.reduce<string>(
    (node, { side, sibling }) => side === "left" ? pair(sibling, node) : pair(node, sibling),
    recordHash
  )

const roots = (limit?: number) => Merkle.use((merkle) => merkle.roots(limit === undefined ? {} : { limit }))
const proof = (recordHash: RecordHash) => Merkle.use((merkle) => merkle.proof(recordHash))

const act = (count: number, agent = "a-1") =>
  Effect.forEach(upTo(count), (n) => ToolCalls.call({ ...allowed, params: { n }, agent: { id: agent } }))

const notYet = "NotFound: Record not found or not yet in a completed hourly tree"

export const merkle = (door: Door) => {
  const test = caseOf(door)

  describe("Merkle trees", () => {
    test("are not built for the running hour", function*() {
      yield* act(2)
      assert.deepStrictEqual(yield* roots(), [])
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(yield* roots(), [])
      assert.strictEqual(yield* reasonOf(proof((yield* newest).recordHash)), notYet)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* roots()).length, 1)
    })

    test("are one for each full hour with records, chained from VARGATE_GENESIS", function*() {
      yield* TestClock.adjust("30 minutes")
      yield* act(3)
      yield* TestClock.adjust("1 hour")
      yield* act(1)
      yield* TestClock.adjust("5 hours")
      yield* act(2)
      const trees = yield* roots()
      assert.deepStrictEqual(trees.map(({ index, records }) => [index, records]), [[1, 1], [0, 3]])
      const [second, first] = trees
      assert.strictEqual(first!.prevRoot, sha256("VARGATE_GENESIS"))
      assert.strictEqual(second!.prevRoot, first!.root)
      const hour = (n: number) => DateTime.makeUnsafe(n * 60 * 60 * 1000)
      assert.deepStrictEqual([first!.periodStart, first!.periodEnd], [hour(0), hour(1)])
      assert.deepStrictEqual([second!.periodStart, second!.periodEnd], [hour(1), hour(2)])

      yield* TestClock.adjust("1 hour")
      const [third, ...older] = yield* roots()
      assert.deepStrictEqual(older, trees)
      assert.deepStrictEqual([third!.index, third!.records, third!.prevRoot], [2, 2, second!.root])
      assert.deepStrictEqual(third!.periodStart, hour(6))
    })

    test("cover the records between their first and their last, with the root of the description", function*() {
      yield* act(3)
      yield* as(globex)(act(2))
      yield* act(2)
      yield* TestClock.adjust("1 hour")
      const [tree] = yield* roots()
      const records = (yield* log()).records.toReversed()
      assert.strictEqual(tree!.root, rootOf(records.map(({ recordHash }) => recordHash)))
      assert.deepStrictEqual([tree!.records, tree!.fromRecordId, tree!.toRecordId], [
        5,
        records[0]!.id,
        records.at(-1)!.id
      ])
      const [theirs] = yield* as(globex)(roots())
      assert.deepStrictEqual([theirs!.index, theirs!.records, theirs!.prevRoot], [0, 2, sha256("VARGATE_GENESIS")])
    })

    test("are listed newest first up to the limit", function*() {
      for (const _ of upTo(4)) {
        yield* act(1)
        yield* TestClock.adjust("1 hour")
      }
      assert.deepStrictEqual((yield* roots()).map(({ index }) => index), [3, 2, 1, 0])
      assert.deepStrictEqual((yield* roots(2)).map(({ index }) => index), [3, 2])
      const answer = yield* send("GET", "/audit/merkle/roots?limit=501")
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(JSON.parse(answer.text).detail[0].loc, ["query", "limit"])
      assert.strictEqual((yield* send("GET", "/audit/merkle/roots?limit=500")).status, 200)
    })

    test("prove every record of trees of many sizes", function*() {
      const sizes = [1, 2, 3, 5, 8, 13, 100]
      for (const [index, size] of sizes.entries()) {
        yield* act(size, `a-${index}`)
        yield* TestClock.adjust("1 hour")
      }
      const trees = (yield* roots()).toReversed()
      const records = (yield* log({ limit: 1000 })).records.toReversed()
      assert.deepStrictEqual(trees.map((tree) => tree.records), sizes)
      let first = 0
      for (const tree of trees) {
        const leaves = records.slice(first, first += tree.records)
        assert.strictEqual(tree.root, rootOf(leaves.map(({ recordHash }) => recordHash)))
        for (const [leafIndex, { actionId, recordHash }] of leaves.entries()) {
          const proven = yield* proof(recordHash)
          assert.strictEqual(climb(proven), tree.root)
          assert.strictEqual(proven.root, tree.root)
          assert.deepStrictEqual(
            [proven.recordHash, proven.actionId, proven.leafIndex, proven.treeIndex, proven.treeSize],
            [recordHash, actionId, leafIndex, tree.index, tree.records]
          )
          assert.strictEqual(proven.steps.length, tree.height! - 1)
          assert.strictEqual(proven.claimedValid, true)
        }
      }
    })

    test("prove nothing that is unknown or another tenant's", function*() {
      yield* act(1)
      const { recordHash } = yield* newest
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* proof(recordHash)).recordHash, recordHash)
      assert.strictEqual(yield* as(globex)(reasonOf(proof(recordHash))), notYet)
      assert.strictEqual(yield* reasonOf(proof(RecordHash.make("0".repeat(64)))), notYet)
    })
  })
}
