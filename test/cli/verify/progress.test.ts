import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { make } from "../../../src/cli/screen/Printer.ts"
import { Printer } from "../../../src/cli/screen/Printer.ts"
import { measured } from "../../../src/cli/verify/progress.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import { Hasher } from "../../../src/verify/Hasher.ts"

/** Hashes a record every 10 milliseconds. */
const slowly = (records: number) =>
  Effect.gen(function*() {
    const { hash } = yield* Hasher
    for (let i = 0; i < records; i++) {
      yield* TestClock.adjust("10 millis")
      hash!(new Uint8Array(1))
    }
    return "done"
  })

const overhear = (isTerminal: boolean) => {
  let text = ""
  const channel = {
    isTerminal,
    isColored: false,
    columns: () => 80,
    rows: () => 24,
    write: () => Effect.void,
    writeUnsafe: (part: string) => void (text += part)
  }
  return { printer: make({ stdout: channel, stderr: channel }, { isJson: false }), text: () => text }
}

describe("progress", () => {
  it.effect("draws a bar in one line, and leaves nothing of it", () =>
    Effect.gen(function*() {
      const { printer, text } = overhear(true)
      const { result, seconds } = yield* measured(slowly(50), "verifying", (records) => records / 50).pipe(
        Effect.provideService(Printer, printer),
        Effect.provide(NodeHasher.layer)
      )
      const frames = text().split("\r\x1b[2K").filter((frame) => frame !== "")
      assert.deepStrictEqual([result, seconds, frames.length], ["done", 0.5, 5])
      assert.strictEqual(frames[1], "verifying ██████████░░░░░░░░░░░░░░ 20 records  100 records/s")
      assert.isTrue(text().endsWith("\r\x1b[2K"))
    }))

  it.effect("is for terminals only", () =>
    Effect.gen(function*() {
      const { printer, text } = overhear(false)
      yield* measured(slowly(50), "verifying", (records) => records / 50).pipe(
        Effect.provideService(Printer, printer),
        Effect.provide(NodeHasher.layer)
      )
      assert.strictEqual(text(), "")
    }))
})
