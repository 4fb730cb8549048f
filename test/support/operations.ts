/** Every operation of every service with a valid request, for what holds for all of them. */
import { Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import { Approvals } from "../../src/approvals/Approvals.ts"
import { Reviews } from "../../src/approvals/Reviews.ts"
import { AuditLog } from "../../src/audit/AuditLog.ts"
import { Replay } from "../../src/audit/Replay.ts"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import type {
  CallError,
  InterruptNotConfirmed,
  NeverQueued,
  RotationUnknown,
  SettingNotApplied
} from "../../src/errors/VargateError.ts"
import * as McpDoor from "../../src/mcp/McpDoor.ts"
import { ActionId } from "../../src/model/ActionId.ts"
import { ManagedAgentId } from "../../src/model/ManagedAgent.ts"
import { ManagedSessionId } from "../../src/model/ManagedSession.ts"
import { RecordHash } from "../../src/model/RecordHash.ts"
import { Account } from "../../src/operator/Account.ts"
import { Anchors } from "../../src/operator/Anchors.ts"
import { Compliance } from "../../src/operator/Compliance.ts"
import { Credentials } from "../../src/operator/Credentials.ts"
import { Maintenance } from "../../src/operator/Maintenance.ts"
import { ManagedAgents } from "../../src/operator/ManagedAgents.ts"
import { Policies } from "../../src/operator/Policies.ts"
import { System } from "../../src/operator/System.ts"
import { Tenant } from "../../src/operator/Tenant.ts"
import { TenantDirectory } from "../../src/operator/TenantDirectory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import type * as Transport from "../../src/transport/Transport.ts"
import * as Vargate from "../../src/Vargate.ts"
import { Merkle } from "../../src/verify/Merkle.ts"

export const actionId = Schema.decodeSync(ActionId)("9c96cc23-0d04-4613-a3b5-9c9af2bb811c")
export const recordHash = Schema.decodeSync(RecordHash)("ab".repeat(32))
export const credential = { toolId: "stripe", name: "api_key", value: Redacted.make("sk-1") }
/** Submitted over and over on purpose. */
export const request = { tool: "slack", method: "post_message", params: { text: "hello" }, allowDuplicate: true }

/** Every service there is: those of an operator, and the gateway's MCP door. */
export const withDoor = <E, R>(vargate: Layer.Layer<Vargate.OperatorServices, E, R>) =>
  Layer.provideMerge(McpDoor.layer, vargate)

export const everyService = (options?: Partial<Transport.Options>) =>
  withDoor(Vargate.layerOperator({ apiKey: "test-key", ...options }))

/** The services over scripted answers. */
export const scripted = (
  script: Parameters<typeof ScriptedTransport.layer>[0],
  options?: Partial<Transport.Options>
) => Layer.provideMerge(everyService(options), ScriptedTransport.layer(script))

export const agentId = Schema.decodeSync(ManagedAgentId)("agent-9860de81b9f8")
export const sessionId = Schema.decodeSync(ManagedSessionId)("vs-e2ee29f4e160443b")

/** Everything that any operation can fail with. */
export type Failure = CallError | InterruptNotConfirmed | NeverQueued | SettingNotApplied | RotationUnknown

export type Operation = Effect.Effect<unknown, Failure, Vargate.OperatorServices | McpDoor.McpDoor>

const table = {
  "ToolCalls.call": ToolCalls.use((toolCalls) => toolCalls.call(request)),
  "ToolCalls.decide": ToolCalls.use((toolCalls) => toolCalls.decide(request)),
  "Reviews.approve": Reviews.use((reviews) => reviews.approve(actionId, "seen")),
  "Reviews.reject": Reviews.use((reviews) => reviews.reject(actionId, "seen")),
  "Approvals.pending": Approvals.use((approvals) => approvals.pending),
  "Approvals.history": Approvals.use((approvals) => approvals.history),
  "AuditLog.page": AuditLog.use((auditLog) => auditLog.page()),
  "AuditLog.verify": AuditLog.use((auditLog) => auditLog.verify),
  "AuditLog.agents": AuditLog.use((auditLog) => auditLog.agents()),
  "AuditLog.subjects": AuditLog.use((auditLog) => auditLog.subjects),
  "AuditLog.erase": AuditLog.use((auditLog) => auditLog.erase("alice")),
  "AuditLog.verifyErasure": AuditLog.use((auditLog) => auditLog.verifyErasure("alice")),
  "Replay.replay": Replay.use((replay) => replay.replay(actionId)),
  "Replay.replayLast": Replay.use((replay) => replay.replayLast(3)),
  "Merkle.roots": Merkle.use((merkle) => merkle.roots()),
  "Merkle.proof": Merkle.use((merkle) => merkle.proof(recordHash)),
  "Merkle.verify": Merkle.use((merkle) => merkle.verify),
  "Merkle.consistency": Merkle.use((merkle) => merkle.consistency(0, 1)),
  "System.health": System.use((system) => system.health),
  "System.metrics": System.use((system) => system.metrics),
  "System.transparency": System.use((system) => system.transparency),
  "System.transparencyOf": System.use((system) => system.transparencyOf("acme")),
  "System.publicDashboard": System.use((system) => system.publicDashboard("acme")),
  "System.outreach": System.use((system) => system.outreach),
  "System.anomalyScore": System.use((system) => system.anomalyScore("a-1")),
  "Maintenance.clearHistory": Maintenance.use((maintenance) => maintenance.clearHistory("a-1")),
  "Maintenance.clearCounters": Maintenance.use((maintenance) => maintenance.clearCounters("a-1")),
  "Maintenance.backup": Maintenance.use((maintenance) => maintenance.backup),
  "Anchors.status": Anchors.use((anchors) => anchors.status),
  "Anchors.verify": Anchors.use((anchors) => anchors.verify),
  "Anchors.log": Anchors.use((anchors) => anchors.log),
  "Anchors.verifyChain": Anchors.use((anchors) => anchors.verifyChain),
  "Anchors.proof": Anchors.use((anchors) => anchors.proof(actionId)),
  "Anchors.consistency": Anchors.use((anchors) => anchors.consistency(0, 1)),
  "Anchors.trigger": Anchors.use((anchors) => anchors.trigger),
  "Anchors.roots": Anchors.use((anchors) => anchors.roots),
  "Compliance.export": Compliance.use((compliance) => compliance.export({ tenantId: "acme" })),
  "Compliance.pdf": Compliance.use((compliance) => Stream.runCollect(compliance.pdf({ tenantId: "acme" }))),
  "ManagedAgents.register": ManagedAgents.use((managed) => managed.register({ name: "m" })),
  "ManagedAgents.agents": ManagedAgents.use((managed) => managed.agents),
  "ManagedAgents.agent": ManagedAgents.use((managed) => managed.agent(agentId)),
  "ManagedAgents.start": ManagedAgents.use((managed) => managed.start(agentId)),
  "ManagedAgents.sessions": ManagedAgents.use((managed) => managed.sessions()),
  "ManagedAgents.status": ManagedAgents.use((managed) => managed.status(sessionId)),
  "ManagedAgents.audit": ManagedAgents.use((managed) => managed.audit(sessionId)),
  "ManagedAgents.compliance": ManagedAgents.use((managed) => managed.compliance(sessionId)),
  "ManagedAgents.replay": ManagedAgents.use((managed) => managed.replay(sessionId)),
  "ManagedAgents.interrupt": ManagedAgents.use((managed) => managed.interrupt(sessionId, { reason: "enough" })),
  "ManagedAgents.consumers": ManagedAgents.use((managed) => managed.consumers),
  "ManagedAgents.watch": ManagedAgents.use((managed) =>
    Effect.map(Stream.runHead(managed.watch(sessionId)), Option.getOrUndefined)
  ),
  "McpDoor.info": McpDoor.McpDoor.use((door) => door.info),
  "McpDoor.ping": McpDoor.McpDoor.use((door) => door.ping),
  "McpDoor.tools": McpDoor.McpDoor.use((door) => door.tools({ agentId })),
  "McpDoor.call": McpDoor.McpDoor.use((door) => door.call({ name: "post_slack", arguments: { text: "hello" } })),
  "McpDoor.health": McpDoor.McpDoor.use((door) => door.health),
  "Tenant.me": Tenant.use((tenant) => tenant.me),
  "Tenant.settings": Tenant.use((tenant) => tenant.settings),
  "Tenant.plan": Tenant.use((tenant) => tenant.plan({ name: "Renamed" })),
  "Tenant.apply": Tenant.use((tenant) => tenant.apply({ name: "Renamed" })),
  "Tenant.testWebhook": Tenant.use((tenant) => tenant.testWebhook),
  "TenantDirectory.create": TenantDirectory.use((tenants) => tenants.create({ tenantId: "t-1", name: "T" })),
  "TenantDirectory.list": TenantDirectory.use((tenants) => tenants.list),
  "TenantDirectory.get": TenantDirectory.use((tenants) => tenants.get("t-1")),
  "Policies.templates": Policies.use((policies) => policies.templates),
  "Policies.rules": Policies.use((policies) => policies.rules),
  "Policies.bundle": Policies.use((policies) => policies.bundle),
  "Credentials.register": Credentials.use((credentials) => credentials.register(credential)),
  "Credentials.list": Credentials.use((credentials) => credentials.list),
  "Credentials.status": Credentials.use((credentials) => credentials.status("stripe")),
  "Credentials.remove": Credentials.use((credentials) => credentials.remove(credential)),
  "Credentials.accessLog": Credentials.use((credentials) => credentials.accessLog),
  "Account.session": Account.use((account) => account.session),
  "Account.rotateKey": Account.use((account) => account.rotateKey()),
  "Account.tenants": Account.use((account) => account.tenants()),
  "Account.switchTenant": Account.use((account) => account.switchTenant("t-2")),
  "Account.signup": Account.use((account) => account.signup({ email: "a@b.example", name: "A" })),
  "Account.verifyEmail": Account.use((account) => account.verifyEmail(Redacted.make("token-1")))
}

export type OperationName = keyof typeof table

export const operations: Readonly<Record<OperationName, Operation>> = table

export const operationNames = Object.keys(operations) as ReadonlyArray<OperationName>

const writes: ReadonlyArray<OperationName> = [
  "AuditLog.erase",
  "Anchors.trigger",
  "ManagedAgents.register",
  "ManagedAgents.start",
  "ManagedAgents.interrupt",
  "McpDoor.call",
  "Tenant.apply",
  "Tenant.testWebhook",
  "TenantDirectory.create",
  "Credentials.register",
  "Credentials.remove",
  "Account.rotateKey",
  "Account.signup",
  "Account.verifyEmail"
]

/** Whether something may have happened when the answer to an operation is lost. */
export const hasSideEffect = (name: OperationName) =>
  /^(?:ToolCalls|Reviews|Maintenance)\./.test(name) || writes.includes(name)

/** What the rest of a gateway says of the tenant. */
export const profile = {
  tenant_id: "t-1",
  name: "Renamed",
  api_key_prefix: "vg-...",
  public_dashboard: false,
  anchor_chain: null,
  auto_approve_tools: []
}

/**
 * The rest of a gateway that knows of nothing: a review whose answer was lost looks for what was decided, and settings are
 * read back. They find only this.
 */
export const emptyGateway = ({ path }: Pick<ScriptedTransport.SentRequest, "path">): ScriptedTransport.Step =>
  ScriptedTransport.json(
    200,
    path.endsWith("/dashboard/me") ? profile : {
      pending: [],
      stats: { pending: 0, approved: 0, rejected: 0, expired: 0 },
      history: [],
      records: [],
      count: 0,
      offset: 0,
      total: 0,
      path
    }
  )

/** Services that are built once: each operation meets the answer that was set last, and then an empty gateway. */
export const rewindable = (options?: Partial<Transport.Options>) => {
  let next: ScriptedTransport.Step | undefined
  const services = scripted((request) => {
    const step = next ?? emptyGateway(request)
    next = undefined
    return step
  }, options)
  return { services, answer: (step: ScriptedTransport.Step) => void (next = step) }
}

/** The services over one answer. */
export const answering = (step: ScriptedTransport.Step, options?: Partial<Transport.Options>) =>
  scripted((request, index) => index === 0 ? step : emptyGateway(request), options)

/** One operation over one answer. */
export const run = (name: OperationName, step: ScriptedTransport.Step, options?: Partial<Transport.Options>) =>
  Effect.provide(operations[name], answering(step, options))
