/**
 * The other half of a test: a reviewer who decides on what an agent submits, and a clock that moves until the agent has
 * ended. On `TestClock` nothing sleeps; on a live clock the same programs wait for real.
 *
 * **Example** (An agent whose refund is approved)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Governed } from "effect-vargate"
 * import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
 * import * as TestReviewer from "effect-vargate/testing/TestReviewer"
 * import { TestClock } from "effect/testing"
 *
 * const agent = Governed.run({ tool: "crm", method: "export" }, Effect.succeed("exported"))
 *
 * export const test = Effect.gen(function*() {
 *   const fiber = yield* Effect.forkChild(agent)
 *   yield* TestReviewer.approveNext()
 *   const done = yield* TestReviewer.untilEnded(fiber)
 *   return done.result
 * }).pipe(
 *   Effect.provide(GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "crm" }] })),
 *   Effect.provide(TestClock.layer())
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { TestClock } from "effect/testing/TestClock"
import type { PendingAction } from "../approvals/Approval.ts"
import { Approvals } from "../approvals/Approvals.ts"
import { Reviews } from "../approvals/Reviews.ts"
import type { OperationError } from "../errors/VargateError.ts"

/**
 * What a test waited for did not happen within the time of its clock.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotReached extends Schema.TaggedError<NotReached>("effect-vargate/testing/NotReached")("NotReached", {
  awaited: Schema.String,
  within: Schema.Duration
}) {
  override get message() {
    return `${this.awaited} was not reached within ${
      Duration.format(this.within)
    } of the clock. See what the agent waits for, or allow more time with { within }.`
  }
}

/**
 * How long to wait, by the clock of the test.
 *
 * @category options
 * @since 0.1.0
 */
export interface WaitOptions {
  /** Default: one minute for an action, two hours for the end of a fiber. */
  readonly within?: Duration.Input | undefined
}

/**
 * Which pending action is meant.
 *
 * @category options
 * @since 0.1.0
 */
export interface NextOptions extends WaitOptions {
  /** Default: any. */
  readonly where?: ((action: PendingAction) => boolean) | undefined
  /** The reviewer's note. */
  readonly note?: string | undefined
}

// --- time ------------------------------------------------------------------------------------------------------------

const isTestClock = (clock: Clock.Clock): clock is TestClock => "adjust" in clock

/**
 * How often the other fibers may take a turn before the clock moves on. What they do in memory takes far fewer turns;
 * the number makes the result independent of how fast the machine is.
 */
const turns = 50

/** Lets a piece of time pass: on a test clock after the other fibers have gone as far as they get without it. */
const pass = (step: Duration.Duration): Effect.Effect<void> =>
  Clock.clockWith((clock) =>
    isTestClock(clock)
      ? Effect.andThen(Effect.repeat(Effect.yieldNow, { times: turns }), clock.adjust(step))
      : Effect.sleep(Duration.min(step, liveStep))
  )

const liveStep = Duration.millis(20)

/** Looks until there is something, while time passes. */
const until = <A, E, R>(
  look: Effect.Effect<A | undefined, E, R>,
  { awaited, step, within }: {
    readonly awaited: string
    readonly within: Duration.Duration
    readonly step: Duration.Duration
  }
): Effect.Effect<A, E | NotReached, R> =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    for (;;) {
      const found = yield* look
      if (found !== undefined) return found
      if ((yield* Clock.currentTimeMillis) - start >= Duration.toMillis(within)) {
        return yield* new NotReached({ awaited, within })
      }
      yield* pass(step)
    }
  })

/**
 * Moves the test clock until a fiber has ended, and joins it. Fails with {@link NotReached} where it has not ended
 * `within` (default: two hours), and leaves it running.
 *
 * **Details**
 *
 * The clock moves in steps of a second (longer ones where `within` is more than two hours), and before each step the other
 * fibers go as far as they get. So sleeps end in their order, and the clock stands at most one step after the end.
 *
 * @category time
 * @since 0.1.0
 */
export const untilEnded = <A, E>(
  fiber: Fiber.Fiber<A, E>,
  options: WaitOptions = {}
): Effect.Effect<A, E | NotReached> => {
  const within = Duration.fromInputUnsafe(options.within ?? "2 hours")
  const step = Duration.max(Duration.seconds(1), Duration.millis(Duration.toMillis(within) / 7200))
  const ended = Effect.sync(() => fiber.pollUnsafe() === undefined ? undefined : true)
  return Effect.andThen(until(ended, { awaited: "the end of the fiber", within, step }), Fiber.join(fiber))
}

/**
 * Runs an effect to its end while the test clock moves, as {@link untilEnded} does.
 *
 * @category time
 * @since 0.1.0
 */
export const run = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: WaitOptions
): Effect.Effect<A, E | NotReached, R> =>
  Effect.acquireUseRelease(
    Effect.forkChild(effect, { startImmediately: true }),
    (fiber) => untilEnded(fiber, options),
    Fiber.interrupt
  )

// --- reviews ---------------------------------------------------------------------------------------------------------

/**
 * Waits until an action is pending, and returns the oldest one that fits.
 *
 * @category reviews
 * @since 0.1.0
 */
export const untilPending = (
  { where = () => true, within = "1 minute" }: Omit<NextOptions, "note"> = {}
): Effect.Effect<PendingAction, OperationError | NotReached, Approvals> =>
  Approvals.use(({ pending }) =>
    until(Effect.map(pending, ({ pending }) => pending.findLast(where)), {
      awaited: "a pending action",
      within: Duration.fromInputUnsafe(within),
      step: Duration.millis(100)
    })
  )

/**
 * Waits until an action is pending, and approves it.
 *
 * @category reviews
 * @since 0.1.0
 */
export const approveNext = (
  options: NextOptions = {}
): Effect.Effect<PendingAction, OperationError | NotReached, Approvals | Reviews> =>
  Effect.tap(untilPending(options), ({ actionId }) => Reviews.use((reviews) => reviews.approve(actionId, options.note)))

/**
 * Waits until an action is pending, and rejects it.
 *
 * @category reviews
 * @since 0.1.0
 */
export const rejectNext = (
  options: NextOptions = {}
): Effect.Effect<PendingAction, OperationError | NotReached, Approvals | Reviews> =>
  Effect.tap(untilPending(options), ({ actionId }) => Reviews.use((reviews) => reviews.reject(actionId, options.note)))

/**
 * What a reviewer makes of an action; `"leave"` leaves it pending.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict = "approve" | "reject" | "leave"

/**
 * Reviews every action in the background until the scope closes, ten times a second by the test's clock: each action
 * once.
 *
 * **Gotchas**
 *
 * On a test clock it decides when that moves: {@link untilEnded} moves it.
 *
 * **Example** (Small exports are fine)
 *
 * ```ts
 * import * as TestReviewer from "effect-vargate/testing/TestReviewer"
 *
 * const reviewing = TestReviewer.autoReview(({ method }) => method === "export" ? "approve" : "reject")
 * ```
 *
 * @category reviews
 * @since 0.1.0
 */
export const autoReview = <E = never, R = never>(
  policy: (action: PendingAction) => Verdict | Effect.Effect<Verdict, E, R>
): Effect.Effect<Fiber.Fiber<never, OperationError | E>, never, Approvals | Reviews | Scope.Scope | R> =>
  Effect.gen(function*() {
    const approvals = yield* Approvals
    const reviews = yield* Reviews
    const seen = new Set<string>()
    const round = Effect.gen(function*() {
      const { pending } = yield* approvals.pending
      for (const action of pending.toReversed()) {
        if (seen.has(action.actionId)) continue
        seen.add(action.actionId)
        const answer = policy(action)
        const verdict = Effect.isEffect(answer) ? yield* answer : answer
        if (verdict === "approve") yield* decided(reviews.approve(action.actionId))
        else if (verdict === "reject") yield* decided(reviews.reject(action.actionId))
      }
      yield* Effect.sleep("100 millis")
    })
    return yield* Effect.forkScoped(Effect.forever(round), { startImmediately: true })
  })

/** Another reviewer may have been faster. */
const decided = <A>(review: Effect.Effect<A, OperationError>) =>
  Effect.catchReason(Effect.asVoid(review), "VargateError", "Conflict", () => Effect.void)
