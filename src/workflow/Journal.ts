/**
 * What governed workflows write down for themselves, beside what their engine stores: who may send or act, and how far
 * each execution has come.
 *
 * **Details**
 *
 * An engine runs a step again after a crash, and a machine that was only frozen may still be at the same step. So a step
 * that must not happen twice first claims a key here, in one atomic write; of all who ask, one gets it. What the step
 * reached is written beside the key before anything else learns of it, and a process that runs the step again takes it
 * from there. Until then its owner shows from time to time that it lives.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { StorageFailed } from "../errors/VargateError.ts"
import { ActionId } from "../model/ActionId.ts"

/**
 * How far an execution has come. `held` waits for a reviewer; `acting` may be executing what was allowed; `blocked` waits
 * for code that can read its params.
 *
 * @category models
 * @since 0.1.0
 */
export const State = Schema.Literals(["submitting", "held", "acting", "blocked", "done"])

/**
 * What an operator can ask for from outside, where the engine is not at hand: to end an execution, or to wake it.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Schema.Literals(["interrupt", "resume"])

/**
 * One execution of a governed workflow.
 *
 * **Details**
 *
 * `outcome` is set once the state is `done`: `agent` or `gateway` for who acted, otherwise the name of the error
 * (`Denied`, `Rejected`, `OutcomeUnknown`, ...) or `Interrupted`.
 *
 * @category models
 * @since 0.1.0
 */
export class GovernedExecution extends Schema.Class<GovernedExecution>("effect-vargate/workflow/GovernedExecution")({
  executionId: Schema.String,
  workflow: Schema.String,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  /** SHA-256 of the params' canonical JSON. */
  paramsDigest: Schema.String,
  state: State,
  actionId: Schema.NullOr(ActionId),
  startedAt: Schema.DateTimeUtcFromString,
  changedAt: Schema.DateTimeUtcFromString,
  outcome: Schema.NullOr(Schema.String),
  /** What an operator asked for and has not been done yet. */
  request: Schema.NullOr(Request),
  /** The version of the definition that it was begun with. */
  version: Schema.NullOr(Schema.String),
  /** Why it is `blocked`. */
  problem: Schema.NullOr(Schema.String),
  /** The params that were submitted, as JSON, where it is `blocked`. */
  params: Schema.NullOr(Schema.String)
}) {}

/**
 * An execution that is about to begin.
 *
 * @category models
 * @since 0.1.0
 */
export type NewExecution =
  & Pick<GovernedExecution, "executionId" | "workflow" | "agentId" | "tool" | "method" | "paramsDigest">
  & { readonly version?: string | undefined }

/**
 * What stands beside a claimed key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claimed {
  /** Since when it is claimed. */
  readonly at: DateTime.Utc
  /** What was reached under the key, as JSON; undefined while that is not written down. */
  readonly result: string | undefined
  /** Its owner changes this number for as long as it lives and reaches the journal. */
  readonly beat: number
}

/**
 * What has changed in a journal since it was looked at before.
 *
 * @category models
 * @since 0.1.0
 */
export interface News {
  /** Where the next look begins. */
  readonly position: number
  /** How the executions stand that have changed, and perhaps a few more. */
  readonly changes: ReadonlyArray<
    Pick<GovernedExecution, "executionId" | "workflow" | "state" | "actionId" | "changedAt"> & {
      /**
       * When the gateway gives up on it, as `noteLog` was told; undefined where the gateway's log is still to be read for
       * it from its own record on. A look with a position has none.
       */
      readonly timeoutAt?: DateTime.Utc | undefined
    }
  >
}

/**
 * How far the gateway's log was read: its newest record that was.
 *
 * @category models
 * @since 0.2.0
 */
export interface LogPosition {
  readonly recordId: number
  /** Where the log has another record in its place, it is another log. */
  readonly recordHash: string
}

/**
 * What was found in the gateway's log up to a position.
 *
 * @category models
 * @since 0.2.0
 */
export interface LogReading extends LogPosition {
  /** Executions on which nothing was decided up to there, and when the gateway gives up on them. */
  readonly open: ReadonlyArray<{ readonly executionId: string; readonly timeoutAt: DateTime.Utc }>
  /** Executions of which that is said no longer. */
  readonly closed: ReadonlyArray<string>
}

/**
 * What is left of an execution whose result is kept no longer: enough that its key never executes again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tombstone {
  readonly outcome: string
  readonly endedAt: DateTime.Utc
}

/**
 * The answer to a claim: whether the key is ours, and what stands beside it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim extends Claimed {
  readonly isOurs: boolean
  /** Releases the key, after nothing was done under it. Does nothing where the key is not ours, or has a result. */
  readonly release: Effect.Effect<void, StorageFailed>
  /** Shows that the owner lives. Does nothing where the key is not ours. */
  readonly renew: Effect.Effect<void, StorageFailed>
}

/**
 * Which executions to list.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListOptions {
  readonly state?: typeof State.Type | undefined
  /** Default: 100. */
  readonly limit?: number | undefined
}

/**
 * The journal of one organisation's governed workflows.
 *
 * @category services
 * @since 0.1.0
 */
export class Journal extends Context.Service<Journal, {
  /**
   * How long the owner of a key counts as living after its last sign. Zero where all owners are in this process, as in
   * memory and on a file that one process has.
   */
  readonly lease: Duration.Duration
  /**
   * Claims a key until it is released. Of all who ask meanwhile, exactly one gets it. One who asks again with the same
   * `token`, because the first answer was lost, has what it got. Default: a token of this claim's own. Where `until` is
   * given, the claim need not outlive the latest of those times (`expire`).
   */
  readonly claim: (key: string, token?: string, until?: DateTime.Utc) => Effect.Effect<Claim, StorageFailed>
  /** What stands beside a key, without claiming it. */
  readonly look: (key: string) => Effect.Effect<Claimed | undefined, StorageFailed>
  /** Writes the result of a claimed key beside it, and returns the one that stands there: the first one stays. */
  readonly settle: (key: string, result: string) => Effect.Effect<string, StorageFailed>
  /** Deletes claims whose `until` is before this time, those without one never. Returns how many: at most `limit`. */
  readonly expire: (before: DateTime.Utc, limit: number) => Effect.Effect<number, StorageFailed>
  /** Writes down that an execution has begun; a second time returns the first entry and changes nothing. */
  readonly begin: (execution: NewExecution) => Effect.Effect<GovernedExecution, StorageFailed>
  /** Writes down how far an execution has come. One that is done stays so. */
  readonly advance: (
    executionId: string,
    to:
      | { readonly state: "held"; readonly actionId: ActionId }
      | { readonly state: "acting"; readonly actionId: ActionId }
      | { readonly state: "blocked"; readonly actionId?: ActionId; readonly problem: string; readonly params: string }
      | { readonly state: "done"; readonly outcome: string }
  ) => Effect.Effect<void, StorageFailed>
  /**
   * Requests a change of an execution, and says whether it is possible: not of one that is done, or that does not
   * exist. The reconciler performs it at its next scan.
   */
  readonly request: (executionId: string, request: typeof Request.Type) => Effect.Effect<boolean, StorageFailed>
  /** Strikes out what was asked for. */
  readonly fulfil: (executionId: string) => Effect.Effect<void, StorageFailed>
  /** Every execution with which something is to be done. */
  readonly requested: Effect.Effect<ReadonlyArray<GovernedExecution>, StorageFailed>
  /** What has changed since a look whose position this is; without one, every execution that waits for a reviewer. */
  readonly news: (since?: number) => Effect.Effect<News, StorageFailed>
  /**
   * Begins to read the gateway's log under a name, and returns how far it was read before. What earlier readers note from
   * then on does not count: they may not know of every execution.
   */
  readonly readLog: (reader: string) => Effect.Effect<LogPosition | undefined, StorageFailed>
  /** Notes how far the log was read, and returns whether that counts: not where another reader has begun. */
  readonly noteLog: (reader: string, reading: LogReading) => Effect.Effect<boolean, StorageFailed>
  /**
   * Deletes executions that ended before this time, with everything that is stored of them, and leaves their tombstones.
   * Returns how many: at most `limit`.
   */
  readonly retire: (before: DateTime.Utc, limit: number) => Effect.Effect<number, StorageFailed>
  /** What is left of an execution that was deleted. */
  readonly tombstone: (executionId: string) => Effect.Effect<Tombstone | undefined, StorageFailed>
  /** Every execution that waits for a reviewer. */
  readonly held: Effect.Effect<ReadonlyArray<GovernedExecution>, StorageFailed>
  /** Executions that neither wait for a reviewer nor have ended, the oldest change first. At most 1,000. */
  readonly underWay: Effect.Effect<ReadonlyArray<GovernedExecution>, StorageFailed>
  /** The latest first, by the time of beginning. */
  readonly list: (options?: ListOptions) => Effect.Effect<ReadonlyArray<GovernedExecution>, StorageFailed>
  readonly find: (executionId: string) => Effect.Effect<GovernedExecution | undefined, StorageFailed>
}>()("effect-vargate/workflow/Journal") {}

/**
 * A journal in memory, for tests and for engines that live in memory too.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Journal> = Layer.sync(Journal, () => {
  const claims = new Map<string, Claimed & { readonly token: string }>()
  const expiries = new Map<string, DateTime.Utc>()
  const executions = new Map<string, GovernedExecution>()
  const tombstones = new Map<string, Tombstone>()
  /** The latest change of each execution, the latest last. */
  const changed = new Map<string, number>()
  let position = 0
  const log: { reader?: string; position?: LogPosition; readonly open: Map<string, DateTime.Utc> } = { open: new Map() }

  const forget = (key: string) => {
    claims.delete(key)
    expiries.delete(key)
  }

  const put = (execution: GovernedExecution) => {
    executions.set(execution.executionId, execution)
    changed.delete(execution.executionId)
    changed.set(execution.executionId, ++position)
  }

  const newest = () => [...executions.values()].reverse()

  return Journal.of({
    lease: Duration.zero,
    claim: (key, token = crypto.randomUUID(), until) =>
      Effect.map(DateTime.now, (at) => {
        const present = claims.get(key)
        const claimed = present ?? { token, at, result: undefined, beat: 0 }
        claims.set(key, claimed)
        const expiry = expiries.get(key)
        if (
          until !== undefined && (expiry === undefined ? present === undefined : DateTime.isLessThan(expiry, until))
        ) {
          expiries.set(key, until)
        }
        const whereOurs = (change: (claimed: Claimed) => void) =>
          Effect.sync(() => {
            const present = claims.get(key)
            if (present?.token === token) change(present)
          })
        return {
          ...claimed,
          isOurs: claimed.token === token,
          release: whereOurs(({ result }) => {
            if (result === undefined) forget(key)
          }),
          renew: whereOurs(({ beat }) => claims.set(key, { ...claims.get(key)!, beat: beat + 1 }))
        }
      }),
    look: (key) => Effect.sync(() => claims.get(key)),
    settle: (key, result) =>
      Effect.sync(() => {
        const claimed = claims.get(key)
        if (claimed !== undefined) claims.set(key, { ...claimed, result: claimed.result ?? result })
        return claimed?.result ?? result
      }),
    expire: (before, limit) =>
      Effect.sync(() => {
        const over = [...expiries].filter(([, until]) => DateTime.isLessThan(until, before)).slice(0, limit)
        for (const [key] of over) forget(key)
        return over.length
      }),
    begin: (execution) =>
      Effect.map(DateTime.now, (now) => {
        const existing = executions.get(execution.executionId)
        if (existing !== undefined) return existing
        const begun = new GovernedExecution({
          ...execution,
          version: execution.version ?? null,
          problem: null,
          params: null,
          state: "submitting",
          actionId: null,
          startedAt: now,
          changedAt: now,
          outcome: null,
          request: null
        })
        put(begun)
        return begun
      }),
    advance: (executionId, to) =>
      Effect.map(DateTime.now, (changedAt) => {
        const execution = executions.get(executionId)
        if (execution === undefined || execution.state === "done") return
        put(new GovernedExecution({ ...execution, problem: null, params: null, ...to, changedAt }))
      }),
    request: (executionId, request) =>
      Effect.sync(() => {
        const execution = executions.get(executionId)
        if (execution === undefined || execution.state === "done") return false
        executions.set(executionId, new GovernedExecution({ ...execution, request }))
        return true
      }),
    fulfil: (executionId) =>
      Effect.sync(() => {
        const execution = executions.get(executionId)
        if (execution !== undefined) executions.set(executionId, new GovernedExecution({ ...execution, request: null }))
      }),
    news: (since) =>
      Effect.sync(() => ({
        position,
        changes: since === undefined
          ? newest().filter(({ state }) => state === "held").map((execution) => ({
            ...execution,
            timeoutAt: log.open.get(execution.executionId)
          }))
          : [...changed].filter(([, change]) => change > since).map(([executionId]) => executions.get(executionId)!)
      })),
    readLog: (reader) =>
      Effect.sync(() => {
        log.reader = reader
        return log.position
      }),
    noteLog: (reader, { closed, open, recordHash, recordId }) =>
      Effect.sync(() => {
        if (log.reader !== reader) return false
        log.position = { recordId, recordHash }
        for (const executionId of closed) log.open.delete(executionId)
        for (const { executionId, timeoutAt } of open) log.open.set(executionId, timeoutAt)
        return true
      }),
    retire: (before, limit) =>
      Effect.sync(() => {
        const ended = [...executions.values()].filter(({ changedAt, state }) =>
          state === "done" && DateTime.isLessThan(changedAt, before)
        ).slice(0, limit)
        for (const { changedAt, executionId, outcome } of ended) {
          tombstones.set(executionId, { outcome: outcome ?? "", endedAt: changedAt })
          executions.delete(executionId)
          changed.delete(executionId)
          log.open.delete(executionId)
          for (const key of claims.keys()) if (key.includes(`/${executionId}/`)) claims.delete(key)
        }
        return ended.length
      }),
    tombstone: (executionId) => Effect.sync(() => tombstones.get(executionId)),
    requested: Effect.sync(() => newest().filter(({ request }) => request !== null)),
    held: Effect.sync(() => newest().filter(({ state }) => state === "held")),
    underWay: Effect.sync(() =>
      newest().filter(({ state }) => state !== "held" && state !== "done").reverse().slice(0, 1_000)
    ),
    list: ({ limit = 100, state } = {}) =>
      Effect.sync(() =>
        newest().filter((execution) => state === undefined || execution.state === state).slice(0, limit)
      ),
    find: (executionId) => Effect.sync(() => executions.get(executionId))
  })
})
