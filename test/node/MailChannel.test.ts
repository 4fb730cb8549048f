import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Redacted, type Scope } from "effect"
import {
  Approvals,
  Ballots,
  Deliveries,
  MailLinks,
  Redaction,
  ReviewChannel,
  ReviewLinks,
  ReviewPanel,
  ReviewRules,
  VargateError,
  type VoteSigner
} from "effect-vargate"
import * as MailRoute from "effect-vargate/http/MailRoute"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import * as MailChannel from "effect-vargate/node/MailChannel"
import { HttpRouter, HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { minute, reviewer, signer } from "../reviews/ballots.ts"
import { hold } from "../reviews/slack.ts"
import { recording, told } from "../support/recording.ts"
import { inProcess, type World } from "../support/worlds.ts"

const rules = ReviewRules.make({
  otherwise: ReviewRules.remindAfter("10 minutes")(ReviewRules.quorum(2, "finance")),
  requesters: () => ["rob"]
})

const reviewers: ReadonlyArray<MailLinks.MailReviewer> = [
  { id: "ann", name: "Ann", groups: ["finance"], address: "ann@example.com" },
  { id: "bob", name: "Bob", groups: ["finance"], address: "bob@example.com" },
  { id: "rob", name: "Rob", groups: ["finance"], address: "rob@example.com" },
  { id: "cid", name: "Cid", groups: ["legal"], address: "cid@example.com" }
]

const memory = Layer.mergeAll(Ballots.layerMemory, Deliveries.layerMemory, ReviewLinks.layerMemory)
const sqlite = BallotsSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)

type Store = Ballots.Ballots | Deliveries.Deliveries | ReviewLinks.ReviewLinks

/** A panel that writes mails into a box, and has its page. */
const makeOffice = Effect.fnUntraced(function*(
  options: Partial<MailLinks.Options> = {},
  tracer: Layer.Layer<never> = Layer.empty
) {
  const panel = yield* ReviewPanel.make({ rules })
  const links = yield* MailLinks.make({
    url: "https://panel.example.com/gov/review/",
    reviewers,
    redact: Redaction.paths(["card"]),
    ...options
  }).pipe(Effect.provideService(ReviewPanel.ReviewPanel, panel))
  const box: Array<MailChannel.Mail> = []
  const state = { isAway: false }
  const transport: MailChannel.MailTransport = {
    sendMail: async (mail) => {
      if (state.isAway) throw Object.assign(new Error("secret words"), { code: "ECONNECTION" })
      box.push(mail)
    }
  }
  const channels = yield* MailChannel.make({ name: "mail", from: "panel@example.com", transport }).pipe(
    Effect.provideService(MailLinks.MailLinks, links)
  )
  const { sweep } = yield* ReviewChannel.make({ channels, redact: Redaction.paths(["card"]) })
  const clock = yield* Clock.Clock
  const { dispose, handler } = HttpRouter.toWebHandler(
    MailRoute.layer("/gov/review").pipe(
      Layer.provide(Layer.succeed(MailLinks.MailLinks, links)),
      Layer.provideMerge(Layer.mergeAll(HttpServer.layerServices, Layer.succeed(Clock.Clock, clock), tracer))
    ),
    { disableLogger: true }
  )
  yield* Effect.addFinalizer(() => Effect.promise(dispose))
  const request = (url: string, init: RequestInit = {}) =>
    Effect.promise(async () => {
      const response = await handler(new Request(url, init))
      return { status: response.status, headers: response.headers, text: await response.text() }
    })
  const open = (url: string) => request(url)
  const press = (url: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    request(url, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      body: String(new URLSearchParams(fields))
    })
  const votes = Effect.map(
    panel.list(),
    ([ballot]) => ballot!.votes.map(({ choice, reviewerId }) => `${reviewerId} ${choice}`)
  )
  return { panel, links, box, state, sweep: Effect.andThen(panel.sweep, sweep), request, open, press, votes }
})

const linkIn = ({ text }: MailChannel.Mail) => /^https:\/\/panel\.example\.com\S+$/m.exec(text)![0]

for (const [name, store] of Object.entries({ "in memory": memory, "in SQLite": sqlite })) {
  const test = (
    title: string,
    effect: Effect.Effect<void, unknown, World | Store | Scope.Scope | VoteSigner.VoteSigner>
  ) =>
    it.effect(title, () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(minute(0).epochMilliseconds)
        const world = inProcess({
          tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }],
          tools: { "db/delete": () => Effect.succeed("gone") }
        })
        yield* Effect.provide(effect, Layer.mergeAll(Layer.fresh(store), signer, world))
      }))

  describe(`MailChannel, ${name}`, () => {
    test(
      "writes to each reviewer who is asked, once, and their clicks decide",
      Effect.gen(function*() {
        const { box, open, press, sweep, votes } = yield* makeOffice()
        const vote = yield* hold(1)
        yield* sweep
        yield* sweep
        assert.deepStrictEqual(box.map(({ to }) => to.address), ["ann@example.com", "bob@example.com"])
        const [toAnn, toBob] = box.map(linkIn)
        const page = yield* open(toAnn!)
        assert.strictEqual(page.status, 200)
        assert.match(page.text, /Ann, this link is yours alone/)
        assert.match(page.text, /db\/delete/)
        const { digest } = vote
        const { status, text } = yield* press(toAnn!, { digest, choice: "approve", note: "known" })
        assert.deepStrictEqual([status, /Your vote to approve counts/.test(text)], [200, true])
        assert.deepStrictEqual(yield* votes, ["ann approve"])
        const second = yield* press(toBob!, { digest, choice: "approve", note: "" })
        assert.match(second.text, /The action is approved/)
        const outcome = yield* Approvals.Approvals.use((approvals) => approvals.outcome(vote.actionId))
        assert.strictEqual(outcome._tag, "Approved")
        yield* sweep
        assert.strictEqual(box.length, 2)
      })
    )

    test(
      "decides nothing where a link is only fetched, however often",
      Effect.gen(function*() {
        const { box, open, press, request, sweep, votes } = yield* makeOffice()
        const { digest } = yield* hold(1)
        yield* sweep
        const link = linkIn(box[0]!)
        for (let n = 0; n < 5; n++) {
          assert.strictEqual((yield* open(link)).status, 200)
          const head = yield* request(link, { method: "HEAD" })
          assert.deepStrictEqual([head.status, head.text], [200, ""])
          assert.strictEqual((yield* open(`${link}&choice=approve&digest=${digest}`)).status, 200)
          assert.strictEqual((yield* request(link, { method: "OPTIONS" })).status, 405)
          assert.strictEqual((yield* request(link, { method: "PUT", body: "choice=approve" })).status, 405)
        }
        // A form of another page, no form, no choice, another digest, too long a note.
        const fields = { digest, choice: "approve" }
        assert.strictEqual((yield* press(link, fields, { "sec-fetch-site": "cross-site" })).status, 403)
        assert.strictEqual((yield* press(link, fields, { "content-type": "text/plain" })).status, 415)
        assert.strictEqual((yield* press(link, { digest, choice: "maybe" })).status, 400)
        assert.strictEqual((yield* press(link, { digest: "0".repeat(64), choice: "approve" })).status, 200)
        assert.strictEqual((yield* press(link, { ...fields, note: "x".repeat(2_001) })).status, 400)
        assert.strictEqual((yield* press(link, { ...fields, note: "x".repeat(40_000) })).status, 413)
        assert.deepStrictEqual(yield* votes, [])
        assert.strictEqual((yield* press(link, fields, { "sec-fetch-site": "same-origin" })).status, 200)
        assert.deepStrictEqual(yield* votes, ["ann approve"])
      })
    )

    test(
      "takes one vote with a link, and with those of a reminder none after it",
      Effect.gen(function*() {
        const { box, open, press, sweep, votes } = yield* makeOffice()
        const { digest } = yield* hold(1)
        yield* sweep
        yield* TestClock.adjust("10 minutes")
        yield* sweep
        yield* sweep
        assert.deepStrictEqual(box.map(({ subject, to }) => `${to.name}: ${subject}`), [
          "Ann: Review needed: db/delete",
          "Bob: Review needed: db/delete",
          "Ann: Still pending: db/delete",
          "Bob: Still pending: db/delete"
        ])
        assert.strictEqual(box[2]!.inReplyTo, box[0]!.messageId)
        const [first, , reminder] = box.map(linkIn)
        const both = yield* Effect.all([
          press(first!, { digest, choice: "approve" }),
          press(first!, { digest, choice: "reject" })
        ], { concurrency: 2 })
        assert.deepStrictEqual(both.map(({ status }) => status).toSorted(), [200, 410])
        assert.strictEqual((yield* votes).length, 1)
        for (const link of [first!, reminder!]) {
          assert.strictEqual((yield* press(link, { digest, choice: "reject" })).status, 410)
          assert.match((yield* open(link)).text, /This link was used/)
        }
        assert.strictEqual((yield* votes).length, 1)
      })
    )

    test(
      "is over with the action: expired, decided, or with other params",
      Effect.gen(function*() {
        const { box, open, panel, press, sweep, votes } = yield* makeOffice()
        const { digest } = yield* hold(1)
        yield* sweep
        const link = linkIn(box[0]!)
        const fields = { digest, choice: "approve" }
        // Other params under the same id, as a gateway that was tampered with would have them.
        const other = yield* makeOffice().pipe(Effect.updateService(Approvals.Approvals, (approvals) => ({
          ...approvals,
          pending: Effect.map(approvals.pending, (queue) => ({
            ...queue,
            pending: queue.pending.map((action) => new Approvals.PendingAction({ ...action, params: { n: 2 } }))
          }))
        })))
        assert.match((yield* other.open(link)).text, /There is nothing to decide any more/)
        const refused = yield* other.press(link, fields)
        assert.deepStrictEqual([refused.status, /has other params/.test(refused.text)], [409, true])
        assert.deepStrictEqual(yield* votes, [])
        assert.strictEqual((yield* open(link)).status, 200)
        yield* panel.vote(reviewer("bob", "finance"), { ...(yield* hold(2)), choice: "reject" })
        yield* TestClock.adjust("61 minutes")
        assert.match((yield* open(link)).text, /This link has expired/)
        assert.strictEqual((yield* press(link, fields)).status, 410)
        const [, second] = yield* panel.list()
        assert.deepStrictEqual(second!.votes, [])
      })
    )

    test(
      "belongs to one reviewer: no other name in a request, none who has left the table, no guess",
      Effect.gen(function*() {
        const { box, open, press, sweep, votes } = yield* makeOffice()
        const { digest } = yield* hold(1)
        yield* sweep
        const link = linkIn(box[0]!)
        const fields = { digest, choice: "approve" }
        const without = yield* makeOffice({ reviewers: reviewers.slice(1) })
        assert.strictEqual((yield* without.open(link)).status, 404)
        assert.strictEqual((yield* without.press(link, fields)).status, 404)
        const guessed = link.slice(0, -1) + (link.endsWith("A") ? "B" : "A")
        for (
          const url of [guessed, `${link}x`, link.slice(0, -1), link.replace(/\?.*/, ""), link.replace("sig", "token")]
        ) {
          assert.strictEqual((yield* open(url)).status, 404)
          assert.strictEqual((yield* press(url, fields)).status, 404)
        }
        assert.deepStrictEqual(yield* votes, [])
        yield* press(link, { ...fields, reviewer: "bob", reviewerId: "bob", onBehalfOf: "bob" })
        assert.deepStrictEqual(yield* votes, ["ann approve"])
      })
    )

    test(
      "is restored where the vote did not count, and is kept hashed",
      Effect.gen(function*() {
        const { box, press, sweep, votes } = yield* makeOffice()
        const links = yield* ReviewLinks.ReviewLinks
        const { digest } = yield* hold(1)
        yield* sweep
        const link = linkIn(box[0]!)
        assert.isUndefined(yield* links.find(link.split("=").at(-1)!))
        const away = yield* makeOffice().pipe(Effect.updateService(Approvals.Approvals, (approvals) => ({
          ...approvals,
          pending: Effect.die("away")
        })))
        yield* Effect.exit(away.press(link, { digest, choice: "approve" }))
        const broken = yield* makeOffice().pipe(Effect.updateService(Ballots.Ballots, (ballots) => ({
          ...ballots,
          append: () => Effect.fail(new VargateError.StorageFailed({ operation: "Ballots.append", detail: "full" }))
        })))
        assert.strictEqual((yield* broken.press(link, { digest, choice: "approve" })).status, 503)
        assert.deepStrictEqual(yield* votes, [])
        assert.strictEqual((yield* press(link, { digest, choice: "approve" })).status, 200)
      })
    )
  })
}

describe("MailChannel", () => {
  const test = (
    title: string,
    effect: Effect.Effect<void, unknown, World | Store | Scope.Scope | VoteSigner.VoteSigner>
  ) =>
    it.effect(title, () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(minute(0).epochMilliseconds)
        const world = inProcess({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] })
        yield* Effect.provide(effect, Layer.mergeAll(Layer.fresh(memory), signer, world))
      }))

  test(
    "shows texts of agents as texts, and lets nothing of the page out",
    Effect.gen(function*() {
      const { box, open, sweep } = yield* makeOffice()
      yield* hold(1, {
        card: "4111111111111111",
        note: "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202egpj\u00a0\u2800",
        "<b>key</b>": "\u05d0\u05d1"
      })
      yield* sweep
      const { headers, text } = yield* open(linkIn(box[0]!))
      assert.notMatch(text, /<script|<img|<b>|4111/)
      assert.notMatch(text, /[\u202e\u2800\u00a0]/)
      assert.include(text, "&lt;script&gt;alert(1)&lt;/script&gt;")
      assert.include(text, "<span class=\"invisible\">U+202E</span>")
      assert.include(text, "<bdi>\u05d0\u05d1</bdi>")
      assert.include(text, "&quot;card&quot;: &quot;&lt;redacted&gt;&quot;")
      const policy = headers.get("content-security-policy")!
      assert.match(
        policy,
        /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/
      )
      assert.notMatch(policy, /unsafe/)
      assert.deepStrictEqual(
        ["cache-control", "referrer-policy", "x-content-type-options"].map((name) => headers.get(name)),
        ["no-store", "no-referrer", "nosniff"]
      )
      const withheld = yield* makeOffice({ redact: undefined })
      assert.match((yield* withheld.open(linkIn(box[0]!))).text, /not shown here/)
    })
  )

  test(
    "leaves no token in traces",
    Effect.gen(function*() {
      const { layer, spans } = recording()
      const { box, open, press, sweep } = yield* makeOffice({}, layer)
      const { digest } = yield* hold(1)
      yield* sweep
      const link = linkIn(box[0]!)
      yield* open(link)
      yield* press(link, { digest, choice: "approve" })
      const served = spans.filter(({ kind }) => kind === "server")
      assert.strictEqual(served.length, 2)
      const all = JSON.stringify(spans.map(told))
      assert.include(all, "/gov/review")
      assert.notInclude(all, link.split("=")[1]!)
    })
  )

  test(
    "tries again where mails cannot be sent, and tells nothing of why but a word",
    Effect.gen(function*() {
      const { box, state, sweep } = yield* makeOffice()
      yield* hold(1)
      state.isAway = true
      yield* sweep
      assert.deepStrictEqual(box, [])
      state.isAway = false
      yield* TestClock.adjust("5 seconds")
      yield* sweep
      assert.strictEqual(box.length, 2)
    })
  )

  test(
    "is not made with what is not usable",
    Effect.gen(function*() {
      const links = (options: Partial<MailLinks.Options>) => Effect.flip(makeOffice(options))
      const ann = reviewers[0]!
      const bad: ReadonlyArray<Partial<MailLinks.Options>> = [
        { url: "http://panel.example.com" },
        { url: "https://panel.example.com/?a=1" },
        { url: "review" },
        { reviewers: [ann, ann] },
        ...[
          "ann@example.com\r\nBcc: eve@example.com",
          "ann@example.com,eve@example.com",
          "Ann <ann@example.com>",
          "ann",
          "ann@example.com "
        ].map((address) => ({ reviewers: [{ ...ann, address }] }))
      ]
      for (const options of bad) assert.strictEqual((yield* links(options)).reason._tag, "InvalidRequest")
      const mail = (options: Partial<MailChannel.Options>) =>
        Effect.flip(MailChannel.make({ name: "mail", from: "panel@example.com", ...options })).pipe(
          Effect.provideService(MailLinks.MailLinks, undefined as never)
        )
      for (
        const options of [
          { name: "" },
          { from: "panel@example.com\nBcc: eve@example.com" },
          {},
          { smtp: Redacted.make("http://u:secret@host") },
          { smtp: "nonsense" }
        ]
      ) {
        const error = yield* mail(options)
        assert.strictEqual(error.reason._tag, "InvalidRequest")
        assert.notInclude(error.message + JSON.stringify(error), "secret")
      }
    })
  )
})
