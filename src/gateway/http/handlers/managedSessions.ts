/**
 * Sessions of managed agents, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Stream from "effect/Stream"
import type { AuditRecord } from "../../../audit/AuditRecord.ts"
import { SessionRecord } from "../../../model/ManagedSession.ts"
import { SessionReplay } from "../../../operator/SessionReport.ts"
import { SessionLimit429 } from "../../../operator/wire/ManagedSessionsApi.ts"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { Conflict409, NotFound404 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { Ledger } from "../../ledger/Ledger.ts"
import { complianceOf, replayOf } from "../../managed/internal/sessionReports.ts"
import { ManagedSessions } from "../../managed/ManagedSessions.ts"
import { ManagedStore } from "../../managed/ManagedStore.ts"
import { PolicyEngine } from "../../policy/PolicyEngine.ts"
import { gathered } from "../../reports/gathered.ts"
import { Tenants } from "../../tenants/Tenants.ts"

const defaultSessions = 50
const defaultRecords = 100

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "managedSessions",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants
    const store = yield* ManagedStore
    const sessions = yield* ManagedSessions
    const ledger = yield* Ledger
    const engine = yield* PolicyEngine

    const find = Effect.fnUntraced(function*(sessionId: string) {
      const { id } = yield* CurrentTenant
      const session = yield* store.session(id, sessionId)
      return session ?? (yield* Effect.fail(NotFound404.make({ detail: "Session not found" })))
    })

    return handlers
      .handle(
        "start",
        Effect.fnUntraced(function*({ payload }) {
          const tenant = yield* tenants.current
          const agent = yield* store.agent(tenant.id, payload.agent_id)
          if (agent === undefined) {
            return yield* Effect.fail(
              NotFound404.make({ detail: `Agent config '${payload.agent_id}' not found for this tenant` })
            )
          }
          return yield* sessions.start(tenant, agent, payload.user_message ?? undefined).pipe(
            Effect.mapError(({ detail }) => SessionLimit429.make({ detail }))
          )
        })
      )
      .handle(
        "list",
        Effect.fnUntraced(function*({ query }) {
          const { id } = yield* CurrentTenant
          const found = yield* store.sessions(id, {
            status: query.status,
            agentId: query.agent_id,
            limit: query.limit ?? defaultSessions
          })
          const shown = yield* sessions.show(id, found)
          return { sessions: shown, count: shown.length, tenant_id: id }
        })
      )
      .handle(
        "status",
        Effect.fnUntraced(function*({ params }) {
          const session = yield* find(params.id)
          const [shown] = yield* sessions.show(session.tenantId!, [session])
          return shown!
        })
      )
      .handle(
        "audit",
        Effect.fnUntraced(function*({ params, query }) {
          const session = yield* find(params.id)
          const records = yield* sessions.records(session).pipe(
            Stream.take(query.limit ?? defaultRecords),
            Stream.map(withoutHashes),
            Stream.runCollect
          )
          return { session_id: session.id, records, count: records.length }
        })
      )
      .handle(
        "compliance",
        Effect.fnUntraced(function*({ params }) {
          const session = yield* find(params.id)
          const agent = yield* store.agent(session.tenantId!, session.agentId)
          const records = yield* gathered(
            Stream.map(sessions.records(session), withoutParams),
            "Read the session's records in the audit log"
          )
          return complianceOf(session, agent, records, yield* DateTime.now)
        })
      )
      .handle(
        "interrupt",
        Effect.fnUntraced(function*({ params, payload }) {
          const tenant = yield* tenants.current
          const session = yield* find(params.id)
          return yield* sessions.interrupt(tenant, session, payload.reason, payload.auto_triggered ?? false).pipe(
            Effect.mapError(({ status }) => Conflict409.make({ detail: `Session is not active (status: ${status})` }))
          )
        })
      )
      .handle(
        "replay",
        Effect.fnUntraced(function*({ params }) {
          const session = yield* find(params.id)
          const results = yield* sessions.records(session).pipe(
            Stream.mapEffect((record) =>
              Effect.flatMap(
                ledger.inputOf(session.tenantId!, record.actionId),
                (input) => replayOf(engine, record, input)
              )
            ),
            (results) => gathered(results, "Replay the session's actions one by one")
          )
          return new SessionReplay({ sessionId: session.id, results })
        })
      )
  })
)

/** Params are the largest part of a record, and no report shows them. */
const withoutParams = (record: AuditRecord): Omit<AuditRecord, "params"> => {
  const { params: _, ...others } = record
  return others
}

/** A record as the trail shows it. */
const withoutHashes = (record: AuditRecord) => {
  const { bundleRevision: _, prevHash: __, recordHash: ___, ...shown } = record
  return new SessionRecord(shown)
}
