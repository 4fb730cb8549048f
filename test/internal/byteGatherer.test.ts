import { assert, describe, it } from "@effect/vitest"
import { ByteGatherer } from "../../src/internal/byteGatherer.ts"
import { concatBytes } from "../../src/internal/concatBytes.ts"
import { seeded } from "../support/generateJson.ts"

describe("ByteGatherer", () => {
  it("keeps all bytes in their order, whatever the pieces", () => {
    const random = seeded(11)
    for (let run = 0; run < 200; run++) {
      const pieces = Array.from(
        { length: random.below(60) },
        () => Uint8Array.from({ length: random.pick([0, 1, 7, 4095, 4096, 9000]) }, () => random.below(256))
      )
      const gatherer = new ByteGatherer()
      for (const piece of pieces) gatherer.add(piece)
      const expected = concatBytes(pieces)
      assert.strictEqual(gatherer.size, expected.length)
      assert.deepStrictEqual(gatherer.join(), expected)
    }
  })

  it("holds few pieces of many small ones", () => {
    const gatherer = new ByteGatherer()
    for (let n = 0; n < 1_000_000; n++) gatherer.add(Uint8Array.of(n))
    assert.isAtMost(gatherer.count, 20)
    assert.strictEqual(gatherer.join()[999_999], 999_999 % 256)
  })
})
