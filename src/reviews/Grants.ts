/**
 * Standing approvals: a reviewer answers "always" within a scope, and the panel votes for the reviewer from then on.
 *
 * **Details**
 *
 * A grant is about one agent, tool and method, and names what each field of the params may be: a call with a field that it
 * does not name is not covered. It always expires, may have a count, and budgets (the sum of a field an hour, a day, or in
 * all). The panel signs it. Where a pending action is covered, the panel casts the vote of the reviewer who made the grant,
 * with the grant's id, in its next look: the action still passes the gateway, is pending there, and is approved with
 * the panel's key once its rule is met. A rule that asks two reviewers still asks two. Each use is recorded under the grant
 * before the vote is cast.
 *
 * Only a panel applies grants, where this service is in its context; an agent's process never does. Revocation counts from
 * the next look on, in all processes that share the store.
 *
 * **Example** (Refunds of up to 50, for a week)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Grants, type Reviewer } from "effect-vargate"
 *
 * const always = (ann: Reviewer.Reviewer) =>
 *   Grants.Grants.use(({ grant }) =>
 *     grant(ann, {
 *       agentId: "refund-bot",
 *       tool: "stripe",
 *       method: "create_refund",
 *       params: { charge: Grants.any, amount: Grants.range(0, 50) },
 *       budgets: [{ sum: "amount", per: "day", max: 500 }],
 *       expiresIn: "7 days"
 *     })
 *   )
 * ```
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { snapshotParams } from "../calls/internal/paramsSnapshot.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { FieldIssue, StorageFailed, VargateError } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import { type Constraint, Grant, type GrantBudget, GrantStatus, type GrantUse } from "./Grant.ts"
import { type GrantDraw, textOfGrant } from "./internal/coverage.ts"
import * as grantsInForce from "./internal/grantsInForce.ts"
import type { Reviewer } from "./Reviewer.ts"
import { VoteSigner } from "./VoteSigner.ts"

/**
 * The models that this speaks of.
 *
 * @since 0.2.0
 */
export * from "./Grant.ts"

// --- constraints -----------------------------------------------------------------------------------------------------

/**
 * This JSON, and no other.
 *
 * @category constraints
 * @since 0.2.0
 */
export const equals = (value: unknown): Constraint => ({ _tag: "Equals", value })

/**
 * One of these.
 *
 * @category constraints
 * @since 0.2.0
 */
export const oneOf = (...values: ReadonlyArray<unknown>): Constraint => ({ _tag: "OneOf", values })

/**
 * A number within these bounds, both included.
 *
 * @category constraints
 * @since 0.2.0
 */
export const range = (min: number, max: number): Constraint => ({ _tag: "Range", min, max })

/**
 * Whatever it is.
 *
 * @category constraints
 * @since 0.2.0
 */
export const any: Constraint = { _tag: "Any" }

/**
 * An object with these fields and no others.
 *
 * @category constraints
 * @since 0.2.0
 */
export const fields = (fields: Readonly<Record<string, Constraint>>): Constraint => ({ _tag: "Fields", fields })

// --- where grants are kept -------------------------------------------------------------------------------------------

/**
 * Where grants are kept. Every method is atomic.
 *
 * @category services
 * @since 0.2.0
 */
export class GrantStore extends Context.Service<GrantStore, {
  readonly add: (grant: Grant) => Effect.Effect<void, StorageFailed>
  /** Returns the grant as it stands; undefined where there is none. */
  readonly find: (id: string) => Effect.Effect<GrantStatus | undefined, StorageFailed>
  /** The latest first. `inForceAt` leaves out those that are revoked or have expired. */
  readonly list: (
    options: { readonly limit: number; readonly inForceAt?: DateTime.Utc | undefined }
  ) => Effect.Effect<ReadonlyArray<GrantStatus>, StorageFailed>
  /** False where there is none, or it was revoked before. It counts from this time on, or from the last use. */
  readonly revoke: (
    id: string,
    revocation: { readonly by: string; readonly at: DateTime.Utc }
  ) => Effect.Effect<boolean, StorageFailed>
  /**
   * Records a use, where the grant is in force and neither its count nor a budget would be exceeded. A second time for the
   * same action it records nothing, and is true.
   */
  readonly use: (id: string, use: GrantUse, draws: ReadonlyArray<GrantDraw>) => Effect.Effect<boolean, StorageFailed>
  /** The latest first. */
  readonly uses: (id: string, limit: number) => Effect.Effect<ReadonlyArray<GrantUse>, StorageFailed>
}>()("effect-vargate/GrantStore") {}

interface Kept {
  readonly grant: Grant
  revocation: { readonly by: string; readonly at: DateTime.Utc } | undefined
  readonly uses: Array<GrantUse>
  readonly drawn: Map<string, number>
}

const keyOf = ({ actionId, digest }: { readonly actionId: ActionId; readonly digest: string }) =>
  `${actionId} ${digest}`

/**
 * In memory.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerStoreMemory: Layer.Layer<GrantStore> = Layer.sync(GrantStore, () => {
  const grants = new Map<string, Kept>()
  const statusOf = ({ grant, revocation, uses }: Kept) =>
    new GrantStatus({
      grant,
      revokedAt: revocation?.at ?? null,
      revokedBy: revocation?.by ?? null,
      uses: uses.length
    })
  const isOpen = ({ grant, revocation }: Kept, at: DateTime.Utc) =>
    revocation === undefined && DateTime.isLessThan(at, grant.expiresAt)

  return GrantStore.of({
    add: (grant) =>
      Effect.sync(() => void grants.set(grant.id, { grant, revocation: undefined, uses: [], drawn: new Map() })),
    find: (id) =>
      Effect.sync(() => {
        const kept = grants.get(id)
        return kept && statusOf(kept)
      }),
    list: ({ inForceAt, limit }) =>
      Effect.sync(() =>
        Array.from(grants.values()).reverse()
          .filter((kept) => inForceAt === undefined || isOpen(kept, inForceAt))
          .slice(0, limit).map(statusOf)
      ),
    revoke: (id, revocation) =>
      Effect.sync(() => {
        const kept = grants.get(id)
        if (kept === undefined || kept.revocation !== undefined) return false
        const last = kept.uses.reduce((last, { at }) => DateTime.max(last, at), revocation.at)
        kept.revocation = { ...revocation, at: last }
        return true
      }),
    use: (id, use, draws) =>
      Effect.sync(() => {
        const kept = grants.get(id)
        if (kept === undefined || !isOpen(kept, use.at)) return false
        const { drawn, grant, uses } = kept
        if (uses.some((other) => keyOf(other) === keyOf(use))) return true
        if (grant.count !== null && uses.length >= grant.count) return false
        if (draws.some(({ amount, budget, max }) => (drawn.get(budget) ?? 0) + amount > max)) return false
        for (const { amount, budget } of draws) drawn.set(budget, (drawn.get(budget) ?? 0) + amount)
        uses.push(use)
        return true
      }),
    uses: (id, limit) => Effect.sync(() => (grants.get(id)?.uses ?? []).toReversed().slice(0, limit))
  })
})

// --- the service -----------------------------------------------------------------------------------------------------

/**
 * A grant as a reviewer states it.
 *
 * @category models
 * @since 0.2.0
 */
export interface GrantRequest {
  readonly agentId: string
  readonly tool: string
  readonly method: string
  /** By the names of the fields. Without any, the grant covers calls without params alone. */
  readonly params: Readonly<Record<string, Constraint>>
  /** Default: as often as it is asked for. */
  readonly count?: number | undefined
  /** Default: none. */
  readonly budgets?: ReadonlyArray<GrantBudget> | undefined
  /** At most a year. */
  readonly expiresIn: Duration.Input
  /** At most 2,000 characters. */
  readonly note?: string | undefined
}

/**
 * The standing approvals of a panel. For the panel's process alone: an agent that has it could approve its own actions.
 *
 * @category services
 * @since 0.2.0
 */
export class Grants extends Context.Service<Grants, {
  /** Checks and signs a grant of an authenticated reviewer, and keeps nothing of it. */
  readonly prepare: (reviewer: Reviewer, request: GrantRequest) => Effect.Effect<Grant, VargateError>
  /** Makes a grant of an authenticated reviewer. */
  readonly grant: (reviewer: Reviewer, request: GrantRequest) => Effect.Effect<Grant, StorageFailed | VargateError>
  /** Counts from the panel's next look on. False where there is none, or it was revoked before. */
  readonly revoke: (id: string, by: string) => Effect.Effect<boolean, StorageFailed>
  /**
   * Those that the panel applies: in force by the store, and not seen to end before by this process. What was revoked, has
   * vanished from the store, or has lost uses there does not come back as long as the process lives.
   */
  readonly inForce: Effect.Effect<ReadonlyArray<GrantStatus>, StorageFailed>
  readonly store: GrantStore["Service"]
}>()("effect-vargate/Grants") {}

const maxNote = 2_000

/** What would never cover a call. */
const issuesOf = ({ budgets, params }: Grant): ReadonlyArray<FieldIssue> => {
  const issues: Array<FieldIssue> = budgets.flatMap(({ sum }, index) =>
    Object.hasOwn(params, sum.split(".")[0]!)
      ? []
      : [{ path: ["budgets", index, "sum"], message: "Expected a field that params names" }]
  )
  const look = (fields: Grant["params"], path: FieldIssue["path"]) => {
    for (const [name, constraint] of Object.entries(fields)) {
      const at = [...path, name]
      if (constraint._tag === "Fields") look(constraint.fields, [...at, "fields"])
      if (constraint._tag === "Range" && constraint.min > constraint.max) {
        issues.push({ path: at, message: "Expected a range whose min is at most its max" })
      }
    }
  }
  look(params, ["params"])
  return issues
}

const decodeGrant = Schema.decodeUnknownEffect(Grant)

/**
 * Builds the service over the store and the panel's signer in context.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: Effect.Effect<Grants["Service"], never, GrantStore | VoteSigner> = Effect.gen(function*() {
  const store = yield* GrantStore
  const signer = yield* VoteSigner

  const prepare = Effect.fnUntraced(function*(
    reviewer: Reviewer,
    request: GrantRequest
  ): Effect.fn.Return<Grant, VargateError> {
    const refused = (path: string, message: string) => invalidRequest("Grants.grant", [{ path: [path], message }])
    const duration = Duration.fromInput(request.expiresIn)
    const millis = duration._tag === "None" ? Number.NaN : Duration.toMillis(duration.value)
    if (!(millis > 0 && millis <= 366 * 24 * 3600 * 1000)) {
      return yield* refused("expiresIn", "Expected a duration of at most a year, like \"7 days\"")
    }
    if ((request.note?.length ?? 0) > maxNote) return yield* refused("note", `Expected at most ${maxNote} characters`)
    // Read once: what is signed is what is kept.
    const params = yield* Effect.mapError(
      Effect.fromResult(snapshotParams(request.params)),
      (issues) =>
        invalidRequest(
          "Grants.grant",
          issues.map(({ message, path }) => ({ path: ["params", ...path.slice(2)], message }))
        )
    )
    const now = yield* DateTime.now
    const unsigned = {
      id: crypto.randomUUID(),
      reviewerId: reviewer.id,
      reviewerName: reviewer.name,
      groups: reviewer.groups,
      agentId: request.agentId,
      tool: request.tool,
      method: request.method,
      params: params.value,
      count: request.count ?? null,
      budgets: request.budgets ?? [],
      note: request.note ?? null,
      createdAt: DateTime.formatIso(now),
      expiresAt: DateTime.formatIso(DateTime.add(now, { milliseconds: millis }))
    }
    const seal = { keyId: signer.keyId, signature: "" }
    const grant = yield* decodeGrant({ ...unsigned, seal }).pipe(
      Effect.mapError(({ issue }) => invalidRequest("Grants.grant", fieldIssues(issue, [])))
    )
    const issues = issuesOf(grant)
    if (issues.length > 0) return yield* invalidRequest("Grants.grant", issues)
    const signature = yield* signer.sign(textOfGrant(grant))
    return new Grant({ ...grant, seal: { keyId: signer.keyId, signature } })
  })

  const applied = grantsInForce.make(store.list)

  return Grants.of({
    store,
    prepare,
    inForce: applied.look,
    grant: Effect.fn("Grants.grant")(function*(reviewer, request) {
      const signed = yield* prepare(reviewer, request)
      yield* store.add(signed)
      yield* Effect.logInfo(
        `${reviewer.id} has granted ${signed.agentId} ${signed.tool}/${signed.method} until ${
          DateTime.formatIso(signed.expiresAt)
        } (${signed.id})`
      )
      return signed
    }),
    revoke: Effect.fn("Grants.revoke")(function*(id, by) {
      const isRevoked = yield* store.revoke(id, { by, at: yield* DateTime.now })
      if (isRevoked) {
        applied.revoked(id)
        yield* Effect.logInfo(`${by} has revoked the grant ${id}`)
      }
      return isRevoked
    })
  })
})

/**
 * The service over a store.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Grants, never, GrantStore | VoteSigner> = Layer.effect(Grants, make)

/**
 * The service in memory.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<Grants, never, VoteSigner> = Layer.provide(layer, layerStoreMemory)
