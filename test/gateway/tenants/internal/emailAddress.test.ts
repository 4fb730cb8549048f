import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { emailDomain, maxEmailLength } from "../../../../src/gateway/tenants/internal/emailAddress.ts"

/** What an address is, in a pattern that takes quadratic time for a long text that is none. */
const asPattern = (email: string) => /^[^\s@]+@([^\s@]+\.[^\s@]+)$/.exec(email)?.[1]

describe("emailDomain", () => {
  const parts = Schema.Array(Schema.Literals(["a", "b.c", ".", "@", " ", "\n", "ü", "-"]))

  it.prop("takes what the pattern takes", [parts], ([texts]) => {
    const email = texts.join("").slice(0, maxEmailLength)
    assert.strictEqual(emailDomain(email), asPattern(email))
  })

  it("reads no text that is too long", () => {
    const email = `a@${"a.".repeat(126)}`
    assert.strictEqual(emailDomain(`${email.slice(0, -1)}b`), asPattern(`${email.slice(0, -1)}b`))
    assert.isUndefined(emailDomain(`${"a".repeat(maxEmailLength)}@x.example`))
    let read = 0
    const long = new Proxy(Object("a@b.c".repeat(10_000)), {
      get: (text, name) => {
        if (name !== "length") read++
        const value = Reflect.get(text, name)
        return typeof value === "function" ? value.bind(text) : value
      }
    })
    assert.isUndefined(emailDomain(long))
    assert.strictEqual(read, 0)
  })
})
