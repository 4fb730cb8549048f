import { isLate } from "./settings.ts"

export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

export const percentile = (values: ReadonlyArray<number>, part: number): number =>
  Float64Array.from(values).sort()[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN

/** Of turns taken one after another: what slows the machine down for a while slows down both. */
export const medianRatio = (values: ReadonlyArray<number>, base: ReadonlyArray<number>): number =>
  median(values.map((value, round) => value / base[round]!))

/**
 * Each row in its turn, round after round, so that ratios mean something; the first round warms up. There are fewer rounds
 * where the time is over.
 */
export const inTurns = async <A>(
  rounds: number,
  rows: Readonly<Record<string, () => A | Promise<A>>>
): Promise<Readonly<Record<string, ReadonlyArray<A>>>> => {
  const taken: Record<string, Array<A>> = Object.fromEntries(Object.keys(rows).map((name) => [name, []]))
  for (let round = -1; round < rounds && (round < 1 || !isLate()); round++) {
    for (const [name, run] of Object.entries(rows)) {
      const result = await run()
      if (round >= 0) taken[name]!.push(result)
    }
  }
  return taken
}

/** Seconds of CPU that this thread works on a row: other programs on the machine prolong it less than its time. */
export const cpuSeconds = (run: () => void | Promise<void>) => async (): Promise<number> => {
  const before = process.threadCpuUsage()
  await run()
  const { system, user } = process.threadCpuUsage(before)
  return (system + user) / 1e6
}
