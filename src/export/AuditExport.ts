/**
 * Exports the audit log into the systems that are watched already: verified, in order, each event at least once.
 *
 * **When to use**
 *
 * A reviewer looks at the log where it is; a security team looks at what it has collected. This brings the one to the other,
 * and keeps it there: run it once, or let it follow the log.
 *
 * **Details**
 *
 * Every record is verified before it leaves: its hash is recomputed from the bytes that the gateway sent, and it must follow
 * the record before it. The cursor is a checkpoint. It moves only after the sink has acknowledged, so that a crash of
 * either side costs nothing but a repetition, which the sink can tell by the event's id. The next export begins by proving
 * that the log still holds the record of the cursor.
 *
 * Memory does not grow: at most nine pages of the log are in memory, and three where pages are large (4 MiB), whatever the
 * sink does. Params are withheld unless a `Redaction` says otherwise.
 *
 * **Example** (Into files, without params)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AuditExport } from "effect-vargate"
 * import * as FileExportCursor from "effect-vargate/node/FileExportCursor"
 * import * as JsonlSink from "effect-vargate/node/JsonlSink"
 *
 * const nightly = Effect.scoped(Effect.gen(function*() {
 *   const sink = yield* JsonlSink.make({ folder: "audit" })
 *   const cursor = yield* FileExportCursor.make("audit/cursor.json")
 *   return yield* AuditExport.run({ sink, cursor })
 * }))
 * ```
 *
 * @since 0.2.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Checkpoint } from "../audit/Checkpoint.ts"
import { rawPageReader } from "../audit/internal/rawAuditPage.ts"
import { checkObject } from "../errors/internal/checkInput.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { OperationError, StorageFailed } from "../errors/VargateError.ts"
import { byElapsedTime } from "../internal/elapsed.ts"
import { maxPageSize } from "../internal/limits.ts"
import { RecordHash } from "../model/RecordHash.ts"
import { isPassing } from "../transport/RetryPolicy.ts"
import * as Transport from "../transport/Transport.ts"
import { Finding, MissingRecords, RewrittenSince } from "../verify/ChainReport.ts"
import { Hasher } from "../verify/Hasher.ts"
import * as ExportCursor from "./ExportCursor.ts"
import { type ExportEvent, LogFinding, RefusedRecord, sizeOf, type VerifiedRecord } from "./ExportEvent.ts"
import type { Sink, SinkFailed, Tail } from "./ExportSink.ts"
import { beginning, makeReader, type Position, type Step } from "./internal/logReader.ts"
import * as Redaction from "./Redaction.ts"

// --- failures --------------------------------------------------------------------------------------------------------

/**
 * The log contradicts itself or the cursor. The finding was delivered to the sink as the last event; nothing behind it can be
 * verified. The cursor stays.
 *
 * @category errors
 * @since 0.2.0
 */
export class LogContradicts extends Schema.TaggedError<LogContradicts>("effect-vargate/LogContradicts")(
  "LogContradicts",
  { finding: Finding, count: Schema.Int }
) {
  override get message() {
    return `The audit log does not hold (${this.finding._tag} behind ${this.count} verified records): nothing after that was exported. Keep the evidence with \`effect-vargate evidence export\`, and compare with \`effect-vargate verify\`.`
  }
}

/**
 * What an export waits for: the gateway or the sink.
 *
 * @category models
 * @since 0.2.0
 */
export type Interruption = OperationError | SinkFailed

/**
 * Everything that an export can fail with.
 *
 * @category models
 * @since 0.2.0
 */
export type ExportError = Interruption | StorageFailed | LogContradicts

// --- options ---------------------------------------------------------------------------------------------------------

/**
 * How to read the log for an export.
 *
 * @category options
 * @since 0.2.0
 */
export interface EventsOptions {
  /**
   * Where to begin: behind a checkpoint, with the first record (`beginning`, default), or behind the record that is the
   * newest now (`end`).
   */
  readonly from?: Checkpoint | "beginning" | "end" | undefined
  /** What of the params leaves. Default: nothing (`Redaction.withheld`). */
  readonly redact?: Redaction.Redaction | undefined
  /** Looks for new records so long after the last look. Left out, the export ends with the newest record. */
  readonly follow?: Duration.Input | undefined
  /** How long to wait for a gateway or a sink that is away. Default: {@link patience}. */
  readonly retry?: Schedule.Schedule<unknown, Interruption> | undefined
  /** Records per request, from 1 to 1000. Default: 1000. */
  readonly pageSize?: number | undefined
}

/**
 * How far an export is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Progress {
  /** Records that the sink has acknowledged in this run. */
  readonly records: number
  /** Of the log: how much the sink has, and how much there is. */
  readonly count: number
  readonly total: number
  /** What is waited for. Undefined when there is nothing to wait for. */
  readonly waiting: Interruption | undefined
}

/**
 * How to export.
 *
 * @category options
 * @since 0.2.0
 */
export interface RunOptions extends EventsOptions {
  readonly sink: Sink
  /**
   * How far the last export got; `from` says where to begin where there was none. Left out, every run begins at `from`. A sink
   * that says that it ends before the cursor is given what is between them again.
   */
  readonly cursor?: ExportCursor.ExportCursor | undefined
  /** Called after each acknowledgement, and when something is waited for. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/**
 * What an export has done.
 *
 * @category models
 * @since 0.2.0
 */
export interface Summary {
  /** Records that the sink has acknowledged. */
  readonly records: number
  /** Records that the sink had already, by its own word, when its export was last stopped. */
  readonly skipped: number
  readonly gaps: number
  readonly findings: number
  /** Records that the sink refused. A `Refused` event stands in the place of each. */
  readonly refused: number
  /** Where the cursor is. Undefined where no record was delivered ever. */
  readonly cursor: Checkpoint | undefined
}

// --- patience --------------------------------------------------------------------------------------------------------

const mayPass = (interruption: Interruption): boolean =>
  interruption._tag === "SinkFailed" ? interruption.isRetryable : isPassing(interruption)

/** Repeats what may pass, and keeps at least the silence that was asked for. */
const safely = (schedule: Schedule.Schedule<unknown, Interruption>): Schedule.Schedule<unknown, Interruption> =>
  schedule.pipe(
    Schedule.while(({ input }) => mayPass(input)),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(input.retryAfter === undefined ? duration : Duration.max(duration, input.retryAfter))
    )
  )

/**
 * The schedule of an export that waits for its gateway or its sink: pauses that grow from half a second to 30 seconds,
 * lengthened by up to half at random, and an end after the time given. Whatever schedule an export has, it only repeats what
 * may pass, and keeps the silence of a `Retry-After`.
 *
 * @category schedules
 * @since 0.2.0
 */
export const patienceOf = (limit: Duration.Input): Schedule.Schedule<unknown, Interruption> =>
  Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("30 seconds")]).pipe(
    Schedule.setInputType<Interruption>(),
    Schedule.modifyDelay(({ duration }) =>
      Effect.map(Random.next, (random) => Duration.times(duration, 1 + random / 2))
    ),
    Schedule.while(({ elapsed }) => elapsed <= Duration.toMillis(Duration.fromInputUnsafe(limit))),
    byElapsedTime
  )

/**
 * {@link patienceOf} two hours.
 *
 * @category schedules
 * @since 0.2.0
 */
export const patience: Schedule.Schedule<unknown, Interruption> = patienceOf("2 hours")

// --- the service -----------------------------------------------------------------------------------------------------

/**
 * Exports the log of the key's tenant.
 *
 * @category services
 * @since 0.2.0
 */
export class AuditExport extends Context.Service<AuditExport, {
  /**
   * Exports into a sink, until the newest record is there, or on and on with `follow`. Fails with `LogContradicts` where
   * the log does not hold, with `SinkFailed` or an error of the gateway when patience ends, and with `StorageFailed` where
   * the cursor cannot be kept.
   */
  readonly run: (options: RunOptions) => Effect.Effect<Summary, ExportError>
  /**
   * The same events as a stream, in pieces as they were read. It is pulled: nothing is read before it is taken. Fails with
   * `LogContradicts` after the event that says why.
   */
  readonly events: (
    options?: EventsOptions
  ) => Stream.Stream<Arr.NonEmptyReadonlyArray<ExportEvent>, OperationError | LogContradicts>
}>()("effect-vargate/AuditExport") {}

/** What is read while the sink is busy, in pages and in bytes: large pages wait alone. */
const pagesAhead = 4
const maxAhead = 4 * 1024 * 1024
const defaultEvents = 1000
const defaultBytes = 4 * 1024 * 1024
/** So many refusals in a row are no fault of the records. */
const maxRefused = 16
/** A log that says it is longer and does not show how, is asked again so often. */
const maxStalls = 5

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport

  /** The pages of events, each with what is known after it. */
  const steps = Effect.fnUntraced(function*(
    operation: string,
    options: EventsOptions,
    onWait: (interruption: Interruption) => Effect.Effect<void>
  ) {
    const { follow, from = "beginning", pageSize = maxPageSize, redact = Redaction.withheld, retry = patience } =
      options
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > maxPageSize) {
      return yield* invalidRequest(operation, [{ path: ["pageSize"], message: `must be between 1 and ${maxPageSize}` }])
    }
    const schedule = safely(retry)
    const patiently = <A>(read: Effect.Effect<A, OperationError>) =>
      read.pipe(Effect.tapError((error) => mayPass(error) ? onWait(error) : Effect.void), Effect.retry(schedule))
    const reader = makeReader({
      operation,
      read: rawPageReader(transport, operation),
      hasher: yield* Hasher,
      redaction: redact,
      pageSize
    })

    const start: Effect.Effect<Position, OperationError> = Effect.gen(function*() {
      if (from === "beginning") return beginning
      if (from !== "end") {
        const { count, id, recordHash, tenantId } = from
        return { from: count, link: recordHash, lastId: id, tenantId, mismatches: 0 }
      }
      const newest = yield* patiently(reader.newest())
      if (newest === undefined) return beginning
      const { count, row, tenantId } = newest
      return { from: count, link: row.recordHash, lastId: row.id, tenantId, mismatches: 0 }
    })

    const pause = follow === undefined ? undefined : Effect.sleep(follow)
    const stream = Stream.unwrap(Effect.map(start, (position) =>
      Stream.paginate(
        { position, known: undefined as number | undefined, stalls: 0 },
        Effect.fnUntraced(function*(state) {
          const step = yield* patiently(reader.step(state.position, state.known))
          const { events, position, stop, total } = step
          const next = (stalls: number) => Option.some({ position, known: stalls === 0 ? total : undefined, stalls })
          if (stop !== undefined) return [[step], Option.none()] as const
          if (events.length > 0) {
            return [[step], position.from < total || pause !== undefined ? next(0) : Option.none()] as const
          }
          if (position.from < total) {
            if (state.stalls < maxStalls) {
              if (state.stalls > 0) yield* Effect.sleep("1 second")
              return [[], next(state.stalls + 1)] as const
            }
            const finding = new MissingRecords({
              id: 0,
              actionId: "",
              of: "total",
              expected: total,
              found: position.from
            })
            const event = new LogFinding(position.tenantId!, position.from, finding)
            return [[{ ...step, events: [event], stop: finding }], Option.none()] as const
          }
          if (pause === undefined) return [[], Option.none()] as const
          yield* pause
          return [[], next(0)] as const
        })
      )))
    return stream as Stream.Stream<Step, OperationError>
  })

  const events = (options: EventsOptions = {}) =>
    Stream.unwrap(Effect.flatMap(
      checkObject("AuditExport.events", options),
      (options) => steps("AuditExport.events", options, () => Effect.void)
    )).pipe(
      Stream.flatMap((step): Stream.Stream<Arr.NonEmptyReadonlyArray<ExportEvent>, LogContradicts> =>
        step.stop === undefined
          ? Stream.succeed(step.events as Arr.NonEmptyReadonlyArray<ExportEvent>)
          : Stream.concat(
            Stream.succeed(step.events as Arr.NonEmptyReadonlyArray<ExportEvent>),
            Stream.fail(contradiction(step.stop, step.events))
          )
      )
    )

  const run = Effect.fn("AuditExport.run")(function*(given: RunOptions): Effect.fn.Return<Summary, ExportError> {
    const options = yield* checkObject("AuditExport.run", given)
    const { onProgress = () => Effect.void, retry = patience, sink } = options
    const schedule = safely(retry)
    const cursor = options.cursor ?? (yield* ExportCursor.memory)
    const kept = yield* cursor.read

    const askTail = (tenantId: string) =>
      sink.tail?.(tenantId).pipe(
        Effect.tapError((error) => mayPass(error) ? progress(error) : Effect.void),
        Effect.retry(schedule)
      ) ?? Effect.undefined

    let checkpoint = kept
    let records = 0
    let skipped = 0
    let gaps = 0
    let findings = 0
    let refused = 0
    let refusedInARow = 0
    let count = kept?.count ?? 0
    let total = count
    const progress = (waiting: Interruption | undefined) => onProgress({ records, count, total, waiting })

    const acknowledged = Effect.fnUntraced(function*(events: Arr.NonEmptyReadonlyArray<ExportEvent>) {
      const last = events.findLast((event) => event._tag === "Record")
      for (const { _tag } of events) {
        if (_tag === "Record") records++
        else if (_tag === "Gap") gaps++
        else if (_tag === "Finding") findings++
        else refused++
      }
      if (events.some(({ _tag }) => _tag === "Record")) refusedInARow = 0
      yield* covered(events.at(-1)!.count, last)
      yield* progress(undefined)
    })

    /** The cursor stands at a verified record: what else the sink has after it, it is given again. */
    const covered = Effect.fnUntraced(function*(upTo: number, last: VerifiedRecord | undefined) {
      count = upTo
      if (last !== undefined) {
        checkpoint = new Checkpoint({
          tenantId: last.tenantId,
          id: last.recordId,
          actionId: last.actionId,
          recordHash: RecordHash.make(last.recordHash),
          count: last.count,
          at: yield* DateTime.now,
          roots: []
        })
        yield* cursor.write(checkpoint)
      }
    })

    const deliver = (events: Arr.NonEmptyReadonlyArray<ExportEvent>): Effect.Effect<void, SinkFailed | StorageFailed> =>
      sink.send(events).pipe(
        Effect.tapError((error) => mayPass(error) ? progress(error) : Effect.void),
        Effect.retry(schedule),
        Effect.matchEffect({
          onSuccess: () => acknowledged(events),
          onFailure: (error) => {
            if (error.reason !== "TooLarge" && error.reason !== "PartlyRefused") return Effect.fail(error)
            if (events.length > 1) {
              const half = events.length >> 1
              return Effect.andThen(
                deliver(events.slice(0, half) as unknown as Arr.NonEmptyReadonlyArray<ExportEvent>),
                Effect.suspend(() => deliver(events.slice(half) as unknown as Arr.NonEmptyReadonlyArray<ExportEvent>))
              )
            }
            const [event] = events
            return event._tag === "Refused" || ++refusedInARow > maxRefused
              ? Effect.fail(error)
              : deliver([new RefusedRecord(event, error.detail)])
          }
        })
      )

    const { maxBytes = defaultBytes, maxEvents = defaultEvents } = sink
    const take = Effect.fnUntraced(function*(steps: Arr.NonEmptyReadonlyArray<Step>) {
      const step = steps.at(-1)!
      total = step.total
      const { conflict, events } = yield* withoutTail(steps.flatMap(({ events }) => events))
      for (const batch of batches(events, maxEvents, maxBytes)) yield* deliver(batch)
      const stop = conflict ?? step.stop
      if (stop !== undefined) return yield* contradiction(stop, events)
    })

    /** What the sink had taken when the last export was stopped before its cursor moved. */
    let tail: Tail | undefined
    let hasTail = false
    const withoutTail = Effect.fnUntraced(function*(events: ReadonlyArray<ExportEvent>) {
      if (!hasTail && sink.tail !== undefined && events.length > 0) {
        tail = yield* askTail(events[0]!.tenantId)
      }
      hasTail = true
      if (tail === undefined) return { events, conflict: undefined }
      const { count: known, ids, recordHash } = tail
      const left: Array<ExportEvent> = []
      let lastSkipped: VerifiedRecord | undefined
      for (const event of events) {
        if (event._tag === "Record" && event.count === known && recordHash !== undefined && recordHash !== event.id) {
          const conflict = new RewrittenSince({
            id: event.recordId,
            actionId: event.actionId,
            shown: "checkpoint",
            expected: recordHash,
            found: event.id
          })
          return { events: [...left, new LogFinding(event.tenantId, known - 1, conflict)], conflict }
        }
        if (event.count > known || (event.count === known && !ids.includes(event.id))) left.push(event)
        else if (event._tag === "Record") {
          skipped++
          lastSkipped = event
        }
      }
      if (lastSkipped !== undefined) yield* covered(lastSkipped.count, lastSkipped)
      if (events.at(-1)!.count > known) tail = undefined
      return { events: left, conflict: undefined }
    })

    // A sink that ends before the cursor has lost what it had acknowledged: it is given that again.
    const known = kept === undefined ? undefined : yield* askTail(kept.tenantId)
    const from = kept === undefined || known === undefined || known.count >= kept.count
      ? kept
      : known.recordHash === undefined
      ? "beginning"
      : new Checkpoint({ ...kept, id: 0, count: known.count, recordHash: RecordHash.make(known.recordHash) })
    const stream = yield* steps(
      "AuditExport.run",
      from === undefined ? options : { ...options, from },
      (error) => progress(error)
    )
    // Pages are read while others are sent, and what is there by then is sent together.
    const ahead = yield* Semaphore.make(maxAhead)
    const weightOf = ({ byteLength }: Step) => Math.min(byteLength, maxAhead)
    yield* stream.pipe(
      Stream.tap((step) => ahead.take(weightOf(step))),
      Stream.buffer({ capacity: pagesAhead }),
      Stream.runForEachArray((steps) =>
        Effect.andThen(
          ahead.release(steps.reduce((sum, step) => sum + weightOf(step), 0)),
          take(steps)
        )
      )
    )
    return { records, skipped, gaps, findings, refused, cursor: checkpoint }
  })

  return AuditExport.of({ run, events })
})

const contradiction = (finding: Finding, events: ReadonlyArray<ExportEvent>) =>
  new LogContradicts({ finding, count: events.at(-1)?.count ?? 0 })

function* batches(
  events: ReadonlyArray<ExportEvent>,
  maxEvents: number,
  maxBytes: number
): Generator<Arr.NonEmptyReadonlyArray<ExportEvent>> {
  let batch: Array<ExportEvent> = []
  let size = 0
  for (const event of events) {
    const bytes = sizeOf(event)
    if (batch.length > 0 && (batch.length >= maxEvents || size + bytes > maxBytes)) {
      yield batch as unknown as Arr.NonEmptyReadonlyArray<ExportEvent>
      batch = []
      size = 0
    }
    batch.push(event)
    size += bytes
  }
  if (batch.length > 0) yield batch as unknown as Arr.NonEmptyReadonlyArray<ExportEvent>
}

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<AuditExport, never, Transport.Transport> = Layer.effect(AuditExport, make)

/**
 * `AuditExport.run` of the service in context.
 *
 * @category accessors
 * @since 0.2.0
 */
export const run = (options: RunOptions): Effect.Effect<Summary, ExportError, AuditExport> =>
  AuditExport.use((service) => service.run(options))
