/** `dev` in a process of its own, and other command lines against it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { CallResult, Failure, Serving, Status } from "../../src/cli/Output.ts"
import { decodeLines, runProcess, startProcess, untilSaid } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

/** A server that listens, and what it said then. */
const start = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const process = yield* startProcess(["dev", "--port", "0", "--json", ...args])
  yield* untilSaid(process, /\n/)
  const [serving] = decodeLines(Serving, process.said())
  if (serving === undefined) return assert.fail(process.said())
  return { process, serving, env: { VARGATE_URL: serving.url, VARGATE_API_KEY: serving.apiKey } }
})

const stop = Effect.fnUntraced(function*({ process }: Effect.Success<ReturnType<typeof start>>) {
  yield* process.interrupt
  const { code, err } = yield* process.end
  assert.deepStrictEqual([code, err], [130, ""])
})

const denied = ["call", "bank", "pay", "-p", "{\"amount\":9000}", "--json"]

describe("dev", () => {
  it.live("serves, and finds everything again when it is started anew", () =>
    Effect.gen(function*() {
      const data = join(yield* folder, "vargate.db")
      const first = yield* start(["--data", data, "--template", "financial"])
      assert.deepInclude(first.serving, { tenantId: "local", policyTemplate: "financial", data, isNew: true })
      const call = yield* runProcess(denied, { env: first.env })
      assert.strictEqual(decodeLines(CallResult, call.out)[0]?._tag, "Denied")
      yield* stop(first)
      const second = yield* start(["--data", data])
      assert.deepInclude(second.serving, { apiKey: first.serving.apiKey, policyTemplate: "financial", isNew: false })
      const status = yield* runProcess(["status", "--json"], { env: second.env })
      assert.strictEqual(decodeLines(Status, status.out)[0]?.records, 1)
      yield* stop(second)
    }))

  it.live("takes the key that it is given, and tells people how to use it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      writeFileSync(join(path, "key"), "vg-a-key-of-ones-own\n")
      const args = ["dev", "--port", "0", "--data", join(path, "v.db"), "--key-file", join(path, "key")]
      const process = yield* startProcess(args)
      yield* untilSaid(process, /Ctrl-C/)
      yield* process.interrupt
      const { code, out } = yield* process.end
      assert.match(out, /Listening +http:\/\/127\.0\.0\.1:\d+\n[^]*export VARGATE_API_KEY=vg-a-key-of-ones-own\n$/)
      assert.strictEqual(code, 130)
    }))

  it.live("asks an OPA server where it is told to, and fails closed while that is away", () =>
    Effect.gen(function*() {
      const server = yield* start(["--data", join(yield* folder, "v.db"), "--opa", "http://127.0.0.1:1"])
      const { code, err } = yield* runProcess(denied, { env: server.env })
      assert.deepInclude(decodeLines(Failure, err)[0], { error: "OpaUnavailable" })
      assert.strictEqual(code, 10)
      yield* stop(server)
    }))

  it.live("says why it does not start", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const server = yield* start(["--data", join(path, "v.db")])
      const { port } = new URL(server.serving.url)
      const attempts = yield* Effect.all([
        runProcess(["dev", "--port", port, "--data", join(path, "w.db")]),
        runProcess(["dev", "--port", "0", "--data", join(path, "v.db")]),
        runProcess(["dev", "--port", "0", "--data", join(path, "nowhere", "v.db")]),
        runProcess(["dev", "--port", "0", "--opa", "nonsense"])
      ], { concurrency: 2 })
      assert.deepStrictEqual(attempts.map(({ code }) => code), [11, 11, 11, 2])
      assert.match(attempts[0].err, /^error: The server cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/)
      assert.match(attempts[1].err, /Another gateway has it open/)
      assert.match(attempts[2].err, /Its folder must exist/)
      assert.match(attempts[3].err, /^error: --opa: /)
      for (const { out } of attempts) assert.strictEqual(out, "")
      yield* stop(server)
    }))
})
