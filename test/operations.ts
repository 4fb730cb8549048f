/** Every operation of every service with a valid request, for what holds for all of them. */
import { Effect, Layer, Schema } from "effect"
import { Approvals } from "../src/Approvals.ts"
import { AuditLog } from "../src/AuditLog.ts"
import { ActionId } from "../src/domain/ActionId.ts"
import { RecordHash } from "../src/domain/RecordHash.ts"
import { Merkle } from "../src/Merkle.ts"
import { Replay } from "../src/Replay.ts"
import * as Reviews from "../src/Reviews.ts"
import { System } from "../src/System.ts"
import * as ScriptedTransport from "../src/testing/ScriptedTransport.ts"
import { ToolCalls } from "../src/ToolCalls.ts"
import type * as Transport from "../src/Transport.ts"
import * as Vargate from "../src/Vargate.ts"
import type { CallError } from "../src/VargateError.ts"

export const actionId = Schema.decodeSync(ActionId)("9c96cc23-0d04-4613-a3b5-9c9af2bb811c")
export const recordHash = Schema.decodeSync(RecordHash)("ab".repeat(32))
export const request = { tool: "slack", method: "post_message", params: { text: "hello" } }

/** The services over scripted answers. */
export const scripted = (
  script: Parameters<typeof ScriptedTransport.layer>[0],
  options?: Partial<Transport.Options>
) =>
  Reviews.layer.pipe(
    Layer.provideMerge(Vargate.layer({ apiKey: "test-key", ...options })),
    Layer.provideMerge(ScriptedTransport.layer(script))
  )

export type OperationName =
  | "ToolCalls.call"
  | "ToolCalls.decide"
  | "Reviews.approve"
  | "Reviews.reject"
  | "Approvals.pending"
  | "Approvals.history"
  | "AuditLog.page"
  | "AuditLog.verify"
  | "Replay.replay"
  | "Merkle.roots"
  | "Merkle.proof"
  | "System.health"

export type Operation = Effect.Effect<unknown, CallError, Vargate.Services | Reviews.Reviews>

export const operations: Readonly<Record<OperationName, Operation>> = {
  "ToolCalls.call": ToolCalls.use((toolCalls) => toolCalls.call(request)),
  "ToolCalls.decide": ToolCalls.use((toolCalls) => toolCalls.decide(request)),
  "Reviews.approve": Reviews.Reviews.use((reviews) => reviews.approve(actionId, "seen")),
  "Reviews.reject": Reviews.Reviews.use((reviews) => reviews.reject(actionId, "seen")),
  "Approvals.pending": Approvals.use((approvals) => approvals.pending),
  "Approvals.history": Approvals.use((approvals) => approvals.history),
  "AuditLog.page": AuditLog.use((auditLog) => auditLog.page()),
  "AuditLog.verify": AuditLog.use((auditLog) => auditLog.verify),
  "Replay.replay": Replay.use((replay) => replay.replay(actionId)),
  "Merkle.roots": Merkle.use((merkle) => merkle.roots()),
  "Merkle.proof": Merkle.use((merkle) => merkle.proof(recordHash)),
  "System.health": System.use((system) => system.health)
}

export const operationNames = Object.keys(operations) as ReadonlyArray<OperationName>

/** What may have happened when the answer to an operation is lost. */
export const hasSideEffect = (name: OperationName) => name.startsWith("ToolCalls.") || name.startsWith("Reviews.")

/**
 * The rest of a gateway that knows of nothing: a review whose answer was lost looks for what was decided, and finds only
 * this.
 */
export const emptyGateway = ({ path }: Pick<ScriptedTransport.SentRequest, "path">): ScriptedTransport.Step =>
  ScriptedTransport.json(200, {
    pending: [],
    stats: { pending: 0, approved: 0, rejected: 0, expired: 0 },
    history: [],
    records: [],
    count: 0,
    offset: 0,
    total: 0,
    path
  })

/** The services over one answer. */
export const answering = (step: ScriptedTransport.Step, options?: Partial<Transport.Options>) =>
  scripted((request, index) => index === 0 ? step : emptyGateway(request), options)

/** One operation over one answer. */
export const run = (name: OperationName, step: ScriptedTransport.Step, options?: Partial<Transport.Options>) =>
  Effect.provide(operations[name], answering(step, options))
