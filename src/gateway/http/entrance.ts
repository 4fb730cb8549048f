/**
 * What every request passes, from the outside in: the route beside the contract, which most tool calls take; the guard;
 * the count of requests; and then the routes of the contract.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as GatewayMetrics from "../calls/GatewayMetrics.ts"
import type { Hosts } from "./crossSite.ts"
import * as Middleware from "./middleware.ts"
import * as NodeToolCalls from "./nodeToolCalls.ts"
import * as ToolCallRoute from "./toolCallRoute.ts"

/**
 * Stands before all routes of a gateway.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (hosts: Hosts) =>
  HttpRouter.middleware(
    Effect.gen(function*() {
      const answer = yield* ToolCallRoute.make
      const before = yield* ToolCallRoute.before(answer, hosts)
      const guard = yield* Middleware.guard(hosts)
      const meter = yield* GatewayMetrics.meter
      const direct = yield* NodeToolCalls.make(answer, hosts)
      return (handler) => {
        const contract = guard(meter(handler))
        direct(contract)
        return before(contract)
      }
    }),
    { global: true }
  )
