import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { Approvals, Ballots, Deliveries, ReviewPanel, SlackAuthenticator, SlackInteractions } from "effect-vargate"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { botToken, signingSecret, type Slack, teamId } from "../support/slack.ts"
import { inProcess } from "../support/worlds.ts"
import { minute, signer } from "./ballots.ts"
import { clientOf, hold, listen, makeProcess, makeSlack, type Needs, until, users } from "./slack.ts"

const test = (title: string, effect: Effect.Effect<void, unknown, Needs | Scope.Scope>) =>
  it.effect(title, () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(minute(0).epochMilliseconds)
      const world = inProcess({
        tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }],
        tools: { "db/delete": () => Effect.succeed("gone") }
      })
      yield* Effect.provide(effect, Layer.mergeAll(Ballots.layerMemory, Deliveries.layerMemory, signer, world))
    }))

const votesOf = (panel: ReviewPanel.ReviewPanel["Service"]) =>
  Effect.map(panel.list(), ([ballot]) => ballot!.votes.map(({ choice, reviewerId }) => `${reviewerId} ${choice}`))

/** A pending action, announced, with a panel that takes what is pressed. */
const announced = Effect.gen(function*() {
  const slack = yield* makeSlack()
  const { panel, sweep } = yield* makeProcess(slack)
  const vote = yield* hold(1)
  yield* sweep
  const route = yield* listen(slack, panel)
  const press = (user: string, action: string) => route.send(slack.pressed(user, slack.posted[0]!, action))
  const told = (count: number) => until(() => slack.ephemeral.length >= count)
  return { ...route, slack, panel, sweep, vote, press, told }
})

describe("SlackInteractions", () => {
  test(
    "makes votes of what reviewers press, and tells each of theirs",
    Effect.gen(function*() {
      const { panel, press, slack, sweep, told, vote } = yield* announced
      assert.strictEqual(yield* press("UANN", "vargate_approve"), 200)
      yield* told(1)
      yield* sweep
      assert.strictEqual(yield* press("UBOB", "vargate_approve"), 200)
      yield* told(2)
      assert.deepStrictEqual(yield* votesOf(panel), ["ann approve", "bob approve"])
      assert.deepStrictEqual(slack.ephemeral, [
        { user: "UANN", text: "Your vote to approve counts. The action is still pending." },
        { user: "UBOB", text: "Your vote to approve counts. The action is approved." }
      ])
      const outcome = yield* Approvals.Approvals.use((approvals) => approvals.outcome(vote.actionId))
      assert.strictEqual(outcome._tag, "Approved")
      yield* sweep
      assert.match(slack.posted[0]!.text, /^Approved: /)
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "asks for a note before a rejection",
    Effect.gen(function*() {
      const { panel, post, send, slack, told } = yield* announced
      const pressed = slack.pressed("UANN", slack.posted[0]!, "vargate_reject")
      assert.strictEqual(yield* post(slack.request(pressed)), 200)
      yield* until(() => slack.views.length === 1)
      // Slack has not seen the answer: the dialog is not opened again.
      assert.strictEqual(yield* post(slack.request(pressed, { retry: 1 })), 200)
      assert.deepStrictEqual(yield* votesOf(panel), [])
      assert.strictEqual(yield* send(slack.submitted("UANN", "too much")), 200)
      yield* told(1)
      assert.deepStrictEqual(yield* votesOf(panel), ["ann reject"])
      const [ballot] = yield* panel.list()
      yield* send(slack.submitted("UBOB", "\u{1F600}".repeat(1_500)))
      yield* told(2)
      assert.match(slack.ephemeral[1]!.text, /more than 2,000 characters/)
      assert.deepStrictEqual([ballot!.votes[0]!.note, ballot!.outcome?.result], ["too much", "rejected"])
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "believes no name, no other team, and no requester",
    Effect.gen(function*() {
      const { panel, press, send, slack, told } = yield* announced
      yield* press("UEVE", "vargate_approve")
      yield* told(1)
      yield* press("UROB", "vargate_approve")
      yield* told(2)
      const message = slack.posted[0]!
      yield* send(slack.pressed("UANN", message, "vargate_approve", { user: { id: "UANN", team_id: "T0666" } }))
      yield* told(3)
      // The display name of a user is `ann` here.
      yield* send(slack.pressed("UNEW", message, "vargate_approve"))
      yield* told(4)
      assert.deepStrictEqual(yield* votesOf(panel), [])
      assert.deepStrictEqual(slack.ephemeral.map(({ text }) => /not known|asked for an action/.exec(text)?.[0]), [
        "not known",
        "asked for an action",
        "not known",
        "not known"
      ])
    })
  )

  test(
    "answers before the vote is cast, and casts one where Slack sends again or a request is replayed",
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const { panel, sweep } = yield* makeProcess(slack)
      yield* hold(1)
      yield* sweep
      let go: () => void = () => {}
      const gate = Effect.promise(() => new Promise<void>((done) => go = done))
      let begun = 0
      const slow: ReviewPanel.ReviewPanel["Service"] = {
        ...panel,
        vote: (reviewer, request) =>
          Effect.suspend(() => {
            begun++
            return Effect.andThen(gate, panel.vote(reviewer, request))
          })
      }
      const { post } = yield* listen(slack, slow)
      const payload = slack.pressed("UANN", slack.posted[0]!, "vargate_approve")
      assert.strictEqual(yield* post(slack.request(payload)), 200)
      yield* until(() => begun === 1)
      assert.strictEqual(yield* post(slack.request(payload, { retry: 1 })), 200)
      assert.deepStrictEqual(yield* votesOf(panel), [])
      go()
      yield* until(() => slack.ephemeral.length === 1)
      assert.deepStrictEqual(yield* votesOf(panel), ["ann approve"])
      // Ann changes her mind; the first request, replayed, does not change it back.
      const { send } = yield* listen(slack, panel)
      yield* send(slack.pressed("UANN", slack.posted[0]!, "vargate_reject"))
      yield* until(() => slack.views.length === 1)
      yield* TestClock.adjust("2 minutes")
      for (const retry of [2, 3]) assert.strictEqual(yield* post(slack.request(payload, { retry })), 200)
      yield* send(slack.submitted("UANN", null))
      yield* until(() => slack.ephemeral.length === 2)
      assert.deepStrictEqual(yield* votesOf(panel), ["ann approve", "ann reject"])
      assert.strictEqual(begun, 1)
    })
  )

  test(
    "refuses what is forged, old, of the future, unsigned, or no form",
    Effect.gen(function*() {
      const { panel, post, slack } = yield* announced
      const payload = () => slack.pressed("UANN", slack.posted[0]!, "vargate_approve")
      const now = minute(0).epochMilliseconds / 1000
      assert.strictEqual(yield* post(slack.request(payload(), { secret: "another secret of 20" })), 401)
      assert.strictEqual(yield* post(slack.request(payload(), { timestamp: now - 301 })), 400)
      assert.strictEqual(yield* post(slack.request(payload(), { timestamp: now + 301 })), 400)
      const signed = slack.request(payload())
      const unsigned = new Request(signed.url, { method: "POST", body: yield* Effect.promise(() => signed.text()) })
      unsigned.headers.set("content-type", "application/x-www-form-urlencoded")
      assert.strictEqual(yield* post(unsigned), 401)
      // Another body under the signature of the first.
      const headers = slack.request(payload()).headers
      const body = String(new URLSearchParams({ payload: JSON.stringify(payload()) }))
      assert.strictEqual(yield* post(new Request(signed.url, { method: "POST", headers, body })), 401)
      assert.strictEqual(yield* post(slack.request({}, { body: "payload=%7B" })), 400)
      assert.strictEqual(yield* post(slack.request({}, { body: "payload=3" })), 400)
      assert.strictEqual(yield* post(new Request(signed.url)), 405)
      assert.strictEqual(yield* post(new Request(signed.url, { method: "POST", body: "{}" })), 415)
      assert.strictEqual(yield* post(slack.request({}, { body: `payload=${"x".repeat(1_100_000)}` })), 413)
      assert.deepStrictEqual(yield* votesOf(panel), [])
    })
  )

  test(
    "counts no vote on something else than was shown, and answers whatever else users do",
    Effect.gen(function*() {
      const { panel, send, slack, told } = yield* announced
      const message = slack.posted[0]!
      const pressed = (value: string) =>
        slack.pressed("UANN", message, "vargate_approve", { actions: [{ action_id: "vargate_approve", value }] })
      const [ballot] = yield* panel.list()
      yield* send(pressed(`${"0".repeat(64)} ${ballot!.opening.actionId}`))
      yield* told(1)
      assert.match(slack.ephemeral[0]!.text, /has other params/)
      for (const value of ["", "x", `${"0".repeat(64)} ../..`]) assert.strictEqual(yield* send(pressed(value)), 200)
      assert.strictEqual(yield* send({ type: "shortcut" }), 200)
      assert.strictEqual(yield* send({ type: "block_actions", user: { id: "UANN" } }), 200)
      assert.deepStrictEqual([yield* votesOf(panel), slack.ephemeral.length], [[], 1])
      // Nothing is sent to an address that is not Slack's.
      const calls = slack.calls.length
      yield* send(slack.pressed("UANN", message, "vargate_approve", { response_url: "https://slack.com.evil.example" }))
      yield* Effect.repeat(votesOf(panel), { until: (votes) => votes.length === 1 })
      assert.deepStrictEqual([slack.calls.length, slack.faults], [calls, []])
    })
  )

  it.effect("is not made with a short secret, and without one takes no request from a port", () =>
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const make = (options: Partial<SlackInteractions.Options>) =>
        Layer.build(Layer.fresh(SlackInteractions.layer({ token: Redacted.make(botToken), ...options }))).pipe(
          Effect.map((context) => Effect.runSync(Effect.provide(SlackInteractions.SlackInteractions, context)))
        )
      yield* Effect.gen(function*() {
        const error = yield* Effect.flip(make({ signingSecret: Redacted.make("short") }))
        assert.strictEqual(error.reason._tag, "InvalidRequest")
        const { receive } = yield* make({})
        const timestamp = "1"
        const signature = `v0=${"0".repeat(64)}`
        const refused = yield* Effect.flip(receive({ rawBody: new Uint8Array(), timestamp, signature }))
        assert.strictEqual(refused.refusal, "Unsigned")
      }).pipe(
        Effect.provide(Layer.mergeAll(users, Deliveries.layerMemory)),
        Effect.provideService(HttpClient.HttpClient, clientOf(slack)),
        Effect.provide(panelOf)
      )
      assert.isAbove(signingSecret.length, 16)
    }))
})

/** A panel that is not asked. */
const panelOf = Layer.unwrap(
  Effect.gen(function*() {
    const slack = yield* makeSlack()
    const { panel } = yield* makeProcess(slack)
    return Layer.succeed(ReviewPanel.ReviewPanel, panel)
  })
).pipe(Layer.provide(Layer.mergeAll(Ballots.layerMemory, Deliveries.layerMemory, signer, inProcess())))

describe("SlackAuthenticator", () => {
  const authenticate = (
    layer: Layer.Layer<SlackAuthenticator.SlackAuthenticator, unknown>,
    userId: string,
    team = teamId
  ) =>
    Effect.provide(
      SlackAuthenticator.SlackAuthenticator.use(({ authenticate }) => authenticate({ teamId: team, userId })),
      layer
    )

  it.effect("knows users by the address that Slack has confirmed", () =>
    Effect.gen(function*() {
      const slack: Slack = yield* makeSlack()
      slack.addUser("UOPEN", "ann@example.com", { is_email_confirmed: false })
      slack.addUser("UGONE", "ann@example.com", { deleted: true })
      slack.addUser("UBOT", "ann@example.com", { is_bot: true })
      slack.addUser("UFAR", "ann@example.com", { team_id: "T0666" })
      const emails = SlackAuthenticator.layerEmails({
        token: Redacted.make(botToken),
        teamId,
        reviewers: [{ id: "ann", name: "Ann", groups: ["finance"], email: "Ann@Example.com" }]
      }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, clientOf(slack))))
      assert.strictEqual((yield* authenticate(emails, "UANN")).id, "ann")
      for (const user of ["UBOB", "UOPEN", "UGONE", "UBOT", "UFAR", "UNONE"]) {
        const error = yield* Effect.flip(authenticate(emails, user))
        assert.match(String(error), /The reviewer is not known/, user)
      }
      yield* Effect.flip(authenticate(emails, "UANN", "T0666"))
      slack.state.isAway = true
      yield* Effect.flip(authenticate(emails, "UANN"))
      assert.deepStrictEqual(slack.faults, [])
    }))

  it.effect("is not made of a table that is not valid", () =>
    Effect.gen(function*() {
      const ann = { id: "ann", name: "Ann", groups: ["finance"], userId: "UANN" }
      const bad: ReadonlyArray<Parameters<typeof SlackAuthenticator.layerUsers>[0]> = [
        { teamId: "acme", reviewers: [ann] },
        { teamId, reviewers: [{ ...ann, userId: "ann" }] },
        { teamId, reviewers: [ann, { ...ann, userId: "UBOB" }] },
        { teamId, reviewers: [ann, { ...ann, id: "bob" }] }
      ]
      for (const options of bad) {
        const error = yield* Effect.flip(Layer.build(SlackAuthenticator.layerUsers(options)))
        assert.strictEqual(error.reason._tag, "InvalidRequest")
      }
    }))
})
