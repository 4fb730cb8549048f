import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Schema } from "effect"
import {
  Approvals,
  Ballots,
  Deliveries,
  Redaction,
  ReviewChannel,
  ReviewPanel,
  ReviewRules,
  ToolCalls,
  type VoteSigner,
  WebhookChannel
} from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { createHmac } from "node:crypto"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { inProcess, type World } from "../support/worlds.ts"
import { action, minute, reviewer, signer } from "./ballots.ts"

const [ann, bob] = [reviewer("ann", "finance"), reviewer("bob", "finance")]

const rules = ReviewRules.make({
  otherwise: ReviewRules.remindAfter("10 minutes")(ReviewRules.quorum(2, "finance"))
})

const hold = (n: number) =>
  Effect.gen(function*() {
    const { actionId } = yield* ToolCalls.decide({
      tool: "db",
      method: "delete",
      params: { n, card: "4111111111111111" }
    })
    const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
    const action = pending.find((action) => action.actionId === actionId)!
    return { actionId: action.actionId, digest: ReviewPanel.digest(action) }
  })

/** A channel that remembers, and can be down. */
const makeChannel = (name: string) => {
  const notices: Array<ReviewChannel.ReviewNotice> = []
  const state = { isDown: false, isSilent: false, attempts: 0 }
  const channel: ReviewChannel.ReviewChannel = {
    name,
    deliver: (notice) =>
      Effect.suspend(() => {
        state.attempts++
        if (state.isSilent) return Effect.never
        if (state.isDown) return Effect.fail(new ReviewChannel.ChannelFailed({ channel: name, detail: "down" }))
        notices.push(notice)
        return Effect.void
      })
  }
  return { channel, notices, state, kinds: () => notices.map(({ kind }) => kind) }
}

type Needs = World | Ballots.Ballots | Deliveries.Deliveries | VoteSigner.VoteSigner

const memory = Layer.merge(Ballots.layerMemory, Deliveries.layerMemory)
const sqlite = BallotsSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)

for (const [name, store] of Object.entries({ "in memory": memory, "in SQLite": sqlite })) {
  const test = (title: string, effect: Effect.Effect<void, unknown, Needs>) =>
    it.effect(title, () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(minute(0).epochMilliseconds)
        const world = inProcess({
          tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }],
          tools: { "db/delete": () => Effect.succeed("gone") }
        })
        yield* Effect.provide(effect, Layer.mergeAll(Layer.fresh(store), signer, world))
      }))

  describe(`ReviewChannel, ${name}`, () => {
    test(
      "announces an action once on each channel, tells of votes and reminders, and how it ended",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make({ rules })
        const [one, other] = [makeChannel("one"), makeChannel("other")]
        const { sweep } = yield* ReviewChannel.make({ channels: [one.channel, other.channel] })
        const vote = yield* hold(1)
        yield* panel.sweep
        yield* sweep
        yield* sweep
        assert.deepStrictEqual([one.kinds(), other.kinds()], [["pending"], ["pending"]])
        assert.notStrictEqual(one.notices[0]!.id, other.notices[0]!.id)
        assert.isNull(one.notices[0]!.params)
        assert.match(one.notices[0]!.needs[0]!, /Needs 2 of finance/)
        yield* panel.vote(ann, { ...vote, choice: "approve" })
        yield* sweep
        yield* TestClock.adjust("10 minutes")
        yield* sweep
        yield* panel.vote(bob, { ...vote, choice: "approve" })
        yield* sweep
        yield* sweep
        assert.deepStrictEqual(one.kinds(), ["pending", "voted", "reminder", "ended"])
        const { outcome, params, votes } = one.notices.at(-1)!
        assert.deepStrictEqual([outcome, params, votes.map(({ reviewerId }) => reviewerId)], [
          "approved",
          undefined,
          ["ann", "bob"]
        ])
        assert.strictEqual(new Set(one.notices.map(({ id }) => id)).size, 4)
      })
    )

    test(
      "of three processes one announces, and restarts announce nothing again",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make({ rules })
        const { channel, kinds, notices } = makeChannel("chat")
        for (const n of Array.from({ length: 10 }, (_, n) => n)) yield* hold(n)
        yield* panel.sweep
        for (let restart = 0; restart < 3; restart++) {
          const processes = yield* Effect.forEach([1, 2, 3], () => ReviewChannel.make({ channels: [channel] }))
          yield* Effect.forEach(processes, ({ sweep }) => sweep, { concurrency: 3 })
        }
        assert.deepStrictEqual(kinds(), Array.from({ length: 10 }, () => "pending"))
        assert.strictEqual(new Set(notices.map(({ actionId }) => actionId)).size, 10)
      })
    )

    test(
      "tries again later where a channel is down, which delays no other",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make({ rules })
        const [down, up] = [makeChannel("down"), makeChannel("up")]
        down.state.isDown = true
        const { sweep } = yield* ReviewChannel.make({ channels: [down.channel, up.channel] })
        yield* hold(1)
        yield* panel.sweep
        yield* sweep
        yield* sweep
        assert.deepStrictEqual([down.state.attempts, up.kinds()], [1, ["pending"]])
        yield* TestClock.adjust("5 seconds")
        yield* sweep
        assert.strictEqual(down.state.attempts, 2)
        yield* TestClock.adjust("5 seconds")
        yield* sweep
        assert.strictEqual(down.state.attempts, 2, "it waits for twice as long")
        down.state.isDown = false
        yield* TestClock.adjust("5 seconds")
        yield* sweep
        assert.deepStrictEqual(down.kinds(), ["pending"])
      })
    )

    test(
      "asks a channel that does not answer for one thing at a time, and goes on with the others meanwhile",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make({ rules })
        const [silent, up] = [makeChannel("silent"), makeChannel("up")]
        silent.state.isSilent = true
        for (const n of [1, 2, 3]) yield* hold(n)
        yield* panel.sweep
        yield* Effect.gen(function*() {
          yield* Effect.repeat(TestClock.adjust("1 second"), { while: () => up.notices.length < 3, times: 8 })
          assert.deepStrictEqual([silent.state.attempts, up.kinds().length], [1, 3])
          silent.state.isSilent = false
          yield* Effect.repeat(TestClock.adjust("5 seconds"), { while: () => silent.notices.length < 3, times: 100 })
          assert.deepStrictEqual(silent.kinds(), ["pending", "pending", "pending"])
        }).pipe(Effect.provide(ReviewChannel.layer({ channels: [silent.channel, up.channel] })))
      })
    )

    test(
      "tells a channel of one thing at a time, and of nothing that is past",
      Effect.gen(function*() {
        const ballots = yield* Ballots.Ballots
        const panel = yield* ReviewPanel.make({ rules })
        const { channel, kinds } = makeChannel("chat")
        const receipts: Array<string | undefined> = []
        let go: () => void = () => {}
        let isSlow = false
        const slow: ReviewChannel.ReviewChannel = {
          name: "chat",
          deliver: (notice, { receipt }) =>
            Effect.gen(function*() {
              receipts.push(receipt)
              if (isSlow) yield* Effect.promise(() => new Promise<void>((done) => go = done))
              yield* channel.deliver(notice, { attempts: 0, receipt, onBehalfOf: null })
              return `where ${notice.kind} is`
            })
        }
        const one = yield* ReviewChannel.make({ channels: [slow] })
        const other = yield* ReviewChannel.make({ channels: [slow] })
        const vote = yield* hold(1)
        yield* panel.sweep
        yield* one.sweep
        const another = yield* hold(2)
        yield* panel.sweep
        yield* one.sweep
        yield* panel.vote(ann, { ...another, choice: "approve" })
        const listed = (yield* ballots.list()).filter(({ opening }) => opening.actionId === another.actionId)
        const late = yield* Effect.provideService(ReviewChannel.make({ channels: [slow] }), Ballots.Ballots, {
          ...ballots,
          list: (options) => Effect.succeed(listed.filter(({ outcome }) => options?.ended === (outcome !== null)))
        })
        yield* panel.vote(bob, { ...another, choice: "approve" })
        yield* other.sweep
        yield* late.sweep
        assert.deepStrictEqual(kinds(), ["pending", "pending", "ended"], "a vote is past")
        yield* panel.vote(ann, { ...vote, choice: "approve" })
        isSlow = true
        const underWay = yield* Effect.forkChild(one.sweep, { startImmediately: true })
        yield* Effect.promise(() => new Promise((done) => setTimeout(done)))
        isSlow = false
        yield* panel.vote(bob, { ...vote, choice: "approve" })
        yield* other.sweep
        assert.strictEqual(kinds().length, 3, "a vote is being told")
        go()
        yield* Fiber.join(underWay)
        yield* other.sweep
        assert.deepStrictEqual(kinds().slice(3), ["voted", "ended"])
        assert.deepStrictEqual(receipts, [undefined, undefined, ...Array.from({ length: 3 }, () => "where pending is")])
      })
    )

    test(
      "tells a channel of one reviewer of what a vote of theirs would count for, for themselves or for another",
      Effect.gen(function*() {
        const inSequence = ReviewRules.make({
          otherwise: ReviewRules.remindAfter("10 minutes")(ReviewRules.firstThen("finance", "board")),
          requesters: () => ["rob"],
          delegations: [{ from: "eve", to: "cid", groups: ["board"], until: minute(50) }]
        })
        const panel = yield* ReviewPanel.make({ rules: inSequence })
        const heard: Array<string> = []
        const channels = [ann, bob, reviewer("rob", "finance"), reviewer("eve", "board"), reviewer("cid", "legal")].map(
          (reviewer): ReviewChannel.ReviewChannel => ({
            name: `mail/${reviewer.id}`,
            reviewer,
            hears: ["reminder"],
            deliver: ({ kind }, { onBehalfOf }) =>
              Effect.sync(() =>
                void heard.push(`${reviewer.id} ${kind}${onBehalfOf === null ? "" : ` for ${onBehalfOf}`}`)
              )
          })
        )
        const { sweep } = yield* ReviewChannel.make({ channels })
        const vote = yield* hold(1)
        yield* panel.sweep
        yield* sweep
        assert.deepStrictEqual(heard.splice(0), ["ann pending", "bob pending"])
        yield* panel.vote(ann, { ...vote, choice: "approve" })
        yield* sweep
        // Who is asked now still asks the first ones: they may reject.
        assert.deepStrictEqual(heard.splice(0).toSorted(), ["cid pending for eve", "eve pending"])
        yield* TestClock.adjust("10 minutes")
        yield* sweep
        yield* sweep
        assert.deepStrictEqual(heard.splice(0).toSorted(), ["bob reminder", "cid reminder for eve", "eve reminder"])
        yield* panel.vote(reviewer("eve", "board"), { ...vote, choice: "approve" })
        yield* sweep
        assert.deepStrictEqual(heard, [])
      })
    )

    test(
      "sends again under the same id where a process ended before it was written down, and nothing of what ended unannounced",
      Effect.gen(function*() {
        const deliveries = yield* Deliveries.Deliveries
        const panel = yield* ReviewPanel.make({ rules })
        const { channel, kinds, notices } = makeChannel("chat")
        const vote = yield* hold(1)
        yield* panel.sweep
        const dying = yield* Effect.provideService(ReviewChannel.make({ channels: [channel] }), Deliveries.Deliveries, {
          ...deliveries,
          settle: () => Effect.interrupt
        })
        yield* Effect.exit(dying.sweep)
        const { sweep } = yield* ReviewChannel.make({ channels: [channel] })
        yield* sweep
        assert.deepStrictEqual(kinds(), ["pending"], "it may be under way still")
        yield* TestClock.adjust("30 seconds")
        yield* sweep
        assert.deepStrictEqual(kinds(), ["pending", "pending"])
        assert.strictEqual(notices[0]!.id, notices[1]!.id)
        yield* panel.vote(ann, { ...vote, choice: "reject" })
        const late = makeChannel("late")
        yield* Effect.flatMap(ReviewChannel.make({ channels: [late.channel] }), ({ sweep }) => sweep)
        assert.deepStrictEqual(late.kinds(), [])
      })
    )
  })
}

describe("ReviewChannel, what it shows", () => {
  /** The first notices of two channels, of an action like this. */
  const shown = (redact: Redaction.Redaction | undefined, change: Partial<Approvals.PendingAction> = {}) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(minute(0).epochMilliseconds)
      const [one, other] = [makeChannel("one"), makeChannel("other")]
      yield* Effect.gen(function*() {
        const panel = yield* ReviewPanel.make({ rules })
        const { sweep } = yield* ReviewChannel.make({ channels: [one.channel, other.channel], redact })
        yield* panel.sweep
        yield* sweep
      }).pipe(Effect.updateService(Approvals.Approvals, (approvals) => ({
        ...approvals,
        pending: Effect.map(approvals.pending, (queue) => ({ ...queue, pending: [action(change)] }))
      })))
      assert.deepStrictEqual([one.kinds(), other.kinds()], [["pending"], ["pending"]])
      assert.deepStrictEqual(one.notices[0]!.params, other.notices[0]!.params)
      return one.notices[0]!
    }).pipe(Effect.provide(Layer.mergeAll(Layer.fresh(memory), signer, inProcess())))

  it.effect("is nothing of the params unless a redaction says so", () =>
    Effect.gen(function*() {
      assert.isNull((yield* shown(undefined)).params)
      assert.deepStrictEqual((yield* shown(Redaction.none)).params, { charge: "ch_1", amount: 5000 })
      assert.deepStrictEqual((yield* shown(Redaction.only(["amount"]))).params, {
        charge: Redaction.mark,
        amount: 5000
      })
    }))

  it.effect("is what the schema of the tool describes", () =>
    Effect.gen(function*() {
      const schema = Schema.Struct({ amount: Schema.Finite, charge: Redaction.sensitive(Schema.String) })
      assert.deepStrictEqual((yield* shown(Redaction.schemas({ "stripe/create_refund": schema }))).params, {
        charge: Redaction.mark,
        amount: 5000
      })
      assert.isNull((yield* shown(Redaction.schemas({ "stripe/charge": schema }))).params)
    }))

  it.effect("has nothing that a pattern matches, in violations, names and sentences too", () =>
    Effect.gen(function*() {
      const notice = yield* shown(Redaction.patterns([/ada@example\.org|finance/]), {
        agentId: "agent of ada@example.org",
        violations: ["ada@example.org may not"],
        params: { "ada@example.org": 1, note: "for ada@example.org" }
      })
      assert.notMatch(JSON.stringify(notice), /ada@example|finance/)
      assert.deepStrictEqual(notice.violations, [`${Redaction.mark} may not`])
      assert.deepStrictEqual(notice.params, { [Redaction.mark]: 1, note: `for ${Redaction.mark}` })
      assert.deepInclude(notice, { actionId: "action-1", tool: "stripe", agentId: `agent of ${Redaction.mark}` })
    }))

  it.effect("is nothing where the redaction fails, and what nests too deep", () =>
    Effect.gen(function*() {
      const bug = () => {
        throw new Error("a bug")
      }
      const notice = yield* shown({ params: bug, texts: bug })
      assert.deepStrictEqual([notice.params, notice.agentId], [null, Redaction.mark])
      const deep = JSON.parse(`${"[".repeat(1000)}"secret"${"]".repeat(1000)}`)
      assert.isNull((yield* shown(Redaction.none, { params: { deep } })).params)
      assert.isNotNull((yield* shown(Redaction.none, { params: { deep: [[[1]]] } })).params)
    }))

  it.effect("may be made by changing the params in place: the action stays as it is", () =>
    Effect.gen(function*() {
      const pop: Redaction.Redaction = { params: (params) => [(params as Array<number>).pop()] }
      assert.deepStrictEqual((yield* shown(pop, { params: [1, 2, 3] })).params, [3])
    }))
})

describe("WebhookChannel", () => {
  const bytes = Buffer.alloc(32, 7)
  const secret = Redacted.make(`whsec_${bytes.toString("base64")}`)

  const notice: ReviewChannel.ReviewNotice = {
    id: "d1",
    kind: "pending",
    actionId: "a1",
    digest: "0".repeat(64),
    agentId: "bot",
    tool: "stripe",
    method: "refund",
    params: { note: "[click](https://evil.example.com) <b>\u202e" },
    violations: ["too_much"],
    createdAt: minute(0),
    timeoutAt: minute(60),
    votes: [],
    needs: ["Needs 2 of finance."],
    outcome: null
  }

  const post = Effect.fnUntraced(function*(options: Partial<WebhookChannel.Options> = {}, status = 200) {
    const requests: Array<{ readonly headers: Readonly<Record<string, string>>; readonly body: string }> = []
    const client = HttpClient.make((request) =>
      Effect.sync(() => {
        const body = request.body._tag === "Uint8Array" ? Buffer.from(request.body.body).toString() : ""
        requests.push({ headers: request.headers, body })
        return HttpClientResponse.fromWeb(request, new Response(null, { status }))
      })
    )
    const channel = yield* WebhookChannel.make({
      name: "hook",
      url: "https://hooks.example.com/secret-path",
      secret,
      ...options
    })
      .pipe(Effect.provideService(HttpClient.HttpClient, client))
    yield* channel.deliver(notice, { attempts: 0, receipt: undefined, onBehalfOf: null })
    return requests[0]!
  })

  it.effect("posts JSON that is signed as Standard Webhooks says", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(minute(0).epochMilliseconds)
      const { body, headers } = yield* post()
      const timestamp = String(minute(0).epochMilliseconds / 1000)
      const expected = createHmac("sha256", bytes).update(`d1.${timestamp}.${body}`).digest("base64")
      assert.deepStrictEqual(
        [headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"], headers["content-type"]],
        ["d1", timestamp, `v1,${expected}`, "application/json"]
      )
      assert.deepInclude(JSON.parse(body), {
        kind: "pending",
        params: notice.params,
        timeoutAt: "2026-01-05T11:00:00.000Z"
      })
    }))

  it.effect("posts a card in which texts of agents have no markup", () =>
    Effect.gen(function*() {
      const { body } = yield* post({ format: "adaptive-card", reviewUrl: "https://panel.example.com" })
      const { content } = JSON.parse(body).attachments[0]
      assert.strictEqual(content.type, "AdaptiveCard")
      const blocks: ReadonlyArray<{ type: string; inlines: ReadonlyArray<{ type: string; text: string }> }> =
        content.body
      for (const { inlines, type } of blocks) {
        assert.deepStrictEqual([type, inlines.map(({ type }) => type)], ["RichTextBlock", ["TextRun"]])
      }
      const text = blocks.map(({ inlines }) => inlines[0]!.text).join("\n")
      assert.include(text, "[click](https://evil.example.com)")
      assert.notInclude(text, "\u202e")
      assert.deepStrictEqual(content.actions, [
        { type: "Action.OpenUrl", title: "Review", url: "https://panel.example.com" }
      ])
    }))

  it.effect("fails where it is refused, without its URL, and is not made with what is not usable", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(post({}, 500))
      assert.strictEqual(error._tag, "ChannelFailed")
      assert.match(error.message, /answered 500/)
      assert.notInclude(JSON.stringify(error) + error.message, "secret-path")
      const bad: ReadonlyArray<Partial<WebhookChannel.Options>> = [
        { url: "http://hooks.example.com" },
        { url: "hooks" },
        { name: "" },
        { secret: Redacted.make("whsec_c2hvcnQ=") },
        { secret: Redacted.make("short") }
      ]
      for (const options of bad) {
        const error = yield* Effect.flip(post(options))
        assert.strictEqual(error._tag === "VargateError" && error.reason._tag, "InvalidRequest")
      }
    }))
})
