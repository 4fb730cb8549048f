import { time } from "./captures.ts"
import { rows, suite } from "./suite.ts"

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
      anchorChain: tree["anchor_chain"]
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
