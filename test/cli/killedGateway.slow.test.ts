/** The command line while a gateway process is killed under it, and started again. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { CallResult, Failure, Notice, Outcome, Pending, Record } from "../../src/cli/Output.ts"
import { decodeLines, runProcess, startProcess, untilSaid } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const program = fileURLToPath(new URL("../support/serverProgram.ts", import.meta.url))

const apiKey = "vg-key-of-the-shop"

interface Line {
  readonly url?: string
  readonly began?: string
}

/** A gateway on a file, and what it says. */
const serve = (data: string, port: number) =>
  Effect.promise(async () => {
    const options = JSON.stringify({ data, port, apiKey, burst: 1000 })
    const child = spawn(process.execPath, ["--conditions=effect-vargate-source", program, options], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let said = ""
    child.stdout.on("data", (chunk) => void (said += chunk))
    const find = (isWanted: (line: Line) => boolean) =>
      new Promise<Line>((resolve) => {
        const look = () => {
          const found = said.split("\n").slice(0, -1).map((line) => JSON.parse(line) as Line).find(isWanted)
          if (found !== undefined) {
            child.stdout.off("data", look)
            resolve(found)
          }
        }
        child.stdout.on("data", look)
        look()
      })
    const { url } = await find((line) => line.url !== undefined)
    return { child, find, url: url!, port: Number(new URL(url!).port) }
  })

const gone = (child: ChildProcess) =>
  Effect.promise(() =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once("exit", () => resolve())
      child.kill("SIGKILL")
    })
  )

const killable = (data: string, port = 0) => Effect.acquireRelease(serve(data, port), ({ child }) => gone(child))

const timeout = 120_000

const test = (title: string, body: (data: string) => Effect.Effect<void, unknown, never>) =>
  it.live(title, () => Effect.flatMap(folder, (root) => body(join(root, "vargate.db"))).pipe(Effect.scoped), timeout)

const waiting = Effect.fnUntraced(function*(env: Readonly<Record<string, string>>, ...call: ReadonlyArray<string>) {
  const { out } = yield* runProcess(["call", ...call, "--json"], { env })
  const [result] = decodeLines(CallResult, out)
  assert.strictEqual(result?._tag, "PendingApproval")
  return result!.actionId
})

const envOf = (url: string) => ({ VARGATE_URL: url, VARGATE_API_KEY: apiKey })

/** Approves an action whose tool never ends, and kills the gateway in the middle. */
const killedInTheMiddle = Effect.fnUntraced(function*(data: string) {
  const gateway = yield* killable(data)
  const env = envOf(gateway.url)
  const actionId = yield* waiting(env, "slow", "purge")
  const approving = yield* startProcess(["approvals", "approve", actionId, "--yes", "--json"], { env })
  yield* Effect.promise(() => gateway.find(({ began }) => began === "purge"))
  yield* gone(gateway.child)
  return { approving, actionId, port: gateway.port, env }
})

describe("a gateway that is killed", () => {
  test("while it executes an approval, and stays away: it is unknown whether it was approved", (data) =>
    Effect.gen(function*() {
      const { approving } = yield* killedInTheMiddle(data)
      const { code, err, out } = yield* approving.end
      assert.deepStrictEqual([code, out], [6, ""])
      const failures = err.trimEnd().split("\n").filter((line) => line.includes("\"error\""))
      assert.lengthOf(failures, 1)
      assert.deepInclude(decodeLines(Failure, failures[0]!)[0], { exitCode: 6, sideEffect: "possible" })
    }).pipe(Effect.scoped))

  test("while it executes an approval, and comes back: it was approved, and its execution is unknown", (data) =>
    Effect.gen(function*() {
      const { actionId, approving, env, port } = yield* killedInTheMiddle(data)
      yield* killable(data, port)
      const { code, err, out } = yield* approving.end
      assert.strictEqual(code, 6)
      const shown = yield* runProcess(["approvals", "show", actionId, "--json"], { env })
      assert.strictEqual(shown.code, 6)
      assert.include(shown.out, "\"execution\":{\"_tag\":\"ExecutedUnseen\",\"isCutOff\":true}")
      // Where the gateway was back in time to be asked, the same is told, and nothing else; otherwise that it is unknown.
      const failures = err.trimEnd().split("\n").filter((line) => line.includes("\"error\""))
      if (out === "") assert.deepInclude(decodeLines(Failure, failures.join("\n"))[0], { exitCode: 6 })
      else assert.deepStrictEqual([failures, decodeLines(Outcome, out).map(({ _tag }) => _tag)], [[], ["Approved"]])
      const human = yield* runProcess(["approvals", "show", actionId], { env })
      assert.match(human.out, /approved; whether it was executed is unknown: the gateway stopped during the execution/)
    }).pipe(Effect.scoped))

  test("and comes back is watched and followed on", (data) =>
    Effect.gen(function*() {
      const gateway = yield* killable(data)
      const env = envOf(gateway.url)
      const one = yield* waiting(env, "files", "purge", "-p", "{\"n\":1}")
      const watching = yield* startProcess(["approvals", "watch", "--json"], { env })
      const following = yield* startProcess(["audit", "--follow", "--json"], { env })
      yield* untilSaid(watching, new RegExp(one))
      yield* untilSaid(following, new RegExp(one))
      yield* gone(gateway.child)
      for (const started of [watching, following]) yield* untilSaid(started, /Looking again until the gateway answers/)
      yield* killable(data, gateway.port)
      const two = yield* waiting(env, "files", "purge", "-p", "{\"n\":2}")
      for (const started of [watching, following]) {
        yield* untilSaid(started, new RegExp(two))
        yield* untilSaid(started, /answers again, after/)
        yield* started.interrupt
      }
      const watched = yield* watching.end
      const followed = yield* following.end
      assert.deepStrictEqual(decodeLines(Pending, watched.out).map(({ actionId }) => actionId), [one, two])
      assert.deepStrictEqual(decodeLines(Record, followed.out).map(({ actionId }) => actionId), [one, two])
      for (const { code, err } of [watched, followed]) {
        assert.strictEqual(code, 130)
        assert.lengthOf(
          decodeLines(Notice, err.split("\n").filter((line) => line.includes("\"warning\"")).join("\n")),
          2
        )
      }
    }).pipe(Effect.scoped))
})
