import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { Ballots, Deliveries, Redaction, type ReviewChannel, SlackChannel } from "effect-vargate"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { botToken, channelId, shownOf } from "../support/slack.ts"
import { inProcess } from "../support/worlds.ts"
import { minute, reviewer, signer } from "./ballots.ts"
import { clientOf, hold, makeProcess, makeSlack, type Needs } from "./slack.ts"

const [ann, bob] = [reviewer("ann", "finance"), reviewer("bob", "finance")]

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

const notice: ReviewChannel.ReviewNotice = {
  id: "d1",
  kind: "pending",
  actionId: "a1",
  digest: "0".repeat(64),
  agentId: "bot",
  tool: "db",
  method: "delete",
  params: {},
  violations: [],
  createdAt: minute(0),
  timeoutAt: minute(60),
  votes: [],
  needs: [],
  outcome: null
}

describe("SlackChannel", () => {
  test(
    "has one message for an action, which is edited after votes and at the end, with reminders in its thread",
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const { panel, sweep } = yield* makeProcess(slack, { reviewUrl: "https://panel.example.com" })
      const vote = yield* hold(1)
      yield* sweep
      yield* sweep
      const [message] = slack.posted
      assert.match(shownOf(message!), /^Review needed\n\ndb\/delete by /)
      assert.match(shownOf(message!), /"n": 1/)
      assert.match(shownOf(message!), /Needs 2 of finance/)
      assert.match(shownOf(message!), /\[Approve\]\n\[Reject\]\n\[Open\]$/)
      yield* panel.vote(ann, { ...vote, choice: "approve" })
      yield* sweep
      assert.match(shownOf(message!), /ann approved/)
      assert.match(shownOf(message!), /\[Approve\]/)
      yield* TestClock.adjust("10 minutes")
      yield* sweep
      yield* sweep
      const inThread = slack.messages.filter(({ threadTs }) => threadTs === message!.ts)
      assert.deepStrictEqual(inThread.map(({ text }) => text), ["Still pending: db/delete by effect-agent"])
      yield* panel.vote(bob, { ...vote, choice: "approve" })
      yield* sweep
      yield* sweep
      assert.match(shownOf(message!), /^Approved\n\ndb\/delete by /)
      assert.notMatch(shownOf(message!), /\[Approve\]/)
      assert.deepStrictEqual([slack.posted.length, message!.edits, slack.faults], [1, 2, []])
    })
  )

  test(
    "shows nothing of the params unless a redaction says so, and no markup of an agent's",
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const withheld = yield* makeProcess(slack, { name: "one" }, Redaction.withheld)
      const masked = yield* makeProcess(slack, { name: "two" }, Redaction.paths(["card"]))
      yield* hold(1, { card: "4111111111111111", note: "<!channel> *bold* <https://evil.example.com|here> \u202e" })
      yield* withheld.sweep
      yield* masked.sweep
      const [first, second] = slack.posted
      assert.notMatch(JSON.stringify(first), /4111|evil/)
      assert.match(shownOf(first!), /Params are not shown here/)
      assert.match(shownOf(second!), /"card": "<redacted>"/)
      assert.notInclude(JSON.stringify(second), "4111")
      assert.include(shownOf(second!), "<!channel> *bold*")
      assert.notInclude(JSON.stringify(second), "\u202e")
      // Only the text of a notification is markup.
      assert.notMatch(second!.text, /[<>]/)
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "finds the message again that it posted before it ended, and takes none of another app for it",
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const { sweep } = yield* makeProcess(slack)
      const vote = yield* hold(1)
      slack.state.lost = { method: "chat.postMessage", times: 1 }
      yield* sweep
      assert.strictEqual(slack.posted.length, 1)
      const [message] = slack.posted
      for (let n = 0; n < 250; n++) slack.post({ text: "other", blocks: [], metadata: message!.metadata }, "B2")
      yield* TestClock.adjust("5 seconds")
      // Another process looks for it.
      const other = yield* makeProcess(slack)
      yield* other.sweep
      assert.strictEqual(slack.posted.filter(({ botId }) => botId === "B1").length, 1)
      assert.strictEqual(slack.calls.filter((method) => method === "conversations.history").length, 3)
      yield* other.panel.vote(ann, { ...vote, choice: "approve" })
      yield* other.sweep
      assert.match(shownOf(message!), /ann approved/)
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "ends a message whose arrival was not written down, and announces nothing that has ended",
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const { panel, sweep } = yield* makeProcess(slack)
      const [first, second] = [yield* hold(1), yield* hold(2)]
      slack.state.lost = { method: "chat.postMessage", times: 1 }
      yield* sweep
      slack.state.isAway = true
      yield* sweep
      assert.strictEqual(slack.posted.length, 1)
      for (const vote of [first, second]) yield* panel.vote(ann, { ...vote, choice: "reject" })
      slack.state.isAway = false
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("5 seconds"), sweep), { times: 5 })
      assert.deepStrictEqual(slack.posted.map(({ text }) => text.slice(0, 9)), ["Rejected:"])
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "posts again what never arrived, and reminds once where an answer was lost",
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const { sweep } = yield* makeProcess(slack)
      yield* hold(1)
      slack.state.isAway = true
      yield* sweep
      slack.state.isAway = false
      yield* TestClock.adjust("5 seconds")
      yield* sweep
      assert.strictEqual(slack.posted.length, 1)
      yield* TestClock.adjust("10 minutes")
      slack.state.lost = { method: "chat.postMessage", times: 1 }
      yield* sweep
      yield* TestClock.adjust("5 seconds")
      yield* sweep
      assert.strictEqual(slack.messages.length, 2)
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "waits as long as Slack asks for, and then posts everything",
    Effect.gen(function*() {
      const slack = yield* makeSlack({ burst: 3 })
      const { sweep } = yield* makeProcess(slack)
      for (let n = 0; n < 8; n++) yield* hold(n)
      for (let second = 0; second < 30; second++) {
        yield* sweep
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(slack.posted.length, 8)
      assert.isAbove(slack.rateLimited, 0)
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "brings nothing up to date where its message was deleted, and goes on",
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const { panel, sweep } = yield* makeProcess(slack)
      const vote = yield* hold(1)
      yield* sweep
      slack.messages.length = 0
      yield* panel.vote(ann, { ...vote, choice: "reject" })
      yield* hold(2)
      yield* sweep
      yield* sweep
      assert.strictEqual(slack.posted.length, 1)
      assert.strictEqual(slack.calls.filter((method) => method === "chat.update").length, 1)
    })
  )

  it.effect("fits into what Slack takes, whatever agents write", () =>
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const channel = yield* SlackChannel.make({ name: "chat", token: Redacted.make(botToken), channel: channelId })
        .pipe(
          Effect.provideService(HttpClient.HttpClient, clientOf(slack))
        )
      for (const letter of ["x", "\"", "\u0000", "\u{1F600}", "a\u{1F600}", "\u202e"]) {
        const long = letter.repeat(20_000)
        const texts = Array.from({ length: 50 }, () => long)
        yield* channel.deliver({
          ...notice,
          agentId: long,
          tool: long,
          method: long,
          params: { [long]: long },
          violations: texts,
          votes: texts.map((reviewerId) => ({ reviewerId, choice: "approve" })),
          needs: texts
        }, { attempts: 0, receipt: undefined, onBehalfOf: null })
      }
      yield* channel.deliver({ ...notice, tool: "", method: "", agentId: "", violations: [""], needs: [""] }, {
        attempts: 0,
        receipt: undefined,
        onBehalfOf: null
      })
      assert.deepStrictEqual([slack.posted.length, slack.faults], [7, []])
      for (const { blocks, text } of slack.posted) {
        const all = JSON.stringify([blocks, text])
        assert.notMatch(all, /\\ud[89ab]/)
      }
    }))

  it.effect("is not made with what is not usable, and shows its token nowhere", () =>
    Effect.gen(function*() {
      const slack = yield* makeSlack()
      const make = (options: Partial<SlackChannel.Options>) =>
        SlackChannel.make({ name: "chat", token: Redacted.make(botToken), channel: channelId, ...options }).pipe(
          Effect.provideService(HttpClient.HttpClient, clientOf(slack))
        )
      const bad: ReadonlyArray<Partial<SlackChannel.Options>> = [
        { name: "" },
        { channel: "#approvals" },
        { token: Redacted.make("secret") },
        { apiUrl: "http://slack.com/api" },
        { reviewUrl: "javascript:alert(1)" }
      ]
      for (const options of bad) {
        const error = yield* Effect.flip(make(options))
        assert.strictEqual(error.reason._tag, "InvalidRequest")
        assert.notInclude(JSON.stringify(error) + error.message, "secret")
      }
      const channel = yield* make({ token: Redacted.make("xoxb-of-another-app") })
      const failure = yield* Effect.flip(channel.deliver(notice, { attempts: 0, receipt: undefined, onBehalfOf: null }))
      assert.match(failure.message, /invalid_auth/)
      assert.notInclude(JSON.stringify(failure) + failure.message, "xoxb")
    }))
})
