/**
 * Watches an audit log: verifies what is new against the checkpoint kept last, on a schedule.
 *
 * **Example** (An alarm)
 *
 * ```ts
 * import { Console, Effect, Schedule, Stream } from "effect"
 * import { AuditMonitor } from "effect-vargate"
 *
 * const alarm = AuditMonitor.watch({ schedule: Schedule.spaced("5 minutes") }).pipe(
 *   Stream.filter((event) => event._tag === "Alert"),
 *   Stream.runForEach(({ failure, reason, report }) => Console.error(reason, report?.findings ?? failure))
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Checkpoint } from "../audit/Checkpoint.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import { type OperationError, type StorageFailed } from "../errors/VargateError.ts"
import { monotonicMillis } from "../internal/elapsed.ts"
import { AnchorsReport } from "./anchors/AnchorsReport.ts"
import { AnchorVerifier, type Options as AnchorOptions } from "./anchors/AnchorVerifier.ts"
import type { ChainReport } from "./ChainReport.ts"
import { ChainVerifier, type VerifyOptions } from "./ChainVerifier.ts"
import { CheckpointStore } from "./Checkpoints.ts"
import { Alert, type MonitorEvent, Verified } from "./MonitorEvent.ts"

/**
 * How to look once.
 *
 * @category options
 * @since 0.1.0
 */
export interface CheckOptions {
  /** Whose log it is. Needed where the store has checkpoints of several tenants. */
  readonly tenantId?: string | undefined
  /** Reads every record again, and not only those since the checkpoint. Default: false. */
  readonly full?: boolean | undefined
  /** Looks at the stored Merkle trees as well. Default: true. */
  readonly trees?: boolean | undefined
}

/**
 * How to keep watch.
 *
 * @category options
 * @since 0.1.0
 */
export interface WatchOptions extends Omit<CheckOptions, "full"> {
  /** When to look. Default: one minute after the last look. */
  readonly schedule?: Schedule.Schedule<unknown> | undefined
  /** Every record is read again when the last time is longer ago than this, and at the first look. Default: one day. */
  readonly fullEvery?: Duration.Input | undefined
  /** How long nothing may be verifiable before that is an alert. Default: 15 minutes. */
  readonly silence?: Duration.Input | undefined
  /** Anchors are looked for, by {@link layerAnchored}, when the last time is longer ago than this. Default: one hour. */
  readonly anchorsEvery?: Duration.Input | undefined
}

/**
 * Everything that a single look can fail with.
 *
 * @category models
 * @since 0.1.0
 */
export type CheckError = OperationError | StorageFailed

/**
 * Watches the log of the key's tenant.
 *
 * @category services
 * @since 0.1.0
 */
export class AuditMonitor extends Context.Service<AuditMonitor, {
  /**
   * Looks once, and keeps the new checkpoint if all is well. The very first time there is nothing to hold the log
   * against: what is found then is believed.
   */
  readonly check: (options?: CheckOptions) => Effect.Effect<MonitorEvent, CheckError>
  /**
   * Looks again and again. Outages of the gateway or of the store are logged as warnings and survived; one that lasts
   * becomes an alert, once. A tampered log is an alert with every look.
   */
  readonly watch: (options?: WatchOptions) => Stream.Stream<MonitorEvent>
}>()("effect-vargate/AuditMonitor") {}

/** Reads and verifies the log, and looks for its anchors where they are to be looked for. */
type Look = (
  options: Pick<VerifyOptions, "since" | "checkpoints">,
  how: { readonly trees: boolean; readonly anchors: boolean }
) => Effect.Effect<{ readonly report: ChainReport; readonly anchors?: AnchorsReport | undefined }, OperationError>

const makeWith = Effect.fnUntraced(function*(verify: Look, hasAnchors: boolean) {
  const store = yield* CheckpointStore

  const tenantOf = Effect.fnUntraced(function*(tenantId: string | undefined) {
    if (tenantId !== undefined) return tenantId
    const tenants = yield* store.tenants
    if (tenants.length <= 1) return tenants[0]
    const issue = { path: ["tenantId"], message: `say which: the store has checkpoints of ${tenants.join(", ")}` }
    return yield* invalidRequest("AuditMonitor.check", [issue])
  })

  const look = Effect.fnUntraced(function*(options: CheckOptions, withAnchors: boolean) {
    const tenantId = yield* tenantOf(options.tenantId)
    const latest = tenantId === undefined ? undefined : yield* store.latest(tenantId)
    const isFull = latest === undefined || options.full === true
    const { anchors, report } = yield* verify(
      isFull ? { checkpoints: latest === undefined ? [] : [latest] } : { since: latest },
      { trees: options.trees ?? true, anchors: withAnchors }
    )
    const at = yield* DateTime.now
    if (!report.valid) return new Alert({ at, reason: "Tampered", report, anchors })
    if (anchors !== undefined && anchors.findings.length > 0) {
      return new Alert({ at, reason: "Anchors", report, anchors })
    }
    const { checkpoint } = report
    // Without the trees, their roots must not be forgotten.
    const roots = checkpoint?.roots.length === 0 ? latest?.roots ?? [] : checkpoint?.roots
    if (checkpoint !== undefined) yield* store.keep(new Checkpoint({ ...checkpoint, roots: roots ?? [] }))
    return new Verified({ at, isFull, report, anchors })
  })

  const check = Effect.fn("AuditMonitor.check")((options: CheckOptions = {}) => look(options, hasAnchors))

  const watch = (options: WatchOptions = {}): Stream.Stream<MonitorEvent> =>
    Stream.unwrap(Effect.map(monotonicMillis, (started) => {
      const fullEvery = Duration.toMillis(options.fullEvery ?? "1 day")
      const silence = Duration.toMillis(options.silence ?? "15 minutes")
      const anchorsEvery = Duration.toMillis(options.anchorsEvery ?? "1 hour")
      let lastFull = -Infinity
      let lastAnchors = -Infinity
      let anchorsSeen = started
      let lastSeen = started
      let isAlerted = false

      const next = Effect.gen(function*() {
        const now = yield* monotonicMillis
        const full = now - lastFull >= fullEvery
        const withAnchors = hasAnchors && now - lastAnchors >= anchorsEvery
        const event = yield* look({ tenantId: options.tenantId, trees: options.trees, full }, withAnchors)
        if (full && event._tag === "Verified") lastFull = now
        lastSeen = now
        if (event.anchors === undefined || event.anchors.isChecked) {
          if (event.anchors !== undefined) lastAnchors = now
          anchorsSeen = now
          isAlerted = false
          return [event]
        }
        // Nodes that cannot be asked are asked again with the next look.
        if (isAlerted || now - anchorsSeen < silence) return [event]
        isAlerted = true
        const failure = event.anchors.gaps.join("; ")
        return [event, new Alert({ at: event.at, reason: "Unverifiable", anchors: event.anchors, failure })]
      })

      const survive = Effect.fnUntraced(function*(error: CheckError) {
        yield* Effect.logWarning("The audit log could not be verified", error.message)
        if (isAlerted || (yield* monotonicMillis) - lastSeen < silence) return []
        isAlerted = true
        return [new Alert({ at: yield* DateTime.now, reason: "Unverifiable", failure: error.message })]
      })

      return Stream.fromEffectSchedule(
        Effect.catch(next, survive),
        options.schedule ?? Schedule.spaced("1 minute")
      ).pipe(Stream.flattenIterable)
    }))

  return AuditMonitor.of({ check, watch })
})

/**
 * Builds the service over the verifier and the store in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.flatMap(
  ChainVerifier,
  (verifier) =>
    makeWith(
      (options, { trees }) => Effect.map(verifier.verify({ ...options, trees }), (report) => ({ report })),
      false
    )
)

/**
 * The service over a verifier and a store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<AuditMonitor, never, ChainVerifier | CheckpointStore> = Layer.effect(AuditMonitor, make)

/**
 * The same, which also looks for the anchors of the trees, at nodes of a chain.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerAnchored = (
  options: AnchorOptions
): Layer.Layer<AuditMonitor, never, ChainVerifier | CheckpointStore | AnchorVerifier> =>
  Layer.effect(
    AuditMonitor,
    Effect.gen(function*() {
      const verifier = yield* ChainVerifier
      const anchors = yield* AnchorVerifier
      return yield* makeWith((range, how) =>
        how.anchors
          ? Effect.map(anchors.verify({ ...options, ...range }), (found) => ({
            report: found.chain!,
            anchors: new AnchorsReport({ ...found, chain: undefined })
          }))
          : Effect.map(verifier.verify({ ...range, trees: how.trees }), (report) => ({ report })), true)
    })
  )

/**
 * `AuditMonitor.watch` of the service in context.
 *
 * @category accessors
 * @since 0.1.0
 */
export const watch = (options?: WatchOptions): Stream.Stream<MonitorEvent, never, AuditMonitor> =>
  Stream.unwrap(Effect.map(AuditMonitor, (monitor) => monitor.watch(options)))
