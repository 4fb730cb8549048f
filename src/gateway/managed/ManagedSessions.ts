/**
 * Sessions of managed agents: who plays the agent, what is recorded, and how it is stopped.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { hash, randomUUID } from "node:crypto"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { ActionId } from "../../model/ActionId.ts"
import type { ManagedAgent } from "../../model/ManagedAgent.ts"
import {
  EventConsumer,
  InterruptReceipt,
  ManagedSession,
  ManagedSessionId,
  type SessionCalls
} from "../../model/ManagedSession.ts"
import { ToolCall } from "../../model/ToolCall.ts"
import type { LedgerUnavailable } from "../calls/LedgerUnavailable.ts"
import { type Outcome, Submissions } from "../calls/Submissions.ts"
import { WebhookSender } from "../calls/WebhookSender.ts"
import { type Entry, Ledger } from "../ledger/Ledger.ts"
import { noRevision, type PolicyUnavailable } from "../policy/PolicyEngine.ts"
import type { Tenant } from "../tenants/Tenants.ts"
import { ManagedStore } from "./ManagedStore.ts"

/**
 * A session as the function that plays the agent sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stage {
  readonly session: ManagedSession
  readonly agent: ManagedAgent
  readonly prompt: string
  readonly userMessage: string | undefined
  /** Asks the gateway, as the agent would through the MCP door. Recorded as a part of the session. */
  readonly call: (request: {
    readonly tool: string
    readonly method: string
    readonly params?: Readonly<Record<string, unknown>> | undefined
  }) => Effect.Effect<Outcome, PolicyUnavailable | LedgerUnavailable>
}

/**
 * Plays a managed agent, in the place of a model elsewhere: one run for each session. It is interrupted when the
 * session is; when it ends by itself the session is completed, or failed.
 *
 * @category models
 * @since 0.1.0
 */
export type Play = (stage: Stage) => Effect.Effect<unknown, unknown>

/**
 * There are too many sessions already.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManySessions extends Data.TaggedError("TooManySessions")<{ readonly detail: string }> {}

/**
 * The session is over.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionOver extends Data.TaggedError("SessionOver")<{ readonly status: string }> {}

/**
 * Starts, shows and stops sessions.
 *
 * @category services
 * @since 0.1.0
 */
export class ManagedSessions extends Context.Service<ManagedSessions, {
  readonly start: (
    tenant: Tenant,
    agent: ManagedAgent,
    userMessage: string | undefined
  ) => Effect.Effect<ManagedSession, TooManySessions>
  /** What the log holds of a session, oldest first. */
  readonly records: (session: ManagedSession) => Stream.Stream<AuditRecord>
  /** Sessions with their calls counted in the log, which is read once, and whether an agent is played in them. */
  readonly show: (
    tenantId: string,
    sessions: ReadonlyArray<ManagedSession>
  ) => Effect.Effect<ReadonlyArray<ManagedSession>>
  readonly interrupt: (
    tenant: Tenant,
    session: ManagedSession,
    reason: string,
    autoTriggered: boolean
  ) => Effect.Effect<InterruptReceipt, SessionOver>
  /** Those that are being played. */
  readonly consumers: (tenantId: string) => Effect.Effect<ReadonlyArray<EventConsumer>>
}>()("effect-vargate/gateway/ManagedSessions") {}

const tenantLimits = { active: 10, daily: 50 }
/** How long a played agent may take to stop. */
const patience = "10 seconds"

const make = Effect.fnUntraced(function*(play: Play | undefined) {
  const store = yield* ManagedStore
  const ledger = yield* Ledger
  const webhooks = yield* WebhookSender
  const submissions = yield* Submissions
  const plays = yield* FiberMap.make<string>()
  yield* store.abandon(yield* DateTime.now)

  const record = Effect.fnUntraced(function*(
    { agentId, id, tenantId }: ManagedSession,
    entry: Pick<Entry, "method" | "params" | "violations" | "severity" | "alertTier">
  ) {
    yield* ledger.append({
      tenantId: tenantId!,
      actionId: ActionId.make(randomUUID()),
      agentId,
      tool: "control_plane",
      requestedAt: yield* DateTime.now,
      decision: "allow",
      bundleRevision: noRevision,
      executionMode: "agent_direct",
      anomalyScore: 0,
      containsPii: false,
      piiFields: [],
      source: "control_plane",
      managedSessionId: id,
      ...entry
    })
  })

  const perform = (play: Play, tenant: Tenant, stage: Omit<Stage, "call">) => {
    const { agent, session } = stage
    const call: Stage["call"] = ({ method, params = {}, tool }) =>
      Effect.uninterruptible(submissions.submit(
        tenant,
        new ToolCall({ agentId: agent.id, agentType: "managed", agentVersion: "0.0.0", tool, method, params }),
        { source: "mcp_governed", managedSessionId: session.id }
      ))
    return Effect.suspend(() => play({ ...stage, call })).pipe(
      Effect.tapCause((cause) => Effect.logDebug("A managed agent failed", cause)),
      Effect.onExit((exit) =>
        Effect.flatMap(
          DateTime.now,
          (now) => store.endSession(tenant.id, session.id, Exit.isSuccess(exit) ? "completed" : "failed", now)
        )
      )
    )
  }

  const start = Effect.fn("ManagedSessions.start")(function*(
    tenant: Tenant,
    agent: ManagedAgent,
    userMessage: string | undefined
  ) {
    const prompt = promptOf(tenant, agent)
    const session = new ManagedSession({
      id: ManagedSessionId.make(`vs-${randomHex(16)}`),
      agentId: agent.id,
      status: "active",
      anthropicSessionId: `${play === undefined ? "sim" : "local"}-${randomHex(16)}`,
      tenantId: tenant.id,
      createdAt: yield* DateTime.now,
      endedAt: null,
      systemPromptHash: hash("sha256", prompt, "hex")
    })
    const detail = yield* store.addSession(tenant.id, session, {
      ...tenantLimits,
      dailyOfAgent: agent.maxDailySessions ?? undefined
    })
    if (detail !== undefined) return yield* new TooManySessions({ detail })
    yield* record(session, {
      method: "create_session",
      params: { session_id: session.id, agent_config: agent.id },
      violations: [],
      severity: "none",
      alertTier: "P4"
    })
    if (play !== undefined) {
      yield* FiberMap.run(plays, session.id, perform(play, tenant, { session, agent, prompt, userMessage }))
    }
    return session
  }, Effect.uninterruptible)

  const records = ({ id, tenantId }: ManagedSession) =>
    Stream.filter(ledger.stream(tenantId!), ({ managedSessionId }) => managedSessionId === id)

  const show = Effect.fn("ManagedSessions.show")(
    function*(tenantId: string, sessions: ReadonlyArray<ManagedSession>) {
      if (sessions.length === 0) return []
      const tally = new Map<string | undefined, SessionCalls>(sessions.map(({ id }) => [id, noCalls]))
      yield* Stream.runForEach(ledger.stream(tenantId), (record) =>
        Effect.sync(() => {
          const id = record.managedSessionId ?? undefined
          const calls = tally.get(id)
          if (calls !== undefined) tally.set(id, counted(calls, record))
        }))
      return yield* Effect.forEach(sessions, (session) =>
        Effect.map(FiberMap.has(plays, session.id), (isPlayed) => {
          const calls = tally.get(session.id)!
          return new ManagedSession({
            ...session,
            calls,
            consumer: isPlayed ? { active: true, events: calls.governed, anomalies: 0 } : { active: false }
          })
        }))
    }
  )

  /** Whether the played agent has stopped. */
  const stop = Effect.fnUntraced(function*(id: string) {
    const fiber = yield* FiberMap.get(plays, id)
    if (Option.isNone(fiber)) return false
    yield* Effect.forkDetach(Fiber.interrupt(fiber.value))
    const stopped = yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber.value)), patience)
    return Option.isSome(stopped)
  })

  const interrupt = Effect.fn("ManagedSessions.interrupt")(function*(
    tenant: Tenant,
    session: ManagedSession,
    reason: string,
    autoTriggered: boolean
  ) {
    const endedAt = yield* DateTime.now
    // Ended first, so that the end of the play does not count as a failure.
    if (!(yield* store.endSession(tenant.id, session.id, "interrupted", endedAt))) {
      const now = yield* store.session(tenant.id, session.id)
      return yield* new SessionOver({ status: now?.status ?? session.status })
    }
    const isSent = yield* stop(session.id)
    yield* record(session, {
      method: "interrupt_session",
      params: { session_id: session.id, reason, auto_triggered: autoTriggered },
      violations: ["session_interrupted"],
      severity: autoTriggered ? "high" : "medium",
      alertTier: autoTriggered ? "P1" : "P2"
    })
    yield* webhooks.announce(tenant, "session.interrupted", {
      session_id: session.id,
      reason,
      auto_triggered: autoTriggered,
      anthropic_interrupt_sent: isSent
    })
    return new InterruptReceipt({ sessionId: session.id, status: "interrupted", reason, isSent, endedAt })
  }, Effect.uninterruptible)

  const consumers = Effect.fnUntraced(function*(tenantId: string) {
    const active = yield* store.sessions(tenantId, { status: "active", limit: Infinity })
    const shown = yield* show(tenantId, active)
    return shown.filter(({ consumer }) => consumer?.active === true).map(({ agentId, calls, id }) =>
      new EventConsumer({
        sessionId: id,
        agentId,
        tenantId,
        running: true,
        events: calls?.governed ?? 0,
        observed: 0,
        anomalies: 0
      })
    )
  })

  return ManagedSessions.of({ start, records, show, interrupt, consumers })
})

// A played agent has no tools but the gateway's: nothing is only observed.
const noCalls: SessionCalls = { governed: 0, observed: 0, denied: 0, pending: 0 }

const counted = (calls: SessionCalls, { decision, source }: AuditRecord): SessionCalls => ({
  governed: calls.governed + (source === "mcp_governed" ? 1 : 0),
  observed: calls.observed + (source === "mcp_observed" ? 1 : 0),
  denied: calls.denied + (decision === "deny" ? 1 : 0),
  pending: calls.pending + (decision === "pending_approval" ? 1 : 0)
})

const randomHex = (length: number) => randomUUID().replaceAll("-", "").slice(0, length)

const promptOf = (tenant: Tenant, agent: ManagedAgent): string =>
  [
    agent.systemPrompt,
    `This session is governed: every tool call is decided by the policy of ${tenant.name} and recorded.`,
    agent.allowedTools && `Tools you may use: ${agent.allowedTools.join(", ")}.`,
    agent.requireHumanApproval && `Tools that need a reviewer's approval: ${agent.requireHumanApproval.join(", ")}.`,
    agent.maxSessionHours && `The session is meant to last at most ${agent.maxSessionHours} hours.`
  ].filter(Boolean).join("\n\n")

/**
 * Sessions over the gateway's parts. Without a player they are simulated: nothing runs, and an interrupt is not
 * confirmed.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  play: Play | undefined
): Layer.Layer<ManagedSessions, never, ManagedStore | Ledger | Submissions | WebhookSender> =>
  Layer.effect(ManagedSessions, make(play))
