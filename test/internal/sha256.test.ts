import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { sha256 } from "../../src/internal/sha256.ts"

describe("sha256", () => {
  it("gives the digests of FIPS 180-4", () => {
    assert.strictEqual(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert.strictEqual(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert.strictEqual(
      sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    )
    assert.strictEqual(
      sha256("a".repeat(1_000_000)),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    )
  })

  it("agrees with Node at every length up to 300, and beyond ASCII", () => {
    for (let length = 0; length <= 300; length++) {
      for (const unit of ["x", "é", "\0", "\u{1f600}"]) {
        const text = unit.repeat(length)
        assert.strictEqual(sha256(text), createHash("sha256").update(text).digest("hex"), `${length} times ${unit}`)
      }
    }
  })
})
