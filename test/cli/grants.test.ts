import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Ballots, Grants, ReviewPanel, ReviewRules, ToolCalls, VoteSigner } from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import * as GrantsSql from "effect-vargate/node/GrantsSql"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { GrantLine, ReviewVerdict } from "../../src/cli/Output.ts"
import { reviewer, signer } from "../reviews/ballots.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const ann = reviewer("ann", "finance")

/** A panel on a file, with a grant that it has used once. */
const panelOnDisk = Effect.gen(function*() {
  const filename = join(yield* folder, "reviews.db")
  const context = yield* Layer.build(
    Layer.provideMerge(
      Grants.layer,
      Layer.mergeAll(BallotsSql.layerSqlite({ filename }), GrantsSql.layerSqlite({ filename }), signer)
    )
  )
  const panel = yield* Effect.provide(
    ReviewPanel.make({ rules: ReviewRules.make({ otherwise: ReviewRules.anyOf("finance") }) }),
    context
  )
  const { grant } = Context.get(context, Grants.Grants)
  const made = yield* grant(ann, {
    agentId: "bot",
    tool: "db",
    method: "drop",
    params: { n: Grants.range(0, 50), to: Grants.oneOf("a", "b"), why: Grants.any },
    count: 5,
    budgets: [{ sum: "n", per: "day", max: 500 }],
    expiresIn: "7 days",
    note: "small ones"
  })
  yield* ToolCalls.decide({
    tool: "db",
    method: "drop",
    params: { n: 1, to: "a", why: "x" },
    agent: { id: "bot" }
  })
  yield* panel.sweep
  const { publicKey } = Context.get(context, VoteSigner.VoteSigner)
  const cli = (args: ReadonlyArray<string>) => run([...args, "--data", filename], { hasFiles: true, columns: 120 })
  return { cli, filename, made, panel, publicKey, ballots: Context.get(context, Ballots.Ballots) }
})

describe("grants", () => {
  it.effect("are listed, shown with their uses, and revoked", () =>
    Effect.gen(function*() {
      const { cli, made, panel } = yield* panelOnDisk
      const listed = yield* cli(["grants", "list"])
      assert.match(listed.out, /db\/drop +bot +ann +in force +1 of 5/)
      const shown = yield* cli(["grants", "show", made.id.slice(0, 8)])
      assert.match(shown.out, /n: 0 to 50, to: one of "a", "b", why: anything/)
      assert.match(shown.out, /500 of n per day/)
      const revoked = yield* cli(["grants", "revoke", made.id.slice(0, 8), "--by", "bob", "--json"])
      assert.deepInclude(decodeLines(GrantLine, revoked.out)[0], { revokedBy: "bob", uses: 1 })
      const again = yield* cli(["grants", "revoke", made.id, "--by", "bob"])
      assert.deepStrictEqual([again.code, /was revoked before/.test(again.err)], [2, true])
      assert.match((yield* cli(["grants", "list"])).err, /No grant is in force; --all lists those that are over/)
      assert.match((yield* cli(["grants", "list", "--all"])).out, /revoked by bob/)
      assert.strictEqual((yield* cli(["grants", "show", "zzz"])).code, 2)
      const decision = yield* ToolCalls.decide({
        tool: "db",
        method: "drop",
        params: { n: 2, to: "a", why: "x" },
        agent: { id: "bot" }
      })
      yield* panel.sweep
      assert.deepStrictEqual((yield* panel.status(decision.actionId))!.ballot.votes, [])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("are put into evidence with the ballots, and verified there", () =>
    Effect.gen(function*() {
      const { filename, publicKey } = yield* panelOnDisk
      const file = join(yield* folder, "evidence.json")
      yield* run(["evidence", "export", file, "--ballots", filename], { hasFiles: true })
      const verify = run(["evidence", "verify", file, "--ballot-key", publicKey], { hasFiles: true })
      const good = yield* verify
      assert.deepStrictEqual([good.code, /1 approval by votes/.test(good.out)], [0, true], good.err)
      const content = JSON.parse(readFileSync(file, "utf8"))
      assert.lengthOf(content.grants, 1)
      // A grant that was made wider is not the one that was signed.
      content.grants[0].grant.params = { n: { _tag: "Any" }, to: { _tag: "Any" }, why: { _tag: "Any" } }
      writeFileSync(file, JSON.stringify(content))
      const forged = yield* verify
      assert.deepStrictEqual([forged.code, /OtherGrant/.test(forged.out)], [1, true], forged.out)
      delete content.grants
      writeFileSync(file, JSON.stringify(content))
      assert.match((yield* verify).out, /OtherGrant/)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("are known to reviews verify, from the database of the panel", () =>
    Effect.gen(function*() {
      const { cli, publicKey } = yield* panelOnDisk
      const verified = yield* cli(["reviews", "verify", "--key", publicKey, "--json"])
      assert.deepInclude(decodeLines(ReviewVerdict, verified.out)[0], { valid: true, approvals: 1, findings: [] })
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
