import { spawnSync } from "node:child_process"

/** Whether the reference implementation, Python's own `json`, can be asked. */
export const hasPython: boolean = spawnSync("python3", ["-c", "import json, hashlib"]).status === 0

/** Runs one Python process with `lines` on standard input and gives the lines that it printed. */
export const python = (program: string, lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const run = spawnSync("python3", ["-c", program], { input: lines.join("\n"), maxBuffer: 1 << 30, encoding: "utf8" })
  if (run.status !== 0) throw new Error(run.stderr)
  return run.stdout.trimEnd().split("\n")
}
