import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ReviewCondition, ReviewRules, VargateError } from "effect-vargate"
import { action, minute, openingOf, reviewer } from "./ballots.ts"

const isRefused = (make: () => unknown) => {
  try {
    make()
    return false
  } catch (error) {
    return error instanceof VargateError.VargateError && error.reason._tag === "InvalidRequest"
  }
}

const { amountAbove, amountUpTo, and, not, or, tool } = ReviewCondition

describe("ReviewRules", () => {
  it("takes the first rule whose condition holds, and otherwise the last one", () => {
    const two = ReviewRules.quorum(2, "finance")
    const one = ReviewRules.anyOf("support")
    const rules = ReviewRules.make({
      rules: [{ when: and(tool("stripe"), amountAbove(1000, "amount")), rule: two }],
      otherwise: one
    })
    const ruleFor = (params: unknown) => ReviewRules.opening(rules, action({ params })).rule
    assert.deepStrictEqual(ruleFor({ amount: 1001 }), two)
    assert.deepStrictEqual(ruleFor({ amount: 1000 }), one)
    // What cannot be compared is under the stricter rule.
    for (const amount of ["5", null, Number.NaN, [1], undefined]) assert.deepStrictEqual(ruleFor({ amount }), two)
    assert.deepStrictEqual(ruleFor(null), two)
    assert.deepStrictEqual(ReviewRules.opening(rules, action({ tool: "mail" })).rule, one)
  })

  it("says a condition in words", () => {
    assert.strictEqual(
      or(not(tool("a", "b")), amountUpTo(5, "order", "amount")).words,
      "(not (tool a or b) or order.amount up to 5)"
    )
  })

  it("leaves an action whose condition throws to no vote", () => {
    const boom = ReviewCondition.make("boom", () => {
      throw new Error("boom")
    })
    const rules = ReviewRules.make({
      rules: [{ when: boom, rule: ReviewRules.anyOf("a") }],
      otherwise: ReviewRules.anyOf("a")
    })
    assert.isNull(ReviewRules.opening(rules, action()).rule)
    assert.match(ReviewRules.explain(rules, action())[0]!, /no vote decides/)
    const asking = ReviewRules.make({
      otherwise: ReviewRules.anyOf("a"),
      requesters: () => {
        throw new Error("boom")
      }
    })
    assert.isNull(ReviewRules.opening(asking, action()).rule)
  })

  it("refuses rules that would be met at once, or never", () => {
    const { allOf, anyOf, deadline, escalateAfter, firstThen, quorum } = ReviewRules
    const bad: ReadonlyArray<() => ReviewRules.Rule> = [
      () => anyOf(),
      () => quorum(0, "a"),
      () => quorum(1.5, "a"),
      () => quorum(-1, "a"),
      () => quorum(1, "a", { rejections: 0 }),
      () => allOf(),
      () => firstThen(anyOf("a"), allOf()),
      () => anyOf(""),
      () => deadline("61 minutes")(anyOf("a")),
      () => deadline(0)(anyOf("a")),
      () => escalateAfter("1 minute")(anyOf("a"))
    ]
    for (const rule of bad) {
      assert.isTrue(isRefused(() => ReviewRules.make({ otherwise: rule() })), JSON.stringify(rule()))
      assert.isTrue(
        isRefused(() =>
          ReviewRules.make({ rules: [{ when: ReviewCondition.always, rule: rule() }], otherwise: anyOf("a") })
        )
      )
    }
    assert.isTrue(
      isRefused(() =>
        ReviewRules.make({
          otherwise: anyOf("a"),
          delegations: [{ from: "", to: "b", groups: ["a"], until: minute(1) }]
        })
      )
    )
  })

  it("knows who asked by the agent's owner, or by a parameter that a trusted program sets", () => {
    const byOwner = ReviewRules.ownersOf({ bot: ["ann", "bob"] })
    assert.deepStrictEqual([byOwner(action()), byOwner(action({ agentId: "constructor" }))], [["ann", "bob"], []])
    const byParam = ReviewRules.trustedParam(["stripe"], "meta", "user")
    assert.deepStrictEqual(byParam(action({ params: { meta: { user: "ann" } } })), ["ann"])
    assert.deepStrictEqual(byParam(action({ params: { meta: { user: 1 } } })), [])
    assert.deepStrictEqual(byParam(action({ tool: "mail", params: { meta: { user: "ann" } } })), [])
  })

  it.effect("says in words what is needed", () =>
    Effect.sync(() => {
      const { anyOf, deadline, escalateAfter, firstThen, quorum, remindAfter, veto } = ReviewRules
      const rule = firstThen(escalateAfter("15 minutes", "board")(quorum(2, "finance")), anyOf("legal", "risk"))
      const rules = ReviewRules.make({
        otherwise: deadline("45 minutes")(remindAfter("10 minutes")(veto("security")(rule))),
        requesters: ReviewRules.ownersOf({ bot: ["ann"] }),
        delegations: [{ from: "cid", to: "dora", groups: ["legal"], until: minute(30) }]
      })
      assert.deepStrictEqual(ReviewRules.explain(rules, action()), [
        "Needs (2 of finance; after 15 minutes also board), then 1 of legal or risk; one of security can reject; a reminder after 10 minutes; rejected after 45 minutes.",
        "2 of finance: none has approved.",
        "1 of legal or risk: none has approved; asked later.",
        "ann asked for it, and cannot decide.",
        "dora may vote for cid (legal) until 2026-01-05T10:30:00.000Z.",
        "Decided until 2026-01-05T10:45:00.000Z."
      ])
    }))

  it("an opening names what it is about", () => {
    const { actionId, createdAt, requesters, timeoutAt } = openingOf(ReviewRules.anyOf("a"))
    assert.deepStrictEqual([actionId, createdAt, requesters, timeoutAt], [
      action().actionId,
      action().createdAt,
      [],
      minute(60)
    ])
    assert.strictEqual(reviewer("ann").name, "ANN")
  })
})
