/** Go's own notes and trees, and a real witness, in processes: what `.ci/tlog` builds. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

const peer = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-vargate", "tlog-peer-3", "peer")

export const hasPeer = existsSync(peer)
/** For the name of a suite that is skipped. */
export const needsPeer = hasPeer ? "" : " (needs what .ci/tlog builds)"

const start = (args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(peer, args, { stdio: ["pipe", "pipe", "ignore"] })
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
      return { child, next: async () => (await lines.next()).value as string }
    }),
    ({ child }) => Effect.sync(() => void child.kill("SIGKILL"))
  )

export interface Question {
  readonly Op: string
  readonly Key?: string
  readonly Text?: string
  readonly Leaves?: ReadonlyArray<string>
  readonly Index?: number
  readonly Size?: number
  readonly Old?: number
  readonly Root?: string
  readonly Older?: string
  readonly Path?: ReadonlyArray<string>
}

/** Asks Go's notes and trees. What they refuse is an error. */
export const startTlog = Effect.map(
  start(["tlog"]),
  ({ child, next }) => (question: Question) =>
    Effect.promise(async () => {
      child.stdin.write(`${JSON.stringify(question)}\n`)
      return JSON.parse(await next()) as { readonly result?: unknown; readonly error?: string }
    })
)

/** A witness for the logs of this key, and its own. */
export const startWitness = (key: string, mode: "witness" | "witness-mldsa" = "witness") =>
  Effect.flatMap(start([mode, key]), ({ next }) =>
    Effect.promise(async () => {
      const [url = "", vkey = ""] = (await next()).split(" ")
      return { url, vkey }
    }))
