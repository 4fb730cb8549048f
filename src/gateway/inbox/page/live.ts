/** The stream of events, kept open: whenever it breaks, it is opened again. */
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Session } from "./session.ts"

/** Whether news come in at this moment. */
export type Link = "connecting" | "live" | "lost"

export interface Options {
  readonly events: Session["events"]
  readonly onLink: (link: Link) => void
  /** Something happened, or may have happened unseen. */
  readonly onNews: () => void
  /** Opened when there is reason to think that a try now will succeed. */
  readonly hurry: Latch.Latch
}

/** The gateway shows every 15 seconds that it is there. */
const longestSilence = "40 seconds"
const pauses = [500, 1000, 2000, 4000, 8000, 15_000] as const

/** Ends only when the key is not accepted (any more). */
export const follow = Effect.fnUntraced(function*({ events, hurry, onLink, onNews }: Options) {
  for (let failures = 0;; failures++) {
    let isNew = true
    const end = yield* Stream.runForEach(
      Stream.timeout(events, longestSilence),
      (event) =>
        Effect.sync(() => {
          failures = 0
          // Until the first sign of life anything may have happened.
          if (isNew || event._tag !== "Alive") onNews()
          isNew = false
          onLink("live")
        })
    ).pipe(Effect.result)
    if (Result.isFailure(end) && end.failure._tag === "Unauthorized401") return
    onLink("lost")
    hurry.closeUnsafe()
    const pause = pauses[Math.min(failures, pauses.length - 1)]!
    yield* Effect.timeoutOrElse(hurry.await, { duration: pause, orElse: () => Effect.void })
    onLink("connecting")
  }
})
