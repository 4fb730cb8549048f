import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Signups, type VerificationMail } from "../../../src/gateway/tenants/Signups.ts"
import * as SignupsLayer from "../../../src/gateway/tenants/Signups.ts"

const open = Effect.gen(function*() {
  const mails: Array<VerificationMail> = []
  const signups = yield* Signups.pipe(
    Effect.provide(SignupsLayer.layer((mail) => Effect.sync(() => void mails.push(mail))))
  )
  const begin = (email: string, from?: string) => signups.begin({ email, name: "x" }, from)
  const beginMany = (count: number, from?: string) =>
    Effect.forEach(Array.from({ length: count }, (_, n) => n), (n) => begin(`a${n}@${from ?? "x"}.example`, from))
  return { ...signups, mails, begin, beginMany }
})

const times = (value: boolean, answers: ReadonlyArray<boolean>) => answers.filter((answer) => answer === value).length

describe("what waits to be confirmed", () => {
  it.effect("is at most three mails to one e-mail address", () =>
    Effect.gen(function*() {
      const { begin, mails, redeem } = yield* open
      const answers = yield* Effect.forEach(Array.from({ length: 10 }), () => begin("a@x.example"))
      assert.strictEqual(times(true, answers), 3)
      assert.lengthOf(mails, 3)
      assert.isTrue(yield* begin("b@x.example"))
      yield* redeem(mails[0]!.token)
      assert.isTrue(yield* begin("a@x.example"))
      assert.isFalse(yield* begin("a@x.example"))
    }))

  it.effect("is at most fifty mails from one network address, and costs others nothing", () =>
    Effect.gen(function*() {
      const { begin, beginMany } = yield* open
      assert.strictEqual(times(true, yield* beginMany(60, "192.0.2.1")), 50)
      assert.isTrue(yield* begin("b@x.example", "192.0.2.2"))
    }))

  it.effect("is at most ten thousand mails, and makes room after a day, whatever the clock is set to", () =>
    Effect.gen(function*() {
      const { begin, beginMany } = yield* open
      yield* TestClock.setTime(7_200_000)
      assert.strictEqual(times(true, yield* beginMany(10_001)), 10_000)
      yield* TestClock.setTime(3_600_000)
      assert.isFalse(yield* begin("b@x.example"))
      yield* TestClock.adjust("1 day")
      assert.isTrue(yield* begin("b@x.example"))
    }))
})
