/** How thorough a run is: `--quick` is for seeing that things work, not for figures to quote. */
export const isQuick = process.argv.includes("--quick")

export const thorough = (full: number, quick: number): number => isQuick ? quick : full

/** The sizes that take too long for a run of all benchmarks. */
export const isLarge = process.argv.includes("--large")

const seconds = process.argv.map((arg) => /^--seconds=(\d+)$/.exec(arg)?.[1]).find((found) => found !== undefined)

/** When this process has used up the time that it was given: what can be left out then is left out. */
export const isLate = (): boolean => seconds !== undefined && performance.now() > Number(seconds) * 1000
