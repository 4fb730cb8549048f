/**
 * GET /health, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { VargateApi } from "../../api/VargateApi.ts"
import { Health } from "../../domain/Health.ts"

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "system",
  (handlers) =>
    handlers.handle("health", () =>
      Effect.succeed(
        new Health({
          status: "ok",
          service: "effect-vargate",
          redis: false,
          blockchain: false,
          connectedChains: [],
          merkleTrees: true,
          sepoliaMerkle: false
        })
      ))
)
