/**
 * GET /health
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { Health } from "../domain/Health.ts"
import { Refusals } from "./ErrorBodies.ts"

const HealthBody = Schema.Struct(Health.fields).pipe(
  Schema.encodeKeys({
    merkleTrees: "merkle_trees",
    merkleTreeCount: "merkle_tree_count",
    connectedChains: "connected_chains",
    sepoliaMerkle: "sepolia_merkle"
  }),
  Schema.decodeTo(Health)
)

/**
 * The routes of this group. They need no key.
 *
 * @category groups
 * @since 0.1.0
 */
export class SystemApi extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("health", "/health", { success: HealthBody, error: Refusals })
) {}
