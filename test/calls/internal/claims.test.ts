import { assert, describe, it } from "@effect/vitest"
import { Claims } from "../../../src/calls/internal/claims.ts"

const call = (n = 1) => ({ agentId: "agent", tool: "bank", method: "pay", params: { n } })

describe("Claims", () => {
  it("gives an action to one call only", () => {
    const claims = new Claims()
    assert.isTrue(claims.claim("a", 1))
    assert.isFalse(claims.claim("a", 2))
    assert.isTrue(claims.has("a"))
    assert.isFalse(claims.has("b"))
  })

  it("gives nobody else an action that a call was answered with", () => {
    const claims = new Claims(4)
    claims.answered("a", 1)
    assert.isFalse(claims.claim("a", 2))
    assert.isTrue(claims.claim("b", 3))
    claims.answered("c", 4)
    claims.answered("d", 5)
    assert.deepStrictEqual(["a", "b", "c", "d"].map((id) => claims.has(id)), [false, false, true, true])
    assert.strictEqual(claims.forgottenUntil, 3)
  })

  it("remembers at least half of its capacity, and never more than all of it", () => {
    const claims = new Claims(10)
    for (let n = 0; n < 1000; n++) {
      claims.claim(`${n}`, n)
      const remembered = Array.from({ length: n + 1 }, (_, i) => i).filter((i) => claims.has(`${i}`))
      assert.isAtMost(remembered.length, 10)
      assert.isAtLeast(remembered.length, Math.min(n + 1, 5))
      assert.include(remembered, n)
    }
  })

  it("knows until when it has forgotten", () => {
    const claims = new Claims(10)
    for (let n = 0; n < 1000; n++) {
      claims.claim(`${n}`, n)
      for (let i = 0; i <= n; i++) assert.strictEqual(claims.has(`${i}`), i > claims.forgottenUntil, `${i} of ${n}`)
    }
  })

  it("has nothing to forget below its capacity", () => {
    const claims = new Claims(10)
    for (let n = 0; n < 9; n++) claims.claim(`${n}`, n)
    assert.strictEqual(claims.forgottenUntil, -Infinity)
  })

  it("sees a like call that is on its way, until it arrives", () => {
    const claims = new Claims()
    const first = call()
    const second = call()
    claims.depart(first)
    assert.isFalse(claims.isContended(first, 0))
    assert.isTrue(claims.isContended(second, 0))
    assert.isFalse(claims.isContended(call(2), 0))
    claims.arrive(first)
    assert.isFalse(claims.isContended(second, 0))
  })

  it("counts a call that was given up for two minutes", () => {
    const claims = new Claims()
    claims.abandon(call(), 1000)
    assert.isTrue(claims.isContended(call(), 1000 + 120_000))
    assert.isFalse(claims.isContended(call(), 1001 + 120_000))
  })

  it("keeps nothing of calls that were given up long ago", () => {
    const claims = new Claims()
    const kept = () => Object.values(claims).filter((part) => part instanceof Map).flatMap((part) => [...part]).length
    for (let n = 0; n < 10_000; n++) {
      const abandoned = call(n)
      claims.depart(abandoned)
      claims.abandon(abandoned, n * 1000)
      assert.isAtMost(kept(), 121)
    }
    assert.strictEqual(kept(), 121)
  })
})
