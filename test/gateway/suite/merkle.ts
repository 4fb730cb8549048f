/** Hourly trees, recomputed here from the description of the tree alone. */
import { assert, describe } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { AuditRecord } from "../../../src/audit/AuditRecord.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { RecordHash } from "../../../src/model/RecordHash.ts"
import { Merkle } from "../../../src/verify/Merkle.ts"
import { type MerkleProof, MerkleTree } from "../../../src/verify/MerkleProof.ts"
import { allowed, log, newest, reasonOf, upTo } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send } from "./doors.ts"

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

  describe("the gateway's word on its trees", () => {
    const verify = Merkle.use((merkle) => merkle.verify)
    const compare = (from: number, to: number) => Merkle.use((merkle) => merkle.consistency(from, to))
    const hours = Effect.fnUntraced(function*(...counts: ReadonlyArray<number>) {
      for (const count of counts) {
        yield* act(count)
        yield* TestClock.adjust("1 hour")
      }
      // Trees are built when somebody asks for them.
      return (yield* roots()).toReversed()
    })
    const replaceHash = (position: number) =>
      Ledger.use((ledger) =>
        Effect.flatMap(ledger.records(acme.id), (records) =>
          ledger.replaceRecords(
            acme.id,
            records.map((record, index) =>
              index === position
                ? new AuditRecord({ ...record, recordHash: RecordHash.make("f".repeat(64)) })
                : record
            )
          ))
      )
    const cut = (hash: string) => `${hash.slice(0, 16)}...`

    test("is that all is well, of none, one and many", function*() {
      assert.deepStrictEqual({ ...(yield* verify) }, {
        valid: true,
        trees: 0,
        records: 0,
        firstPeriod: undefined,
        lastPeriod: undefined,
        issues: []
      })
      const trees = yield* hours(1, 3)
      assert.deepStrictEqual({ ...(yield* verify) }, {
        valid: true,
        trees: 2,
        records: 4,
        firstPeriod: trees[0]!.periodStart,
        lastPeriod: trees[1]!.periodEnd,
        issues: []
      })
      assert.strictEqual((yield* as(globex)(verify)).trees, 0)
    })

    test("names the tree whose records were changed, in verifying and in comparing", function*() {
      const trees = yield* hours(1, 2, 3)
      assert.include(yield* compare(0, 2), {
        claimedConsistent: true,
        chainClaimedValid: true,
        brokenAt: null,
        treesBetween: 2,
        records: 6
      })
      yield* replaceHash(4)
      const { issues, valid } = yield* verify
      assert.isFalse(valid)
      assert.lengthOf(issues, 1)
      assert.include(issues[0], { treeIndex: 2, type: "root_mismatch" })
      assert.include(issues[0]!.detail, `stored=${cut(trees[2]!.root)}`)

      const towards = yield* compare(0, 2)
      assert.deepStrictEqual(
        [towards.claimedConsistent, towards.from.claimedValid, towards.to.claimedValid, towards.chainClaimedValid],
        [false, true, false, true]
      )
      assert.include(yield* compare(0, 1), { claimedConsistent: true, treesBetween: 1, records: 3 })

      yield* replaceHash(0)
      const from = yield* compare(0, 2)
      assert.deepStrictEqual([from.from, from.to], [{ index: 0 }, { index: 2 }])
      assert.match(from.reason!, /^Tree 0 records have been modified\. Recomputed root=/)
    })

    test("names the tree that does not follow upon the one before", function*() {
      yield* hours(1)
      yield* act(1)
      const { id, recordHash } = yield* newest
      const [now, start] = [yield* DateTime.now, DateTime.makeUnsafe(60 * 60 * 1000)]
      // The gateway would have stored another one when the hour was over.
      const stray = new MerkleTree({
        index: 1,
        root: RecordHash.make(rootOf([recordHash])),
        records: 1,
        height: 2,
        fromRecordId: id,
        toRecordId: id,
        periodStart: start,
        periodEnd: DateTime.add(start, { hours: 1 }),
        createdAt: now,
        prevRoot: RecordHash.make("b".repeat(64))
      })
      yield* Ledger.use((ledger) => ledger.addTree(acme.id, stray))
      yield* TestClock.adjust("1 hour")
      yield* hours(1)
      const { issues } = yield* verify
      assert.deepStrictEqual(issues.map(({ treeIndex, type }) => [treeIndex, type]), [[1, "broken_chain"]])
      assert.include(yield* compare(0, 2), { claimedConsistent: false, chainClaimedValid: false, brokenAt: 1 })
      assert.include(yield* compare(1, 2), { claimedConsistent: true, brokenAt: null })
    })

    test("is no more than that there is no such tree", function*() {
      yield* hours(1, 1)
      assert.strictEqual(yield* reasonOf(compare(0, 2)), "NotFound: Tree 2 not found")
      assert.strictEqual(yield* reasonOf(compare(5, 6)), "NotFound: Tree 5 not found")
      assert.strictEqual(yield* reasonOf(compare(-1, 1)), "NotFound: Tree -1 not found")
      for (const [from, to] of [[1, 1], [1, 0]]) {
        assert.strictEqual((yield* send("GET", `/audit/merkle/consistency/${from}/${to}`)).status, 400)
      }
      const answer = yield* send("GET", "/audit/merkle/consistency/a/b")
      assert.deepStrictEqual([answer.status, JSON.parse(answer.text).detail[0].loc], [422, ["path", "tree_n"]])
    })
  })
}
