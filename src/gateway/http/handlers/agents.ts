/**
 * What is remembered of agents' behaviour, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { AgentHistory } from "../../ledger/AgentHistory.ts"

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "agents",
  Effect.fnUntraced(function*(handlers) {
    const history = yield* AgentHistory

    return handlers
      .handle(
        "anomalyScore",
        Effect.fnUntraced(function*({ params }) {
          const { id } = yield* CurrentTenant
          return { agent_id: params.id, anomaly_score: yield* history.score(id, params.id) }
        })
      )
      .handle(
        "clearHistory",
        Effect.fnUntraced(function*({ params }) {
          const { id } = yield* CurrentTenant
          yield* history.clear(id, params.id, { keepScore: false })
          return { status: "cleared", agent_id: params.id }
        })
      )
      .handle(
        "clearCounters",
        Effect.fnUntraced(function*({ params }) {
          const { id } = yield* CurrentTenant
          yield* history.clear(id, params.id, { keepScore: true })
          return { status: "counters_cleared", agent_id: params.id }
        })
      )
  })
)
