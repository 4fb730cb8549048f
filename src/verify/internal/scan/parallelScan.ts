/**
 * Has texts scanned elsewhere, several at a time, and takes what was found in the order of the texts.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { VerifiedRun } from "../chain/verifiedRun.ts"

/** @internal */
export interface RunScanner {
  /** How many texts are worth handing over at a time. */
  readonly texts: number
  /** Begins at once, and never rejects: where nothing could be found out, the text has to be scanned here. */
  readonly scan: (text: Uint8Array<SharedArrayBuffer>, withLeaves: boolean) => Promise<VerifiedRun | undefined>
}

/**
 * Default: none, so that every text is scanned by its reader.
 *
 * @internal
 */
export const RunScanner = Context.Reference<RunScanner | undefined>("effect-vargate/internal/RunScanner", {
  defaultValue: () => undefined
})

/**
 * Takes a text whose records were verified, or `undefined`. The text is kept until it is done.
 *
 * @internal
 */
export type Take<E, R> = (text: Uint8Array, run: VerifiedRun | undefined) => Effect.Effect<void, E, R>

interface Scanning<E, R> {
  readonly text: Uint8Array<SharedArrayBuffer>
  readonly run: Promise<VerifiedRun | undefined>
  readonly take: Take<E, R>
}

/**
 * Reads texts by `push`, which copies them. At the end of `read`, or when it fails, all that was pushed before is
 * taken: of two failures, the one that comes first in the texts counts.
 *
 * @internal
 */
export const scanInParallel = <A, E, R>(
  withLeaves: boolean,
  read: (push: (text: Uint8Array, take: Take<E, R>) => Effect.Effect<void, E, R>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(RunScanner, (scanner) => {
    if (scanner === undefined) return read((text, take) => take(text, undefined))
    const queue: Array<Scanning<E, R>> = []
    const free: Array<SharedArrayBuffer> = []

    const takeOldest = Effect.suspend(() => {
      const { run, take, text } = queue[0]!
      return Effect.flatMap(Effect.promise(() => run), (run) => take(text, run)).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            queue.splice(0, exit._tag === "Success" ? 1 : Infinity)
            free.push(text.buffer)
          })
        )
      )
    })
    const takeAll = Effect.whileLoop({ while: () => queue.length > 0, body: () => takeOldest, step: () => undefined })

    const push = (text: Uint8Array, take: Take<E, R>) =>
      Effect.andThen(
        Effect.suspend(() => queue.length < scanner.texts ? Effect.void : takeOldest),
        Effect.sync(() => {
          const last = free.pop()
          const buffer = last !== undefined && last.byteLength >= text.length ? last : roomFor(text)
          const copy = new Uint8Array(buffer, 0, text.length)
          copy.set(text)
          queue.push({ text: copy, run: scanner.scan(copy, withLeaves), take })
        })
      )
    return read(push).pipe(
      Effect.catch((error) => Effect.andThen(takeAll, Effect.fail(error))),
      Effect.tap(takeAll)
    )
  })

/** The next text may be a little longer. */
const roomFor = ({ length }: Uint8Array) => new SharedArrayBuffer(Math.ceil(1.25 * length))
