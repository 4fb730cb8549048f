import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { ReviewRules } from "effect-vargate"
import { refusalOf, tally } from "../../../src/reviews/internal/tally.ts"
import { type Cast, idOf, minute, openingOf, reviewer, unsigned } from "../ballots.ts"

const { allOf, allowChanges, anyOf, deadline, escalateAfter, firstThen, quorum, veto } = ReviewRules

const ann = reviewer("ann", "finance")
const bob = reviewer("bob", "finance")
const cid = reviewer("cid", "legal")
const dora = reviewer("dora", "finance", "legal")
const eve = reviewer("eve", "security")

/** The result, and why the votes that do not count do not. */
const outcome = (opening: ReturnType<typeof openingOf>, casts: ReadonlyArray<Cast>) => {
  const { ignored, result } = tally(opening, unsigned(opening, casts))
  return [result, ...ignored.map(({ refusal, vote }) => `${vote.sequence} ${refusal}`)]
}

const test = (
  title: string,
  cases: ReadonlyArray<readonly [ReturnType<typeof openingOf>, Array<Cast>, Array<unknown>]>
) =>
  it(title, () => {
    for (const [opening, casts, expected] of cases) {
      assert.deepStrictEqual(outcome(opening, casts), expected)
      // The last vote is refused for the same reason before it is cast.
      const last = casts.at(-1)!
      const votes = unsigned(opening, casts.slice(0, -1))
      const { at = 1, by, choice = "approve", onBehalfOf = null, proposal } = last
      const refusal = refusalOf(opening, votes, {
        reviewerId: by.id,
        groups: by.groups,
        choice,
        onBehalfOf,
        at: minute(at),
        ...proposal === undefined ? {} : { proposal }
      })
      const ignored = expected.find((one) => typeof one === "string" && one.startsWith(`${casts.length} `))
      assert.strictEqual(refusal, ignored === undefined ? undefined : (ignored as string).split(" ")[1])
    }
  })

describe("tally", () => {
  const two = openingOf(quorum(2, "finance"))

  test("a quorum takes different reviewers of its groups", [
    [two, [{ by: ann }], [undefined]],
    [two, [{ by: ann }, { by: ann }], [undefined, "2 AlreadyVoted"]],
    [two, [{ by: ann }, { by: cid }], [undefined, "2 NotAsked"]],
    [two, [{ by: ann }, { by: bob }], ["approve"]],
    [two, [{ by: ann }, { by: bob }, { by: dora }], ["approve", "3 Ended"]]
  ])

  test("one rejection rejects, unless the rule asks for more", [
    [two, [{ by: ann }, { by: bob, choice: "reject" }], ["reject"]],
    [two, [{ by: cid, choice: "reject" }], [undefined, "1 NotAsked"]],
    [openingOf(quorum(2, "finance", { rejections: 2 })), [{ by: ann, choice: "reject" }, { by: bob }], [undefined]],
    [
      openingOf(quorum(2, "finance", { rejections: 2 })),
      [{ by: ann, choice: "reject" }, { by: bob, choice: "reject" }],
      ["reject"]
    ]
  ])

  const change = { choice: "reject", proposal: "1".repeat(64) } as const

  test("where changes are allowed, one proposal rejects, whoever else has to", [
    [two, [{ by: ann, ...change }], [undefined, "1 NoChanges"]],
    [openingOf(allowChanges()(quorum(2, "finance", { rejections: 2 }))), [{ by: ann, ...change }], ["reject"]],
    [openingOf(allowChanges()(quorum(2, "finance"))), [{ by: cid, ...change }], [undefined, "1 NoChanges"]],
    [openingOf(allowChanges()(quorum(2, "finance"))), [{ by: cid }], [undefined, "1 NotAsked"]],
    [openingOf(allowChanges("legal")(quorum(2, "finance"))), [{ by: cid, ...change }], ["reject"]],
    [openingOf(allowChanges("legal")(quorum(2, "finance"))), [{ by: ann, ...change }], [undefined, "1 NoChanges"]],
    [openingOf(allowChanges()(anyOf("finance"))), [{ by: ann, ...change, choice: "approve" }], [
      undefined,
      "1 NoChanges"
    ]],
    [
      openingOf(allowChanges()(quorum(2, "finance", { rejections: 2 }))),
      [{ by: ann, choice: "reject" }, { by: ann, ...change }, { by: bob }],
      ["reject", "3 Ended"]
    ],
    [openingOf(allowChanges()(anyOf("finance")), { requesters: () => ["ann"] }), [{ by: ann, ...change }], [
      undefined,
      "1 Requester"
    ]]
  ])

  const proposedBy = (editor: string, requesters: ReadonlyArray<string>) => ({
    ...openingOf(anyOf("finance"), {
      requesters: () => requesters,
      delegations: [{ from: "ann", to: "cid", groups: ["finance"], until: minute(60) }]
    }),
    proposals: [{ id: "1".repeat(64), actionId: idOf("action-0"), editor }]
  })

  test("who proposed an action approves it alone only where nobody is known to have asked", [
    [proposedBy("ann", []), [{ by: ann }], ["approve"]],
    [proposedBy("ann", ["rob"]), [{ by: ann }], [undefined]],
    [proposedBy("ann", ["rob"]), [{ by: cid, onBehalfOf: "ann" }], [undefined]],
    [proposedBy("ann", ["rob"]), [{ by: ann }, { by: cid, onBehalfOf: "ann" }], [undefined]],
    [proposedBy("ann", ["rob"]), [{ by: ann }, { by: bob }], ["approve"]],
    [proposedBy("ann", ["rob"]), [{ by: bob }], ["approve"]],
    [proposedBy("ann", ["rob"]), [{ by: ann, choice: "reject" }], ["reject"]]
  ])

  test("the last vote of a reviewer counts", [
    [two, [{ by: ann }, { by: ann, choice: "reject" }], ["reject"]],
    [
      openingOf(quorum(2, "finance", { rejections: 2 })),
      [{ by: ann, choice: "reject" }, { by: ann }, { by: bob }],
      ["approve"]
    ]
  ])

  const both = openingOf(allOf("finance", "legal"))

  test("of allOf, no reviewer counts twice", [
    [both, [{ by: dora }], [undefined]],
    [both, [{ by: dora }, { by: cid }], ["approve"]],
    [both, [{ by: dora }, { by: ann }], ["approve"]],
    [both, [{ by: ann }, { by: bob }], [undefined]],
    [openingOf(allOf(quorum(2, "finance"), "legal")), [{ by: dora }, { by: cid }], [undefined]],
    [openingOf(allOf(quorum(2, "finance"), "legal")), [{ by: dora }, { by: cid }, { by: ann }], ["approve"]],
    [openingOf(allOf(quorum(2, "finance"), "legal")), [{ by: dora }, { by: ann }, { by: bob }], ["approve"]]
  ])

  const sequence = openingOf(firstThen("finance", "legal"))

  test("firstThen asks one after the other", [
    [sequence, [{ by: cid }], [undefined, "1 NotYet"]],
    [sequence, [{ by: ann }, { by: cid }], ["approve"]],
    [sequence, [{ by: cid }, { by: ann }], [undefined, "1 NotYet"]],
    [sequence, [{ by: dora }, { by: ann }], [undefined]],
    [sequence, [{ by: ann }, { by: dora }], ["approve"]],
    [sequence, [{ by: ann }, { by: ann, choice: "reject" }], ["reject"]]
  ])

  const late = openingOf(escalateAfter("15 minutes", "security")(anyOf("finance")))

  test("asks more groups after a while", [
    [late, [{ by: eve, at: 14 }], [undefined, "1 NotYet"]],
    [late, [{ by: eve, at: 15 }], ["approve"]],
    [late, [{ by: cid, at: 15 }], [undefined, "1 NotAsked"]]
  ])

  const guarded = openingOf(veto("security")(quorum(2, "finance", { rejections: 2 })))

  test("one veto rejects, and approves nothing", [
    [guarded, [{ by: eve }], [undefined, "1 NotAsked"]],
    [guarded, [{ by: ann }, { by: eve, choice: "reject" }], ["reject"]]
  ])

  test("who asked does not decide", [
    [
      openingOf(anyOf("finance"), { requesters: () => ["ann"] }),
      [{ by: ann }, { by: ann, choice: "reject" }],
      [undefined, "1 Requester", "2 Requester"]
    ],
    [openingOf(anyOf("finance"), { requesters: () => ["ann"] }), [{ by: bob }], ["approve"]]
  ])

  const delegations = [{ from: "ann", to: "cid", groups: ["finance"], until: minute(20) }]
  const delegated = openingOf(quorum(2, "finance"), { delegations })

  test("who represents another one counts as that one, until a time", [
    [delegated, [{ by: cid }], [undefined, "1 NotAsked"]],
    [delegated, [{ by: cid, onBehalfOf: "ann" }, { by: bob }], ["approve"]],
    [delegated, [{ by: cid, onBehalfOf: "ann" }, { by: ann }], [undefined]],
    [delegated, [{ by: cid, onBehalfOf: "ann", at: 20 }], [undefined, "1 NoDelegation"]],
    [delegated, [{ by: cid, onBehalfOf: "bob" }], [undefined, "1 NoDelegation"]],
    [delegated, [{ by: bob, onBehalfOf: "bob" }], [undefined, "1 NoDelegation"]],
    [
      openingOf(anyOf("finance"), { delegations, requesters: () => ["ann"] }),
      [{ by: cid, onBehalfOf: "ann" }],
      [undefined, "1 Requester"]
    ]
  ])

  const double = openingOf(quorum(2, "finance"), {
    delegations: [{ from: "ann", to: "bob", groups: ["finance"], until: minute(20) }]
  })

  test("a reviewer who represents another one still has one vote", [
    [double, [{ by: bob }, { by: bob, onBehalfOf: "ann" }], [undefined]],
    [double, [{ by: bob, onBehalfOf: "ann" }, { by: bob }], [undefined]],
    [double, [{ by: bob }, { by: bob, onBehalfOf: "ann" }, { by: dora }], ["approve"]]
  ])

  test("nothing counts after the deadline, or after the action's own time", [
    [openingOf(deadline("10 minutes")(anyOf("finance"))), [{ by: ann, at: 10 }], [undefined, "1 TooLate"]],
    [openingOf(anyOf("finance")), [{ by: ann, at: 60 }], [undefined, "1 TooLate"]],
    [openingOf(anyOf("finance")), [{ by: ann, at: 59 }], ["approve"]]
  ])

  test("without a rule nothing counts", [
    [{ ...openingOf(anyOf("finance")), rule: null }, [{ by: ann }], [undefined, "1 NotAsked"]]
  ])

  // --- at random -----------------------------------------------------------------------------------------------------

  const groups = ["a", "b", "c"] as const
  const Some = Schema.Array(Schema.Literals(groups)).check(Schema.isMinLength(1), Schema.isMaxLength(2))
  const Demand = Schema.Struct({ count: Schema.Literals([1, 2]), groups: Some })
  const Demands = Schema.Array(Demand).check(Schema.isMinLength(1), Schema.isMaxLength(3))
  const Voters = Schema.Array(Some).check(Schema.isMaxLength(6))

  /** Tries every way to fill the places. */
  const canFill = (
    places: ReadonlyArray<ReadonlyArray<string>>,
    voters: ReadonlyArray<ReadonlyArray<string>>
  ): boolean => {
    const [place, ...others] = places
    return place === undefined ||
      voters.some((voter, index) =>
        voter.some((group) => place.includes(group)) && canFill(others, voters.filter((_, other) => other !== index))
      )
  }

  it.prop("allOf is met where every place can have a reviewer of its own", [Demands, Voters], ([demands, voters]) => {
    const opening = openingOf(allOf(...demands.map(({ count, groups }) => quorum(count, groups))))
    const places = demands.flatMap(({ count, groups }) => Array.from({ length: count }, () => groups))
    const casts = voters.map((groups, n) => ({ by: reviewer(`r${n}`, ...groups) }))
    const { result } = tally(opening, unsigned(opening, casts))
    // Who is not asked does not count, and so fills no place either.
    const expected = casts.some((_, n) => canFill(places, voters.slice(0, n + 1)))
    assert.strictEqual(result, expected ? "approve" : undefined)
  })

  it.prop("firstThen asks for at least what allOf asks for", [Demands, Voters], ([demands, voters]) => {
    const parts = demands.map(({ count, groups }) => quorum(count, groups))
    const casts = voters.map((groups, n) => ({ by: reviewer(`r${n}`, ...groups) }))
    const resultOf = (rule: ReviewRules.Rule) => {
      const opening = openingOf(rule)
      return tally(opening, unsigned(opening, casts)).result
    }
    const inSequence = resultOf(firstThen(...parts))
    assert.isTrue(inSequence === undefined || resultOf(allOf(...parts)) === "approve")
  })
})
