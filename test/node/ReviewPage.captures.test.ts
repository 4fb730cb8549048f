/**
 * A panel's page over the hosted gateway as it was measured: what answers are captured exchanges, chosen by route and state.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Ballots, ReviewPanel, ReviewRules, Vargate } from "effect-vargate"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { TestClock } from "effect/testing"
import { type Capture, hasCaptures, index, reason, routes } from "../conformance/captures.ts"
import { signer } from "../reviews/ballots.ts"
import { browse, reviewers } from "./reviewPageClient.ts"

const gatewayKey = "a-key-of-the-hosted-gateway"

const capture = (file: string): Capture => {
  const found = Object.values(routes).flat().find((one) => one.file === file)
  if (found === undefined) throw new Error(`${file} is not among ${index.length} captures`)
  return found
}

const step = (file: string) => {
  const { headers, status, text } = capture(file)
  return ScriptedTransport.text(status, text, { "content-type": headers["content-type"]! })
}

const ids = {
  approved: "1d0cfa01-6a0d-46fe-be3d-b1c8662f07fa",
  rejected: "0a44b8e8-4d45-4455-9021-4f2f0b6ac686",
  expired: "bab451e9-a749-448e-a960-013f9338bf85",
  risky: "19eb31f0-4c16-4544-9364-56520840d059"
}

/** Five actions wait, until a decision was asked for; then the history is that of the captures. */
const hosted = (decision: Readonly<Record<string, string>>) => {
  let isDecided = false
  return ScriptedTransport.layer(({ method, path }) => {
    const route = path.replace(/\?.*$/, "")
    if (method === "GET" && route === "/approvals") {
      return step(isDecided ? "approvals/list-expires-timed-out.json" : "approvals/list.json")
    }
    if (method === "GET" && route === "/approvals/history") {
      return step(isDecided ? "approvals/history.json" : "approvals/history-empty.json")
    }
    if (method === "GET" && route === "/audit/log") return step("approvals/audit-log-after.json")
    const file = decision[`${method} ${route}`]
    if (file === undefined) return undefined
    isDecided = true
    return step(file)
  })
}

const rules = ReviewRules.make({ otherwise: ReviewRules.quorum(2, "finance") })

const world = (decision: Readonly<Record<string, string>>) =>
  Layer.merge(Layer.effect(ReviewPanel.ReviewPanel, ReviewPanel.make({ rules })), reviewers).pipe(
    Layer.provide([Ballots.layerMemory, signer]),
    Layer.provideMerge(Vargate.layerOperator({ apiKey: gatewayKey, url: "https://hosted.example" })),
    Layer.provideMerge(hosted(decision))
  )

const posts = Effect.map(
  ScriptedTransport.ScriptedTransport.use(({ requests }) => requests),
  (requests) => requests.filter(({ method }) => method === "POST")
)

/** Ann and Bob vote the same at the page; what Bob sees then. */
const decide = Effect.fnUntraced(function*(actionId: string, choice: "approve" | "reject") {
  yield* TestClock.setTime(Date.parse("2026-11-23T00:32:05Z"))
  yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
  const [ann, bob] = [yield* browse(), yield* browse()]
  yield* ann.logIn("ann")
  yield* bob.logIn("bob")
  const { body: { digest } } = yield* ann.send("GET", `/reviews/${actionId}`)
  const body = { digest, choice }
  const path = `/reviews/${actionId}/votes`
  const first = yield* ann.send("POST", path, { body })
  assert.deepStrictEqual([first.status, (yield* posts).length], [200, 0])
  const last = yield* bob.send("POST", path, { body })
  for (const { state } of [ann, bob]) {
    for (const text of state.texts) assert.notInclude(text, gatewayKey)
  }
  return { status: last.status, review: last.body, history: (yield* bob.send("GET", "/panel/history")).body }
})

const cases = (
  title: string,
  decision: Readonly<Record<string, string>>,
  body: Effect.Effect<void, unknown, Layer.Success<ReturnType<typeof world>>>
) =>
  it.effect.skipIf(!hasCaptures)(
    hasCaptures ? title : `${title} (${reason})`,
    () => Effect.provide(body, hasCaptures ? world(decision) : Layer.empty as never)
  )

describe("ReviewPage over the hosted gateway's captured answers", () => {
  cases(
    "tells the gateway once, with the digest of the votes in the note",
    { [`POST /approve/${ids.approved}`]: "approvals/approve-200-executed.json" },
    Effect.gen(function*() {
      const { history, review, status } = yield* decide(ids.approved, "approve")
      assert.deepStrictEqual([status, review.state], [200, "ended"])
      assert.deepInclude(review.outcome, { result: "approved", byPanel: true })
      const [sent, ...others] = yield* posts
      assert.deepStrictEqual([sent!.path, others], [`/approve/${ids.approved}`, []])
      const { note } = sent!.body as { readonly note: string }
      assert.match(note, /^review-panel\/1 approve sha256:[0-9a-f]{64} ann, bob$/)
      assert.strictEqual(review.outcome.note, note)
      assert.deepStrictEqual(history.entries[0].actionId, ids.approved)
    }).pipe(Effect.scoped)
  )

  cases(
    "rejects with the note of the votes",
    { [`POST /reject/${ids.rejected}`]: "approvals/reject-200.json" },
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-11-23T00:32:05Z"))
      yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
      const ann = yield* browse()
      yield* ann.logIn("ann")
      const { body: { digest } } = yield* ann.send("GET", `/reviews/${ids.rejected}`)
      const { body } = yield* ann.send("POST", `/reviews/${ids.rejected}/votes`, {
        body: { digest, choice: "reject", note: "too much" }
      })
      assert.deepInclude(body.outcome, { result: "rejected", byPanel: true })
      assert.match(JSON.stringify((yield* posts)[0]!.body), /review-panel\/1 reject sha256:[0-9a-f]{64} ann"/)
    }).pipe(Effect.scoped)
  )

  for (
    const [title, id, answer, outcome] of [
      ["was approved elsewhere", ids.approved, "approvals/approve-409-already-approved.json", "approved"],
      ["was rejected elsewhere", ids.rejected, "approvals/approve-409-already-rejected.json", "rejected"],
      ["has expired", ids.expired, "approvals/approve-409-expired.json", "expired"],
      ["had expired before", ids.expired, "approvals/approve-409-expired-again.json", "expired"]
    ] as const
  ) {
    cases(
      `ends the ballot on what ${title}, with what the gateway says of it`,
      { [`POST /approve/${id}`]: answer },
      Effect.gen(function*() {
        const { history, review, status } = yield* decide(id, "approve")
        assert.deepStrictEqual([status, review.state], [200, "ended"])
        assert.deepInclude(review.outcome, { result: outcome, byPanel: false })
        assert.strictEqual((yield* posts).length, 1)
        yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
        assert.strictEqual((yield* posts).length, 1)
        assert.deepInclude(history.entries[0].outcome, { result: outcome, byPanel: false })
      }).pipe(Effect.scoped)
    )
  }

  cases(
    "shows what made an action pending there, where no violation does",
    {},
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-11-23T00:32:05Z"))
      yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
      const ann = yield* browse()
      yield* ann.logIn("ann")
      const { body } = yield* ann.send("GET", `/reviews/${ids.risky}`)
      assert.deepStrictEqual([body.violations, body.reasons], [[], ["large_params", "off_hours"]])
      // The log keeps personal data of the approved call encrypted.
      const { body: { previous } } = yield* ann.send("GET", `/panel/previous/${ids.expired}`)
      assert.match(JSON.stringify(previous), /ENCRYPTED/)
    }).pipe(Effect.scoped)
  )
})
