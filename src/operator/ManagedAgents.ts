/**
 * Agents that run elsewhere on a tenant's behalf: what they may do, their sessions, and how to stop one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { checkInput, checkObject } from "../errors/internal/checkInput.ts"
import { InterruptNotConfirmed, type OperationError, QuotaExceeded, VargateError } from "../errors/VargateError.ts"
import type { ManagedAgent, ManagedAgentId } from "../model/ManagedAgent.ts"
import type {
  EventConsumer,
  InterruptReceipt,
  ManagedSession,
  ManagedSessionId,
  SessionRecord
} from "../model/ManagedSession.ts"
import * as Transport from "../transport/Transport.ts"
import type { SessionCompliance, SessionReplay } from "./SessionReport.ts"
import { ManagedAgentsApi } from "./wire/ManagedAgentsApi.ts"
import { ManagedSessionsApi } from "./wire/ManagedSessionsApi.ts"

/**
 * The models that these operations speak of.
 *
 * @since 0.1.0
 */
export * from "../model/ManagedAgent.ts"

/**
 * A managed agent to register. What is left out has no limit of its own.
 *
 * @category options
 * @since 0.1.0
 */
export interface AgentOptions {
  /** 1 to 256 characters. */
  readonly name: string
  /** Default: the gateway's. */
  readonly model?: string | undefined
  readonly systemPrompt?: string | undefined
  readonly allowedTools?: ReadonlyArray<string> | undefined
  /** On a measured gateway a sentence in the prompt, not a rule. */
  readonly requireHumanApproval?: ReadonlyArray<string> | undefined
  readonly governanceProfile?: Readonly<Record<string, unknown>> | undefined
  /** From 0.1 to 24. */
  readonly maxSessionHours?: number | undefined
  /** From 1 to 1000. */
  readonly maxDailySessions?: number | undefined
  /** From 1 to 5. Default: 1. */
  readonly maxDelegationDepth?: number | undefined
  readonly parentId?: ManagedAgentId | undefined
}

/**
 * How to start a session.
 *
 * @category options
 * @since 0.1.0
 */
export interface StartOptions {
  /** What the agent is told first. */
  readonly userMessage?: string | undefined
  readonly environmentId?: string | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Which sessions, newest first.
 *
 * @category options
 * @since 0.1.0
 */
export interface SessionsOptions {
  readonly status?: string | undefined
  readonly agentId?: ManagedAgentId | undefined
  /** From 1 to 200. Default: 50. */
  readonly limit?: number | undefined
}

/**
 * Why a session is interrupted.
 *
 * @category options
 * @since 0.1.0
 */
export interface InterruptOptions {
  /** 1 to 1000 characters; it is written to the audit log. */
  readonly reason: string
  /** Whether a program decided this and not an operator: then it is recorded as more severe. */
  readonly autoTriggered?: boolean | undefined
}

/**
 * Registers managed agents, and starts, watches and stops their sessions.
 *
 * **When to use**
 *
 * Use it in programs of operators. It is not among the services of an agent (`Vargate.layer`).
 *
 * @category services
 * @since 0.1.0
 */
export class ManagedAgents extends Context.Service<ManagedAgents, {
  /** Registers an agent (POST /managed/agents). `NotFound` where there is no such parent. */
  readonly register: (options: AgentOptions) => Effect.Effect<ManagedAgent, OperationError>
  /** All agents, newest first (GET /managed/agents), without their prompts. */
  readonly agents: Effect.Effect<ReadonlyArray<ManagedAgent>, OperationError>
  /** One agent with all that is known of it (GET /managed/agents/{id}). */
  readonly agent: (id: ManagedAgentId) => Effect.Effect<ManagedAgent, OperationError>
  /**
   * Starts a session (POST /managed/sessions). `QuotaExceeded` where the tenant or the agent has too many: a measured
   * gateway takes ten at a time and fifty a day, and what the agent's own limit says. Look at `isSimulated`: a gateway
   * without a key for the place where agents run only pretends.
   */
  readonly start: (agentId: ManagedAgentId, options?: StartOptions) => Effect.Effect<ManagedSession, OperationError>
  /** Sessions, newest first (GET /managed/sessions). */
  readonly sessions: (options?: SessionsOptions) => Effect.Effect<ReadonlyArray<ManagedSession>, OperationError>
  /** One session, its calls counted anew (GET /managed/sessions/{id}/status). */
  readonly status: (id: ManagedSessionId) => Effect.Effect<ManagedSession, OperationError>
  /**
   * The records of a session, oldest first (GET /managed/sessions/{id}/audit). `limit` is from 1 to 1000 and defaults
   * to 100; there is no paging.
   */
  readonly audit: (id: ManagedSessionId, options?: {
    readonly limit?: number | undefined
  }) => Effect.Effect<ReadonlyArray<SessionRecord>, OperationError>
  /** The gateway's report on a session (GET /managed/sessions/{id}/compliance). */
  readonly compliance: (id: ManagedSessionId) => Effect.Effect<SessionCompliance, OperationError>
  /** Takes a session's decisions again under today's policy (POST /managed/sessions/{id}/replay). */
  readonly replay: (id: ManagedSessionId) => Effect.Effect<SessionReplay, OperationError>
  /**
   * Stops an agent (POST /managed/sessions/{id}/interrupt). Succeeds only where the gateway says that the interrupt was
   * sent to where the agent runs; it calls the session interrupted either way.
   *
   * **Details**
   *
   * `Conflict`: the session is over. `InterruptNotConfirmed`: the session counts as over, and the agent may go on.
   */
  readonly interrupt: (
    id: ManagedSessionId,
    options: InterruptOptions
  ) => Effect.Effect<InterruptReceipt, InterruptNotConfirmed | OperationError>
  /** What the gateway listens to (GET /managed/consumers). */
  readonly consumers: Effect.Effect<ReadonlyArray<EventConsumer>, OperationError>
  /**
   * The session's status now, and after every change, until it is no longer active: that one is the last. Asks every
   * two seconds unless the schedule says otherwise, and ends with the schedule.
   *
   * **Details**
   *
   * The first failure ends it. `Stream.retry(RetryPolicy.standard)` continues after those that may be repeated, and
   * emits the status again.
   */
  readonly watch: (id: ManagedSessionId, options?: {
    readonly schedule?: Schedule.Schedule<unknown> | undefined
  }) => Stream.Stream<ManagedSession, OperationError>
}>()("effect-vargate/ManagedAgents") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(ManagedAgentsApi, ManagedSessionsApi)

  const read = <A, E>(name: string, sending: Effect.Effect<A, E>) =>
    transport.request({ name: `ManagedAgents.${name}`, sideEffect: "none" }, sending)

  const change = <A, E>(name: string, sending: Effect.Effect<A, E>) =>
    transport.request({ name: `ManagedAgents.${name}`, sideEffect: "possible" }, sending)

  const optionsFor = <A extends object>(name: string, options: A) => checkObject(`ManagedAgents.${name}`, options)

  const register = Effect.fn("ManagedAgents.register")(function*(options: AgentOptions) {
    const payload = agentRequest(yield* optionsFor("register", options))
    return yield* change("register", client.managedAgents.create({ payload }))
  })

  const agents = read("agents", client.managedAgents.list({})).pipe(
    Effect.map(({ configs }) => configs),
    Effect.withSpan("ManagedAgents.agents")
  )

  const agent = Effect.fn("ManagedAgents.agent")((id: ManagedAgentId) =>
    read("agent", client.managedAgents.get({ params: { id } }))
  )

  const start = Effect.fn("ManagedAgents.start")(function*(agentId: ManagedAgentId, options: StartOptions = {}) {
    const { environmentId, metadata, userMessage } = yield* optionsFor("start", options)
    const payload = {
      agent_id: agentId,
      ...given("user_message", userMessage),
      ...given("environment_id", environmentId),
      ...given("metadata", metadata)
    }
    return yield* change("start", client.managedSessions.start({ payload })).pipe(
      Effect.catchTag("SessionLimit429", ({ detail }) =>
        Effect.fail(
          new VargateError({
            operation: "ManagedAgents.start",
            reason: new QuotaExceeded({ detail: transport.redact(detail) })
          })
        ))
    )
  })

  const sessions = Effect.fn("ManagedAgents.sessions")(function*(options: SessionsOptions = {}) {
    const { agentId, limit, status } = yield* optionsFor("sessions", options)
    const query = { ...given("status", status), ...given("agent_id", agentId), ...given("limit", limit) }
    const { sessions } = yield* read("sessions", client.managedSessions.list({ query }))
    return sessions
  })

  const statusFor = (name: string, id: ManagedSessionId) =>
    read(name, client.managedSessions.status({ params: { id } }))

  const status = Effect.fn("ManagedAgents.status")((id: ManagedSessionId) => statusFor("status", id))

  const audit = Effect.fn("ManagedAgents.audit")(function*(
    id: ManagedSessionId,
    options: { readonly limit?: number | undefined } = {}
  ) {
    const query = given("limit", (yield* optionsFor("audit", options)).limit)
    const { records } = yield* read("audit", client.managedSessions.audit({ params: { id }, query }))
    return records
  })

  const compliance = Effect.fn("ManagedAgents.compliance")((id: ManagedSessionId) =>
    read("compliance", client.managedSessions.compliance({ params: { id } }))
  )

  const replay = Effect.fn("ManagedAgents.replay")((id: ManagedSessionId) =>
    read("replay", client.managedSessions.replay({ params: { id } }))
  )

  const interrupt = Effect.fn("ManagedAgents.interrupt")(function*(id: ManagedSessionId, options: InterruptOptions) {
    const { autoTriggered, reason } = yield* optionsFor("interrupt", options)
    const payload = { reason, ...given("auto_triggered", autoTriggered) }
    const receipt = yield* change(
      "interrupt",
      client.managedSessions.interrupt({ params: { id }, payload })
    )
    return receipt.isSent ? receipt : yield* new InterruptNotConfirmed({ sessionId: id, status: receipt.status })
  })

  const consumers = read("consumers", client.managedAgents.consumers({})).pipe(
    Effect.map(({ consumers }) => consumers),
    Effect.withSpan("ManagedAgents.consumers")
  )

  const watch = (
    id: ManagedSessionId,
    options: { readonly schedule?: Schedule.Schedule<unknown> | undefined } = {}
  ) =>
    Stream.unwrap(Effect.map(
      checkWatch("ManagedAgents.watch", options),
      ({ schedule = Schedule.spaced("2 seconds") }) => Stream.fromEffectSchedule(statusFor("watch", id), schedule)
    )).pipe(
      Stream.changesWith((before, after) => Equal.equals(before, after)),
      Stream.takeUntil(({ isActive }) => !isActive),
      Stream.withSpan("ManagedAgents.watch")
    )

  return ManagedAgents.of({
    register,
    agents,
    agent,
    start,
    sessions,
    status,
    audit,
    compliance,
    replay,
    interrupt,
    consumers,
    watch
  })
})

const checkWatch = checkInput(
  "options",
  Schema.Struct({
    schedule: Schema.optional(
      Schema.declare((value): value is Schedule.Schedule<unknown> => Schedule.isSchedule(value), {
        expected: "a Schedule"
      })
    )
  })
)

/** A field of a request, left out where nothing was given. */
const given = <const K extends string, V>(key: K, value: V | undefined): { readonly [_ in K]?: V } =>
  value === undefined ? {} : { [key]: value } as { readonly [_ in K]: V }

const agentRequest = (options: AgentOptions) => ({
  name: options.name,
  ...given("anthropic_model", options.model),
  ...given("system_prompt", options.systemPrompt),
  ...given("allowed_tools", options.allowedTools),
  ...given("require_human_approval", options.requireHumanApproval),
  ...given("governance_profile", options.governanceProfile),
  ...given("max_session_hours", options.maxSessionHours),
  ...given("max_daily_sessions", options.maxDailySessions),
  ...given("max_delegation_depth", options.maxDelegationDepth),
  ...given("parent_agent_id", options.parentId)
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ManagedAgents, never, Transport.Transport> = Layer.effect(ManagedAgents, make)
