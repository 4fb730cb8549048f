import { time } from "./captures.ts"
import { type Raw, rows, suite } from "./suite.ts"

suite({
  route: "GET /audit/merkle/roots",
  operation: "Merkle.roots",
  expected: (body) =>
    rows(body, "trees").map((tree) => ({
      index: tree["tree_index"],
      root: tree["merkle_root"],
      records: tree["record_count"],
      height: tree["tree_height"],
      fromRecordId: tree["from_record_id"],
      toRecordId: tree["to_record_id"],
      periodStart: time(tree["period_start"]),
      periodEnd: time(tree["period_end"]),
      createdAt: time(tree["created_at"]),
      prevRoot: tree["prev_tree_root"],
      anchorTx: tree["anchor_tx_hash"],
      anchorChain: tree["anchor_chain"],
      anchorBlock: tree["anchor_block"]
    }))
})

suite({
  route: "GET /audit/merkle/proof/{hash}",
  operation: "Merkle.proof",
  expected: (body) => ({
    recordHash: body["record_hash"],
    root: body["tree_root"],
    steps: rows(body, "proof").map((step) => ({ sibling: step["sibling"], side: step["position"] })),
    actionId: body["action_id"],
    leafIndex: body["leaf_index"],
    treeIndex: body["tree_index"],
    treeSize: body["tree_size"],
    treeHeight: body["tree_height"],
    periodStart: time(body["period_start"]),
    periodEnd: time(body["period_end"]),
    claimedValid: body["verified"],
    anchorTx: body["anchor_tx_hash"],
    anchorChain: body["anchor_chain"]
  })
})

const end = (tree: number | Raw) =>
  typeof tree === "number" ? { index: tree } : {
    index: tree["index"],
    root: tree["merkle_root"],
    records: tree["record_count"],
    periodStart: time(tree["period"]![0]),
    periodEnd: time(tree["period"]![1]),
    claimedValid: tree["root_verified"]
  }

suite({
  route: "GET /audit/merkle/consistency/{n}/{m}",
  operation: "Merkle.consistency",
  expected: (body) => ({
    claimedConsistent: body["consistent"],
    from: end(body["tree_n"]!),
    to: end(body["tree_m"]!),
    chainClaimedValid: body["chain_valid"],
    brokenAt: body["broken_at_tree"],
    treesBetween: body["trees_between"],
    records: body["total_records_spanned"],
    reason: body["reason"]
  })
})

suite({
  route: "GET /audit/merkle/verify",
  operation: "Merkle.verify",
  expected: (body) => ({
    valid: body["valid"],
    trees: body["tree_count"],
    records: body["record_count"],
    firstPeriod: time(body["first_period"]),
    lastPeriod: time(body["last_period"]),
    issues: rows(body, "issues").map((row) => ({
      treeIndex: row["tree_index"],
      type: row["type"],
      detail: row["detail"]
    }))
  })
})
