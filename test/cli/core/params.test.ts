import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stdio, Stream } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { readParams } from "../../../src/cli/core/params.ts"
import { folder } from "../../support/folder.ts"

const read = (argument: string, stdin = "") =>
  readParams(argument).pipe(
    Effect.provide([NodeServices.layer, Stdio.layerTest({ stdin: Stream.make(new TextEncoder().encode(stdin)) })])
  )

describe("params", () => {
  it.effect("are JSON, a file or stdin", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "params.json")
      writeFileSync(path, "{\"from\": \"file\"}\n")
      assert.deepStrictEqual(yield* read("{\"from\": \"here\"}"), { from: "here" })
      assert.deepStrictEqual(yield* read(`@${path}`), { from: "file" })
      assert.deepStrictEqual(yield* read("-", "{\"from\": \"stdin\"}"), { from: "stdin" })
    }))

  it.effect.each(["[1]", "1", "null", "\"a\"", "{", ""])(
    "are refused where they are no object: %s",
    (text) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(read(text))
        assert.strictEqual(error._tag, "Usage")
        assert.include(error.message, "Params are a JSON object")
      })
  )

  it.effect.each([["12345678901234567890"], ["-9007199254740993"], ["1e999"]])(
    "are refused where %s would be sent as another number",
    ([literal]) =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(read(`{"deep": [{"n": ${literal}}]}`))
        assert.include(message, literal!)
      })
  )

  it.effect("keep numbers that everybody rounds alike", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* read("{\"a\": 0.1, \"b\": 1e21, \"c\": -0, \"d\": 9007199254740991}"), {
        a: 0.1,
        b: 1e21,
        c: -0,
        d: 9007199254740991
      })
    }))

  it.effect.each(["secret-of-the-shop", "{\"a\": secret", "[1] secret", "{\"a\": 98765432109876543210}", "{\"sec"])(
    "show nothing of a file or of stdin that is refused: %s",
    (text) =>
      Effect.gen(function*() {
        const path = join(yield* folder, "params.json")
        writeFileSync(path, text)
        for (const error of [yield* Effect.flip(read(`@${path}`)), yield* Effect.flip(read("-", text))]) {
          assert.strictEqual(error._tag, "Usage")
          assert.notMatch(error.message.replace(path, ""), /sec|9876/)
        }
      })
  )

  it.effect("say which file is missing", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read("@/nowhere/params.json"))
      assert.strictEqual(error._tag, "FileFailed")
      assert.include(error.message, "/nowhere/params.json cannot be read: there is no such file")
    }))
})
