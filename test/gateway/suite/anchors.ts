/** A gateway without a chain, that says so. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import { Anchors } from "../../../src/operator/Anchors.ts"
import { Merkle, rootOf, verifyInclusion } from "../../../src/verify/Merkle.ts"
import { allowed, log, reasonOf, upTo } from "./cases.ts"
import { as, caseOf, type Door, globex, send } from "./doors.ts"

const anchors = <A, E>(use: (anchors: Anchors["Service"]) => Effect.Effect<A, E>) => Anchors.use(use)
const act = (count: number) => Effect.forEach(upTo(count), (n) => ToolCalls.call({ ...allowed, params: { n } }))

export const anchorsOf = (door: Door) => {
  const test = caseOf(door)

  describe("anchors", () => {
    test("there are none, and that is no failure", function*() {
      yield* act(1)
      yield* TestClock.adjust("1 hour")
      const status = yield* anchors(({ status }) => status)
      assert.deepInclude(status, { isConnected: false, network: null, connectedChains: [], anchors: 0 })
      assert.deepStrictEqual(status.trees, { total: 1, anchored: 0 })
      assert.deepStrictEqual(yield* anchors(({ log }) => log), [])
      assert.deepInclude(yield* anchors(({ verifyChain }) => verifyChain), { claimedValid: true, links: [] })
    })

    test("to verify against a chain, or to write to one, fails although it is a 200", function*() {
      yield* act(2)
      const unavailable = "ReportedFailure: blockchain unavailable"
      assert.strictEqual(yield* reasonOf(anchors(({ verify }) => verify)), unavailable)
      assert.strictEqual(yield* reasonOf(anchors(({ trigger }) => trigger)), unavailable)
      const answer = yield* send("GET", "/anchor/verify")
      assert.deepStrictEqual([answer.status, JSON.parse(answer.text).record_count], [200, 2])
    })

    test("two of them cannot be compared", function*() {
      const compare = (from: number, to: number) => reasonOf(anchors(({ consistency }) => consistency(from, to)))
      assert.strictEqual(yield* compare(0, 1), "NotFound: Anchor index 0 not found")
      assert.match(yield* compare(1, 1), /^InvalidRequest/)
      assert.strictEqual((yield* send("GET", "/anchor/consistency-proof")).status, 422)
    })

    test("a proof leads from any record to the root over the whole log of its tenant", function*() {
      yield* as(globex)(act(3))
      yield* act(13)
      const { records } = yield* log()
      const root = yield* rootOf(records.toReversed().map(({ recordHash }) => recordHash))
      for (const { actionId, recordHash } of records) {
        const proof = yield* anchors(({ proof }) => proof(actionId))
        assert.include(proof, { recordHash, actionId, root, treeSize: 13, claimedValid: true })
        assert.isTrue((yield* verifyInclusion(proof, root)).valid)
      }
      const own = records[0]!.actionId
      assert.strictEqual(
        yield* as(globex)(reasonOf(anchors(({ proof }) => proof(own)))),
        `NotFound: Record not found: ${own}`
      )
      assert.strictEqual(
        yield* reasonOf(anchors(({ proof }) => proof(ActionId.make("nope")))),
        "NotFound: Record not found: nope"
      )
    })

    test("the roots that the gateway notes are those of its trees, newest first", function*() {
      for (const count of [1, 3]) {
        yield* act(count)
        yield* TestClock.adjust("1 hour")
      }
      const trees = yield* Merkle.use((merkle) => merkle.roots())
      const noted = yield* anchors(({ roots }) => roots)
      assert.deepStrictEqual(
        noted.map(({ id, isAnchored, records, root }) => [id, root, records, isAnchored]),
        trees.map(({ index, records, root }) => [index + 1, root, records, false])
      )
    })

    test("are nobody's without a key", function*() {
      for (const path of ["/anchor/status", "/anchor/verify", "/anchor/log", "/anchor/proof/x", "/merkle/roots"]) {
        assert.strictEqual((yield* send("GET", path, { key: null })).status, 401, path)
      }
      assert.strictEqual((yield* send("POST", "/anchor/trigger", { key: null })).status, 401)
    })
  })
}
