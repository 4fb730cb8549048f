/** How thorough a run is: `--quick` is for seeing that things work, not for figures to quote. */
export const isQuick = process.argv.includes("--quick")

export const thorough = (full: number, quick: number): number => isQuick ? quick : full
