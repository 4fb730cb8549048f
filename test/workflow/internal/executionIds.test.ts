import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { WebCrypto } from "effect/crypto"
import { hash } from "node:crypto"

const cryptos: Array<unknown> = []

const Note = GovernedWorkflow.make({
  tool: "notes",
  method: "add",
  name: "NoteOfIds",
  params: Schema.Struct({}),
  success: Schema.Void,
  run: () => Effect.flatMap(WebCrypto.WebCrypto, (crypto) => Effect.sync(() => void cryptos.push(crypto)))
})

describe("execution ids", () => {
  it.effect.each(["order-1", "\u{feff}order ü 🐟", "x".repeat(1000)])(
    "are those of Effect: %s",
    (key) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* Note.executionId(key), hash("sha256", `9:NoteOfIds:${key}`).slice(0, 32))
      })
  )

  it.effect("leave the program's own crypto to its action", () =>
    Effect.gen(function*() {
      cryptos.length = 0
      yield* Note.execute({ key: "order-1", params: {} })
      assert.deepStrictEqual(cryptos, [globalThis.crypto])
    }).pipe(
      Effect.provide(Layer.provideMerge(Note.layer, Engine.layerMemory())),
      Effect.provide(GatewayMemory.layer())
    ))
})
