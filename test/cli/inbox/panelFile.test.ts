import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { Approvals, ReviewRules } from "effect-vargate"
import * as ActionId from "effect-vargate/model/ActionId"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { readPanel } from "../../../src/cli/inbox/panelFile.ts"
import { folder } from "../../support/folder.ts"

const entry = { id: "ann", name: "Ann", groups: ["finance"], tokenHashes: ["0".repeat(64)] }

const read = Effect.fnUntraced(function*(content: unknown) {
  const file = join(yield* folder, "panel.json")
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content))
  return yield* Effect.mapError(
    readPanel(file),
    ({ _tag, message }) => ({ _tag, message: message.replaceAll(file, "FILE") })
  )
})

const action = (fields: Partial<Approvals.PendingAction>) =>
  new Approvals.PendingAction({
    actionId: ActionId.ActionId.make("a-1"),
    agentId: "refund-bot",
    tool: "stripe",
    method: "refund",
    params: {},
    violations: [],
    severity: "none",
    createdAt: DateTime.makeUnsafe(0),
    ...fields
  })

const test = (title: string, effect: Effect.Effect<void, unknown, Effect.Services<ReturnType<typeof read>>>) =>
  it.effect(title, () => Effect.provide(Effect.scoped(effect), NodeFileSystem.layer))

describe("the file of a panel", () => {
  test(
    "has every rule in short, and conditions that all have to hold",
    Effect.gen(function*() {
      const { agentTokenHashes, oidc, reviewers, rules } = yield* read({
        reviewers: [entry],
        rules: [
          {
            when: { tool: "stripe", above: { "order.amount": 1000 } },
            rule: {
              quorum: 2,
              groups: "finance",
              rejections: 2,
              escalate: { after: "15m", groups: "board" },
              remind: "10m",
              veto: ["security"],
              changes: true,
              deadline: "45m"
            }
          },
          {
            when: { tool: ["db", "disk"], method: "drop", agent: "ops-bot" },
            rule: { firstThen: ["support", { allOf: ["engineering", ["board", "legal"]], changes: "legal" }] }
          },
          { when: {}, rule: ["support", "finance"] }
        ],
        otherwise: "finance",
        owners: { "refund-bot": ["rob"] },
        delegations: [{ from: "ann", to: "bob", groups: ["finance"], until: "2030-01-01T00:00:00.000Z" }]
      })
      const { allOf, allowChanges, anyOf, deadline, escalateAfter, firstThen, quorum, remindAfter, veto } = ReviewRules
      assert.deepStrictEqual(rules.rules.map(({ rule }) => rule), [
        deadline("45 minutes")(
          veto("security")(
            allowChanges()(
              remindAfter("10 minutes")(
                escalateAfter("15 minutes", "board")(quorum(2, "finance", { rejections: 2 }))
              )
            )
          )
        ),
        firstThen("support", allowChanges("legal")(allOf("engineering", anyOf("board", "legal")))),
        anyOf("support", "finance")
      ])
      const ruleFor = (fields: Partial<Approvals.PendingAction>) =>
        rules.rules.findIndex(({ when }) => when.matches(action(fields)))
      assert.deepStrictEqual([
        ruleFor({ params: { order: { amount: 1001 } } }),
        ruleFor({ params: { order: { amount: 1000 } } }),
        ruleFor({ params: { order: { amount: "5" } } }),
        ruleFor({ tool: "disk", method: "drop", agentId: "ops-bot" }),
        ruleFor({ tool: "disk", method: "drop" })
      ], [0, 2, 0, 1, 2])
      assert.deepStrictEqual(rules.requesters(action({})), ["rob"])
      assert.strictEqual(rules.delegations.length, 1)
      assert.deepStrictEqual([reviewers, oidc, agentTokenHashes], [[entry], undefined, []])
    })
  )

  test(
    "is refused with what is wrong in it, and where",
    Effect.gen(function*() {
      const good = { reviewers: [entry], otherwise: "finance" }
      const cases: ReadonlyArray<readonly [content: unknown, message: RegExp]> = [
        ["{", /--panel: FILE cannot be used \(/],
        [{}, /otherwise: /],
        [{ reviewers: [entry] }, /otherwise: /],
        [{ otherwise: "finance" }, /reviewers: name some, with hashes of their tokens/],
        [{ ...good, rule: [] }, /rule: /],
        [{ ...good, otherwise: "" }, /otherwise/],
        [{ ...good, otherwise: [] }, /otherwise/],
        [{ ...good, otherwise: { quorum: 0, groups: "finance" } }, /otherwise/],
        [{ ...good, otherwise: { quorum: 1, groups: "finance", changes: false } }, /otherwise/],
        [{ ...good, otherwise: { quorum: 2, groups: "finance", deadline: "2h" } }, /otherwise/],
        [{ ...good, otherwise: { quorum: 2, groups: "finance", deadline: "soon" } }, /otherwise/],
        [{ ...good, rules: [{ when: { tools: "x" }, rule: "finance" }] }, /rules: 0: when: tools/],
        [{ ...good, rules: [{ when: {} }] }, /rules: 0: rule/],
        [{ ...good, owners: { bot: ["no id"] } }, /owners: bot: 0: /],
        [{ ...good, delegations: [{ from: "ann" }] }, /delegations: 0: /],
        [{ ...good, agentTokenHashes: ["x"] }, /agentTokenHashes: 0: .*SHA-256/],
        [{ ...good, reviewers: [{ ...entry, tokenHashes: ["x"] }] }, /reviewers: 0: tokenHashes: 0: .*SHA-256/],
        [{ ...good, reviewers: [{ ...entry, token: "in the clear" }] }, /reviewers: 0: token: /]
      ]
      for (const [content, message] of cases) {
        const error = yield* Effect.flip(read(content))
        assert.strictEqual(error._tag, "Usage")
        assert.match(error.message, message)
        assert.notInclude(error.message, "in the clear")
      }
      const missing = yield* Effect.flip(readPanel("/no/such/panel.json"))
      assert.strictEqual(missing._tag, "FileFailed")
    })
  )
})
