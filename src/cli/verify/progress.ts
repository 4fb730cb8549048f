/**
 * How far a verification is, while it runs: every record is one hash, so the hasher is asked.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonicMillisOf } from "../../internal/elapsed.ts"
import { Hasher, type HasherService } from "../../verify/Hasher.ts"
import { Printer } from "../screen/Printer.ts"
import { cyan, dim, type Line } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

const drawEvery = 100
const barWidth = 24

/**
 * Runs a verification, with a bar on stderr, and measures its time in seconds. `fraction` says how far `records` are.
 *
 * @internal
 */
export const measured = <A, E, R>(
  verification: Effect.Effect<A, E, R>,
  label: string,
  fraction: (records: number) => number
): Effect.Effect<{ readonly result: A; readonly seconds: number }, E, R | Printer> =>
  Effect.gen(function*() {
    const printer = yield* Printer
    const clock = yield* Clock.Clock
    const hasher = yield* Hasher
    const started = monotonicMillisOf(clock)
    let records = 0
    let drawnAt = started
    const tick = (hashes: number) => {
      records += hashes
      const now = monotonicMillisOf(clock)
      if (now - drawnAt < drawEvery) return
      drawnAt = now
      printer.progress(bar(label, fraction(records), records, now - started))
    }
    const result = yield* verification.pipe(
      Effect.provideService(Hasher, counting(hasher, tick)),
      Effect.ensuring(Effect.sync(() => printer.progress()))
    )
    return { result, seconds: (monotonicMillisOf(clock) - started) / 1000 }
  })

const counting = ({ hash, hashAll, hashInto }: HasherService, tick: (hashes: number) => void): HasherService => ({
  hashAll: (texts) => {
    tick(texts.length)
    return hashAll(texts)
  },
  hash: hash && ((text) => {
    tick(1)
    return hash(text)
  }),
  hashInto
})

const bar = (label: string, fraction: number, records: number, millis: number): Line => {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * barWidth)
  return [
    `${label} `,
    cyan("█".repeat(full)),
    dim("░".repeat(barWidth - full)),
    ` ${Words.count(records, "record")}`,
    dim(`  ${rate(records, millis / 1000)}`)
  ]
}

/** @internal */
export const rate = (records: number, seconds: number): string =>
  `${Math.round(records / Math.max(seconds, 0.001)).toLocaleString("en")} records/s`
