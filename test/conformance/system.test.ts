import { suite } from "./suite.ts"

suite({
  route: "GET /health",
  operation: "System.health",
  expected: (body) => ({
    status: body["status"],
    service: body["service"],
    redis: body["redis"],
    blockchain: body["blockchain"],
    connectedChains: body["connected_chains"],
    merkleTrees: body["merkle_trees"],
    merkleTreeCount: body["merkle_tree_count"],
    sepoliaMerkle: body["sepolia_merkle"]
  })
})
