/**
 * Taking decisions again.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { OperationError, VargateError } from "../errors/VargateError.ts"
import { maxPageSize } from "../internal/limits.ts"
import type { ActionId } from "../model/ActionId.ts"
import * as Transport from "../transport/Transport.ts"
import type { AuditRecord } from "./AuditRecord.ts"
import { newestFirst } from "./internal/recordStream.ts"
import { type BulkReplay, DriftReport, type LeftOut, ReplayFailure, ReplayReport } from "./ReplayReport.ts"
import { AuditApi } from "./wire/AuditApi.ts"

/**
 * Replays decisions with their recorded input.
 *
 * **Gotchas**
 *
 * The gateway replays the policy bundle of that day. Pending actions and denials by the gateway itself never match; a
 * reviewer's decision has no input and fails with `InvalidRequest`; a bundle that is not archived is a `GatewayFault`.
 *
 * @category services
 * @since 0.1.0
 */
export class Replay extends Context.Service<Replay, {
  /** One decision (POST /audit/replay). */
  readonly replay: (actionId: ActionId) => Effect.Effect<ReplayReport, OperationError>
  /**
   * The newest `count` decisions in one request (POST /audit/replay-bulk). A measured gateway takes those of all
   * tenants.
   */
  readonly replayLast: (count: number) => Effect.Effect<BulkReplay, OperationError>
  /**
   * Which of the newest `count` records of the key's tenant would be decided otherwise.
   *
   * **Details**
   *
   * Each is replayed by itself, four at a time. What can never match is left out and named: pending actions, reviewers'
   * decisions, and what the gateway decided or noted without its policy. A single replay that fails does not end the
   * others.
   */
  readonly drift: (count: number) => Effect.Effect<DriftReport, OperationError>
}>()("effect-vargate/Replay") {}

const concurrency = 4
/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(AuditApi)

  const replayFor = (name: string, actionId: ActionId) =>
    transport.request(
      { name, sideEffect: "none" },
      client.audit.replay({ payload: { action_id: actionId } })
    )

  const replay = Effect.fn("Replay.replay")((actionId: ActionId) => replayFor("Replay.replay", actionId))

  const replayLast = Effect.fn("Replay.replayLast")((count: number) =>
    Effect.andThen(
      checkCount("Replay.replayLast", count),
      transport.request(
        { name: "Replay.replayLast", sideEffect: "none" },
        client.audit.replayBulk({ payload: { count } })
      )
    )
  )

  const drift = Effect.fn("Replay.drift")(function*(count: number) {
    const name = "Replay.drift"
    yield* checkCount(name, count)
    const records = count === 0 ? [] : yield* newestFirst({
      page: (query) => transport.request({ name, sideEffect: "none" }, client.audit.log({ query })),
      pageSize: Math.min(count, maxPageSize),
      since: undefined,
      onGap: () => Effect.void
    }).pipe(Stream.take(count), Stream.runCollect)
    const judged = records.map((record) => ({ record, reason: reasonToLeaveOut(record) }))
    const replayed = yield* Effect.forEach(
      judged.filter(({ reason }) => reason === undefined),
      ({ record: { actionId } }) =>
        Effect.catchIf(
          replayFor(name, actionId),
          isAbout,
          (error) => Effect.succeed(failureOf(actionId, error))
        ),
      { concurrency }
    )
    const reports = replayed.filter((result) => result instanceof ReplayReport)
    return new DriftReport({
      same: reports.filter(({ consistent }) => consistent).length,
      changed: reports.filter(({ consistent }) => !consistent),
      failures: replayed.filter((result) => result instanceof ReplayFailure),
      leftOut: judged.flatMap(({ reason, record }) =>
        reason === undefined ? [] : [{ actionId: record.actionId, reason }]
      )
    })
  })

  return Replay.of({ replay, replayLast, drift })
})

const checkCount = (operation: string, count: number) =>
  Number.isSafeInteger(count) && count >= 0 ? Effect.void : Effect.fail(
    invalidRequest(operation, [{ path: ["count"], message: "must be an integer of at least 0" }])
  )

/** Marks that the gateway itself leaves where it overrides its policy, or decides without it. */
const gatewayViolations = new Set(["unknown_tool_no_execution_handler", "auto_approved"])

const reasonToLeaveOut = (
  { agentId, decision, source, violations }: AuditRecord
): LeftOut | undefined => {
  if (decision === "pending_approval") return "Pending"
  if (agentId === "human-reviewer") return "HumanDecision"
  if (source === "control_plane" || (decision !== "allow" && decision !== "deny")) return "GatewayDecision"
  // Denied for no reason that a policy would give: the gateway could not reach its secrets store.
  if (decision === "deny" && violations.length === 0) return "GatewayDecision"
  return violations.some((violation) => gatewayViolations.has(violation)) ? "GatewayDecision" : undefined
}

/** Failures of this one replay, as opposed to those of the connection or the key. */
const isAbout = (error: OperationError): error is VargateError =>
  error._tag === "VargateError" &&
  (error.reason._tag === "NotFound" || error.reason._tag === "InvalidRequest" || error.reason._tag === "GatewayFault")

const failureOf = (actionId: ActionId, { reason }: VargateError) =>
  new ReplayFailure({ actionId, detail: reason.message })

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Replay, never, Transport.Transport> = Layer.effect(Replay, make)
