import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import {
  Approvals,
  Ballots,
  ReviewPanel,
  ReviewRules,
  Reviews,
  ToolCalls,
  type Vargate,
  VoteSigner
} from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import type { HttpClient } from "effect/http"
import { join } from "node:path"
import { BallotEntry, EvidenceVerdict, ReviewVerdict } from "../../src/cli/Output.ts"
import { reviewer, signer } from "../reviews/ballots.ts"
import { decodeLines, run, type RunOptions } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const [ann, bob] = [reviewer("ann", "finance"), reviewer("bob", "finance")]

const hold = (n: number) =>
  Effect.gen(function*() {
    const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "drop", params: { n } })
    const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
    const action = pending.find((action) => action.actionId === actionId)!
    return { actionId: action.actionId, digest: ReviewPanel.digest(action) }
  })

/** A panel on a file, with one action that it has approved and one that needs another vote. */
const panelOnDisk = Effect.gen(function*() {
  const filename = join(yield* folder, "reviews.db")
  const context = yield* Layer.build(Layer.merge(BallotsSql.layerSqlite({ filename }), signer))
  const panel = yield* Effect.provide(
    ReviewPanel.make({ rules: ReviewRules.make({ otherwise: ReviewRules.quorum(2, "finance") }) }),
    context
  )
  const [approved, open] = [yield* hold(1), yield* hold(2)]
  yield* panel.vote(ann, { ...approved, choice: "approve" })
  yield* panel.vote(bob, { ...approved, choice: "approve", note: "known customer" })
  yield* panel.vote(ann, { ...open, choice: "approve" })
  const { publicKey } = yield* Effect.provide(VoteSigner.VoteSigner, context)
  const ballots = yield* Effect.provide(Ballots.Ballots, context)
  const reviews = (args: ReadonlyArray<string>, options: RunOptions = {}) =>
    run(["reviews", ...args, "--data", filename], { hasFiles: true, ...options })
  return { approved, ballots, filename, open, publicKey, reviews }
})

type Needs = GatewayMemory.GatewayMemory | Vargate.OperatorServices | HttpClient.HttpClient | Scope.Scope

const test = (title: string, effect: Effect.Effect<void, unknown, Needs>) =>
  it.effect(title, () => Effect.provide(effect, GatewayMemory.layer()))

describe("reviews", () => {
  test(
    "lists ballots, all or those that are open",
    Effect.gen(function*() {
      const { open, reviews } = yield* panelOnDisk
      const all = yield* reviews(["list"], { columns: 100 })
      assert.match(all.out, /^ACTION +CALL +STATE +VOTES +SINCE\n/)
      assert.match(all.out, /db\/drop +approved +2 /)
      assert.match(all.out, /db\/drop +open +1 /)
      const left = yield* reviews(["list", "--open", "--json"])
      assert.deepStrictEqual(
        decodeLines(BallotEntry, left.out).map(({ opening }) => opening.actionId),
        [open.actionId]
      )
    })
  )

  test(
    "shows who voted, and what is still needed",
    Effect.gen(function*() {
      const { approved, open, reviews } = yield* panelOnDisk
      const done = yield* reviews(["status", approved.actionId])
      assert.match(done.out, /Vote +approve bob .*known customer/)
      assert.match(done.out, /Approved by ann and bob\./)
      const needed = yield* reviews(["status", open.actionId.slice(0, 8)])
      assert.match(needed.out, /Needs 2 of finance\.\n2 of finance: approved by ann\./)
      const none = yield* reviews(["status", "zzz"])
      assert.deepStrictEqual([none.code, /no ballot on an action/.test(none.err)], [2, true])
    })
  )

  test(
    "verifies ballots against the log, and ends with 1 where an approval has none",
    Effect.gen(function*() {
      const { publicKey, reviews } = yield* panelOnDisk
      const good = yield* reviews(["verify", "--key", publicKey])
      assert.match(good.out, /✓ ballots and log agree: 2 ballots, 3 votes, 1 approval by votes/)
      assert.strictEqual(good.code, 0)
      const { actionId } = yield* hold(3)
      const alone = yield* run(["approvals", "approve", actionId, "--yes"])
      assert.match(alone.err, /A review panel decides here/)
      const bad = yield* reviews(["verify", "--key", publicKey])
      assert.match(bad.out, new RegExp(`WithoutBallot +${actionId}: approved in the log`))
      assert.strictEqual(bad.code, 1)
      const [report] = decodeLines(ReviewVerdict, (yield* reviews(["verify", "--key", publicKey, "--json"])).out)
      assert.deepStrictEqual([report!.valid, report!.findings.map(({ fault }) => fault)], [false, ["WithoutBallot"]])
      const other = yield* reviews(["verify", "--key", "A".repeat(43)])
      assert.match(other.out, /BrokenBallot .*not signed by a trusted key/)
      const keyless = yield* reviews(["verify"])
      assert.strictEqual(keyless.code, 2)
    })
  )

  test(
    "puts ballots into evidence, where others verify them by the panel's public key",
    Effect.gen(function*() {
      const { filename, publicKey } = yield* panelOnDisk
      const file = join(yield* folder, "evidence.json")
      const written = yield* run(["evidence", "export", file, "--ballots", filename], { hasFiles: true })
      assert.strictEqual(written.code, 0)
      const verify = (...more: ReadonlyArray<string>) => run(["evidence", "verify", file, ...more], { hasFiles: true })
      const plain = yield* verify()
      assert.match(plain.out, /Ballots +2 in it, verified by the panel's public keys alone/)
      const good = yield* verify("--ballot-key", publicKey)
      assert.match(good.out, /✓ ballots and log agree: 2 ballots, 3 votes, 1 approval by votes/)
      const bad = yield* verify("--ballot-key", "A".repeat(43), "--json")
      assert.strictEqual(bad.code, 1)
      const [{ report, reviews }] = decodeLines(EvidenceVerdict, bad.out) as [typeof EvidenceVerdict.Type]
      assert.deepStrictEqual([report.valid, reviews?.valid], [true, false])
    })
  )

  test(
    "says nothing of a panel where there is none, and what is missing where there is no file",
    Effect.gen(function*() {
      const { actionId } = yield* hold(1)
      yield* Reviews.Reviews.use(({ reject }) => Effect.flatMap(hold(2), ({ actionId }) => reject(actionId, "no")))
      const alone = yield* run(["approvals", "approve", actionId, "--yes"])
      assert.notMatch(alone.err, /panel/)
      const missing = yield* run(["reviews", "list", "--data", "/nowhere/reviews.db"], { hasFiles: true })
      assert.strictEqual(missing.code, 11)
      const unset = yield* run(["reviews", "list"], { hasFiles: true })
      assert.match(unset.err, /VARGATE_POSTGRES_URL, to say where the ballots are/)
    })
  )
})
