/**
 * The audit log: what was decided, in a chain of hashes.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { checkObject } from "../errors/internal/checkInput.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import { NotFound, type OperationError, VargateError } from "../errors/VargateError.ts"
import { maxPageSize } from "../internal/limits.ts"
import type { ActionId } from "../model/ActionId.ts"
import * as Transport from "../transport/Transport.ts"
import type { AgentActivity } from "./AgentActivity.ts"
import type { AuditPage, AuditRecord, ChainStatus } from "./AuditRecord.ts"
import type { Checkpoint } from "./Checkpoint.ts"
import type { ErasureCheck, ErasureReceipt, Subject } from "./Erasure.ts"
import { newestFirst, oldestFirst } from "./internal/recordStream.ts"
import { AuditApi } from "./wire/AuditApi.ts"
import { SubjectsApi } from "./wire/SubjectsApi.ts"

/**
 * Which page of the log: `limit` records (the gateway's default is 200, at most 1000), leaving out the `offset` newest.
 *
 * @category options
 * @since 0.1.0
 */
export interface PageOptions {
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

/**
 * Which records, in which order.
 *
 * @category options
 * @since 0.1.0
 */
export interface RecordsOptions {
  /** `newest` first (default) returns the log as it is now, `oldest` first also what is appended meanwhile. */
  readonly order?: "newest" | "oldest" | undefined
  /** Only what is newer than this checkpoint. */
  readonly since?: Checkpoint | undefined
  /** Records per request, from 1 to 1000. Default: 1000. */
  readonly pageSize?: number | undefined
  /**
   * Called for every record that the gateway cannot show, with its place counted from 0 for the oldest. Default: a
   * warning.
   */
  readonly onGap?: ((position: number) => Effect.Effect<void>) | undefined
}

/**
 * Reads the audit log of the key's tenant. To verify it, see `ChainVerifier`.
 *
 * @category services
 * @since 0.1.0
 */
export class AuditLog extends Context.Service<AuditLog, {
  /** One page, newest record first (GET /audit/log). Pages shift while records are appended: de-duplicate by id. */
  readonly page: (options?: PageOptions) => Effect.Effect<AuditPage, OperationError>
  /**
   * All records, page by page, each once, while the log grows. A page that answers 500 (a record nested too deep makes
   * it) is narrowed down to the record at fault, which is stepped over; more than 16 of them in one page are an error.
   */
  readonly records: (options?: RecordsOptions) => Stream.Stream<AuditRecord, OperationError>
  /**
   * The record of one action, or `NotFound`. The gateway has no route for it: the log is read from the newest record
   * on. `approval-{id}` and `rejection-{id}` are records of their own.
   */
  readonly record: (actionId: ActionId) => Effect.Effect<AuditRecord, OperationError>
  /** What the gateway says about its own chain (GET /audit/verify): a claim, not a proof. */
  readonly verify: Effect.Effect<ChainStatus, OperationError>
  /** The agents in the log (GET /audit/agents), the busiest first. `limit` defaults to 20 and is at most 100. */
  readonly agents: (options?: {
    readonly limit?: number | undefined
  }) => Effect.Effect<ReadonlyArray<AgentActivity>, OperationError>
  /** The data subjects in the log (GET /audit/subjects). A measured gateway lists those of all tenants. */
  readonly subjects: Effect.Effect<ReadonlyArray<Subject>, OperationError>
  /**
   * Deletes the key of a data subject permanently (POST /audit/erase/{subject_id}). `NotFound` where there never was
   * one. Asking twice does no harm. On a measured gateway any tenant can erase any subject.
   */
  readonly erase: (subjectId: string) => Effect.Effect<ErasureReceipt, OperationError>
  /**
   * Lets the gateway try to decrypt the data of a subject (GET /audit/erase/{subject_id}/verify). The result is
   * redacted, because before an erasure it holds that data in plain text.
   */
  readonly verifyErasure: (subjectId: string) => Effect.Effect<Redacted.Redacted<ErasureCheck>, OperationError>
}>()("effect-vargate/AuditLog") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(AuditApi, SubjectsApi)

  const pageFor = (name: string, { limit, offset }: PageOptions) =>
    transport.request(
      { name, sideEffect: "none" },
      client.audit.log({
        query: { ...(limit === undefined ? {} : { limit }), ...(offset === undefined ? {} : { offset }) }
      })
    )

  const page = Effect.fn("AuditLog.page")((options: PageOptions = {}) =>
    Effect.flatMap(checkObject("AuditLog.page", options), (options) => pageFor("AuditLog.page", options))
  )

  const recordsFor = (name: string, options: RecordsOptions) => {
    const { onGap = warn, order = "newest", pageSize = maxPageSize, since } = options
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > maxPageSize) {
      const issue = { path: ["pageSize"], message: `must be between 1 and ${maxPageSize}` }
      return Stream.fail(invalidRequest(name, [issue]))
    }
    const read = order === "newest" ? newestFirst : oldestFirst
    return read({ page: (options) => pageFor(name, options), pageSize, since, onGap })
  }

  const records = (options: RecordsOptions = {}) =>
    Stream.unwrap(
      Effect.map(checkObject("AuditLog.records", options), (options) => recordsFor("AuditLog.records", options))
    )

  const record = Effect.fn("AuditLog.record")(function*(actionId: ActionId) {
    const name = "AuditLog.record"
    const found = yield* recordsFor(name, { onGap: () => Effect.void }).pipe(
      Stream.filter((record) => record.actionId === actionId),
      Stream.runHead
    )
    return Option.isSome(found) ? found.value : yield* new VargateError({
      operation: name,
      reason: new NotFound({ detail: `the log has no record of ${actionId}` })
    })
  })

  const verify = transport.request(
    { name: "AuditLog.verify", sideEffect: "none" },
    client.audit.verify({})
  ).pipe(Effect.withSpan("AuditLog.verify"))

  const agents = Effect.fn("AuditLog.agents")(function*(options: { readonly limit?: number | undefined } = {}) {
    const { limit } = yield* checkObject("AuditLog.agents", options)
    const { agents } = yield* transport.request(
      { name: "AuditLog.agents", sideEffect: "none" },
      client.audit.agents({ query: limit === undefined ? {} : { limit } })
    )
    return agents
  })

  const subjects = transport.request(
    { name: "AuditLog.subjects", sideEffect: "none" },
    client.subjects.list({})
  ).pipe(Effect.map(({ subjects }) => subjects), Effect.withSpan("AuditLog.subjects"))

  const erase = Effect.fn("AuditLog.erase")((subjectId: string) =>
    transport.request(
      { name: "AuditLog.erase", sideEffect: "possible" },
      client.subjects.erase({ params: { subject_id: subjectId } })
    )
  )

  const verifyErasure = Effect.fn("AuditLog.verifyErasure")((subjectId: string) =>
    transport.request(
      // Before an erasure the answer holds the data themselves.
      { name: "AuditLog.verifyErasure", sideEffect: "none", isAnswerSecret: true },
      client.subjects.verifyErasure({ params: { subject_id: subjectId } })
    ).pipe(Effect.map((check) => Redacted.make(check, { label: "ErasureCheck" })))
  )

  return AuditLog.of({ page, records, record, verify, agents, subjects, erase, verifyErasure })
})

const warn = (position: number) =>
  Effect.logWarning(`The gateway cannot show record ${position} of its audit log (counted from 0 for the oldest)`)

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<AuditLog, never, Transport.Transport> = Layer.effect(AuditLog, make)
