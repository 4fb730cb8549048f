import { fileURLToPath } from "node:url"

/** Where benchmarks keep what they build or install. */
export const cache = fileURLToPath(new URL("../../node_modules/.cache/effect-vargate-bench", import.meta.url))
