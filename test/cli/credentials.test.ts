import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { CredentialChanged, CredentialEntry, CredentialUse } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run, type RunOptions } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const secret = "sk_live_S3CR3T"

const credentials = (args: ReadonlyArray<string>, options: RunOptions = {}) =>
  Effect.map(run(["credentials", ...args], { hasFiles: true, ...options }), (result) => {
    assert.notInclude(result.out + result.err, secret)
    return result
  })

/** Tells what it was given. */
const gateway = () => {
  const given: Array<ReadonlyArray<unknown>> = []
  const layer = GatewayMemory.layer({
    tools: {
      "stripe/charge": (_, secrets) => {
        given.push([...secrets.values()].map(String))
        return Effect.succeed({ charged: true })
      }
    }
  })
  return { given, layer }
}

describe("credentials", () => {
  it.effect("are registered from stdin, a file or a question, and never shown", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "value")
      writeFileSync(path, `${secret}\n`)
      const piped = yield* credentials(["register", "stripe", "one"], { stdin: `${secret}\n` })
      const read = yield* credentials(["register", "stripe", "two", "--value-file", path, "--json"])
      const asked = yield* credentials(["register", "stripe", "three"], { columns: 80, keys: [...secret, "\r"] })
      assert.match(piped.out, /✓ registered: stripe\/one/)
      assert.deepStrictEqual(decodeLines(CredentialChanged, read.out), [
        { change: "registered", toolId: "stripe", name: "two" }
      ])
      assert.match(asked.err, /Value of stripe\/three \(not shown\)/)
      assert.deepStrictEqual([piped.code, read.code, asked.code], [0, 0, 0])
      const list = yield* credentials(["list", "--json"])
      assert.sameMembers(decodeLines(CredentialEntry, list.out).map(({ name }) => name), ["one", "two", "three"])
      assert.match((yield* credentials(["list"])).out, /^TOOL +NAME +SINCE\nstripe +one/)
    }).pipe(Effect.provide(gateway().layer)))

  it.effect("are used, and their uses told", () => {
    const { given, layer } = gateway()
    return Effect.gen(function*() {
      yield* credentials(["register", "stripe", "api_key"], { stdin: secret })
      yield* run(["call", "stripe", "charge", "--agent", "biller"])
      assert.lengthOf(given, 1)
      const [use] = decodeLines(CredentialUse, (yield* credentials(["log", "--json"])).out)
      assert.deepInclude({ ...use }, { toolId: "stripe", name: "api_key", agentId: "biller" })
      assert.match((yield* credentials(["log"])).out, /stripe\/api_key +biller/)
    }).pipe(Effect.provide(layer))
  })

  it.effect("are removed, once", () =>
    Effect.gen(function*() {
      yield* credentials(["register", "stripe", "api_key"], { stdin: secret })
      const removed = yield* credentials(["remove", "stripe", "api_key"])
      const again = yield* credentials(["remove", "stripe", "api_key"])
      assert.deepStrictEqual([removed.code, again.code], [0, 8])
      assert.include((yield* credentials(["list"])).err, "holds no credential")
    }).pipe(Effect.provide(gateway().layer)))

  it.effect("need a value, and a name that can be removed again", () =>
    Effect.gen(function*() {
      const empty = yield* credentials(["register", "stripe", "api_key"], { stdin: "\n" })
      assert.match(empty.err, /The value is empty/)
      const named = yield* credentials(["register", "stripe", "a/b"], { stdin: secret })
      assert.match(named.err, /without a slash/)
      assert.deepStrictEqual([empty.code, named.code], [2, 2])
    }).pipe(Effect.provide(gateway().layer)))
})
