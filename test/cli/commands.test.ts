import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { apart, isBundled } from "../../src/cli/apart.ts"
import { commands, commandsFor } from "../../src/cli/commands.ts"

/** The names of those that were loaded, and not only listed. */
const loadedFor = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const found = yield* commandsFor(args)
  const whole = yield* Effect.promise(() => Promise.all(Object.values(commands).map(({ load }) => load())))
  assert.deepStrictEqual(found.map(({ name }) => name), Object.keys(commands))
  return found.filter((command, index) => command === whole[index]).map(({ name }) => name)
})

describe("commands", () => {
  for (const [name, { load, summary }] of Object.entries(commands)) {
    it.effect(`${name} says of itself what the list says`, () =>
      Effect.gen(function*() {
        const command = yield* Effect.promise(async () => await load())
        assert.strictEqual(command.name, name)
        assert.strictEqual(command.shortDescription ?? command.description, summary)
        assert.isUndefined(command.alias)
      }))
  }

  it.effect("are loaded where the command line names them, and no others", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* loadedFor(), [])
      assert.deepStrictEqual(yield* loadedFor("--help"), [])
      assert.deepStrictEqual(yield* loadedFor("--url", "http://localhost:1", "status", "--json"), ["status"])
      assert.deepStrictEqual(yield* loadedFor("call", "stripe", "status"), ["status", "call"])
      assert.deepStrictEqual(yield* loadedFor("constructor"), [])
    }))

  it("start from the bundle of a package where it has them", () => {
    for (const name of apart) {
      assert.property(commands, name)
      assert.isFalse(isBundled(["--url", "http://localhost:1", name, "--help"]), name)
    }
    for (const args of [["--completions", "bash"], ["--completions=bash"]]) assert.isFalse(isBundled(args))
    for (const args of [["doctor", "--data", "f"], ["--data=f", "doctor"]]) assert.isFalse(isBundled(args))
    for (const args of [[], ["--help"], ["status"], ["call", "a", "b", "--json"]]) assert.isTrue(isBundled(args))
  })

  it.effect("are all in a completion script", () =>
    Effect.gen(function*() {
      for (const args of [["--completions", "bash"], ["--completions=zsh"]]) {
        assert.deepStrictEqual(yield* loadedFor(...args), Object.keys(commands))
      }
    }))
})
