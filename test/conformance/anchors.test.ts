import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { run } from "../support/operations.ts"
import { type Capture, hasCaptures, reason, routes, time } from "./captures.ts"
import { rows, suite } from "./suite.ts"

const saysError = ({ text }: Capture) => "error" in JSON.parse(text)

suite({
  route: "GET /anchor/status",
  operation: "Anchors.status",
  expected: (body) => ({
    isConnected: body["blockchain_connected"],
    network: body["network"],
    connectedChains: body["connected_chains"],
    contractAddress: body["contract_address"],
    deployerAddress: body["deployer_address"],
    anchors: body["anchor_count"],
    latestRoot: body["latest_merkle_root"],
    lastAnchoredAt: time(body["last_anchor_time"]),
    intervalSeconds: body["anchor_interval_seconds"],
    mode: body["anchor_mode"],
    trees: body["merkle_trees"],
    chains: body["chains"]
  })
})

suite({
  route: "POST /anchor/trigger",
  operation: "Anchors.trigger",
  expected: () => assert.fail("no chain was captured"),
  isFailure: saysError
})

suite({ route: "GET /anchor/log", operation: "Anchors.log", expected: (body) => rows(body, "anchors") })

suite({
  route: "GET /anchor/chain-verify",
  operation: "Anchors.verifyChain",
  expected: (body) => ({ claimedValid: body["valid"], brokenAt: body["broken_at"], links: body["chain"] })
})

suite({
  route: "GET /anchor/proof/{action_id}",
  operation: "Anchors.proof",
  expected: (body) => ({
    recordHash: body["record_hash"],
    root: body["current_root"],
    steps: rows(body, "proof").map((step) => ({ sibling: step["sibling"], side: step["position"] })),
    actionId: body["action_id"],
    leafIndex: body["leaf_index"],
    treeSize: body["tree_size"],
    claimedValid: body["verified"]
  })
})

suite({
  route: "GET /anchor/consistency-proof",
  operation: "Anchors.consistency",
  expected: () => assert.fail("no anchor was captured")
})

suite({
  route: "GET /merkle/roots",
  operation: "Anchors.roots",
  expected: (body) =>
    rows(body, "roots").map((row) => ({
      id: row["id"],
      root: row["merkle_root"],
      records: row["record_count"],
      computedAt: time(row["computed_at"]),
      isAnchored: row["anchored"],
      anchorId: row["anchor_id"]
    }))
})

describe.skipIf(!hasCaptures)(`a 200 that says that it failed (${reason})`, () => {
  const cases = [
    ["Anchors.verify", "none", routes["GET /anchor/verify"].filter(saysError)],
    ["Anchors.trigger", "possible", routes["POST /anchor/trigger"].filter((c) => c.status === 200 && saysError(c))]
  ] as const

  it.effect.each(cases)("%s", ([name, sideEffect, captures]) =>
    Effect.gen(function*() {
      assert.lengthOf(captures, 1)
      for (const { headers, status, text } of captures) {
        const error = yield* Effect.flip(run(name, ScriptedTransport.text(status, text, headers)))
        assert(error._tag === "VargateError" && error.reason._tag === "ReportedFailure", String(error))
        assert.strictEqual(error.operation, name)
        assert.strictEqual(error.reason.detail, JSON.parse(text).error)
        assert.strictEqual(error.sideEffect, sideEffect)
        assert.isFalse(error.isRetryable)
      }
    }))
})
