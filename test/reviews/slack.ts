/** What the tests of Slack share: a Slack of our own in the process, and a panel that announces there. */
import { Clock, Effect, Layer, Redacted } from "effect"
import {
  Approvals,
  type Ballots,
  Deliveries,
  Redaction,
  ReviewChannel,
  ReviewPanel,
  ReviewRules,
  SlackAuthenticator,
  SlackChannel,
  SlackInteractions,
  ToolCalls,
  type VoteSigner
} from "effect-vargate"
import * as SlackRoute from "effect-vargate/http/SlackRoute"
import { HttpClient, HttpClientError, HttpClientResponse, HttpRouter, HttpServer } from "effect/http"
import { botToken, channelId, signingSecret, Slack, type SlackOptions, teamId } from "../support/slack.ts"
import type { World } from "../support/worlds.ts"

export const rules = ReviewRules.make({
  otherwise: ReviewRules.remindAfter("10 minutes")(ReviewRules.quorum(2, "finance")),
  requesters: () => ["rob"]
})

/** A client that reaches this Slack and nothing else. */
export const clientOf = (slack: Slack, process = "") =>
  HttpClient.make((request) =>
    Effect.tryPromise({
      try: async () => {
        const { body, headers, method, url } = request
        const init = body._tag === "Uint8Array" ? { body: new Uint8Array(body.body) } : {}
        const response = await slack.handle(
          new Request(url, { method, headers: { ...headers, "x-test-process": process }, ...init })
        )
        return HttpClientResponse.fromWeb(request, response)
      },
      catch: (cause) =>
        new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
    })
  )

export const makeSlack = (options: Omit<SlackOptions, "now"> = {}) =>
  Effect.map(Clock.Clock, (clock) => {
    const slack = new Slack({ ...options, now: () => clock.currentTimeMillisUnsafe() })
    for (const [id, name] of [["UANN", "ann"], ["UBOB", "bob"], ["UROB", "rob"], ["UEVE", "eve"]] as const) {
      slack.addUser(id, `${name}@example.com`)
    }
    return slack
  })

export const users = SlackAuthenticator.layerUsers({
  teamId,
  reviewers: [
    { id: "ann", name: "Ann", groups: ["finance"], userId: "UANN" },
    { id: "bob", name: "Bob", groups: ["finance"], userId: "UBOB" },
    { id: "rob", name: "Rob", groups: ["finance"], userId: "UROB" },
    { id: "cid", name: "Cid", groups: ["legal"], userId: "UCID" }
  ]
})

let processes = 0

/** A process of a panel that has this Slack for a channel. */
export const makeProcess = Effect.fnUntraced(function*(
  slack: Slack,
  options: Partial<SlackChannel.Options> = {},
  redact: Redaction.Redaction = Redaction.none
) {
  const client = clientOf(slack, String(++processes))
  const panel = yield* ReviewPanel.make({ rules })
  const channel = yield* SlackChannel.make({
    name: "chat",
    token: Redacted.make(botToken),
    channel: channelId,
    ...options
  }).pipe(Effect.provideService(HttpClient.HttpClient, client))
  const { sweep } = yield* ReviewChannel.make({ channels: [channel], redact })
  return { panel, channel, sweep: Effect.andThen(panel.sweep, sweep) }
})

/** Takes what users of this Slack press, on the route. */
export const listen = Effect.fnUntraced(function*(
  slack: Slack,
  panel: ReviewPanel.ReviewPanel["Service"],
  authenticator: Layer.Layer<SlackAuthenticator.SlackAuthenticator, unknown, HttpClient.HttpClient> = users
) {
  const deliveries = yield* Deliveries.Deliveries
  const services = Layer.mergeAll(
    Layer.succeed(Deliveries.Deliveries, deliveries),
    Layer.succeed(ReviewPanel.ReviewPanel, panel),
    authenticator
  ).pipe(Layer.provideMerge(Layer.succeed(HttpClient.HttpClient, clientOf(slack))))
  const interactions = yield* Layer.build(
    SlackInteractions.layer({ token: Redacted.make(botToken), signingSecret: Redacted.make(signingSecret) }).pipe(
      Layer.provide(services)
    )
  )
  const clock = yield* Clock.Clock
  const { dispose, handler } = HttpRouter.toWebHandler(
    SlackRoute.layer("/slack").pipe(
      Layer.provide(Layer.succeedContext(interactions)),
      Layer.provideMerge(Layer.merge(HttpServer.layerServices, Layer.succeed(Clock.Clock, clock)))
    ),
    { disableLogger: true }
  )
  yield* Effect.addFinalizer(() => Effect.promise(dispose))
  slack.receive = (request) => handler(request)
  return {
    interactions: Effect.runSync(Effect.provide(SlackInteractions.SlackInteractions, interactions)),
    send: (payload: Record<string, unknown>) => Effect.promise(() => slack.send(payload)),
    post: (request: Request) => Effect.promise(async () => (await handler(request)).status)
  }
})

/** Until something that happens beside the test has happened. */
export const until = (isSo: () => boolean, turns = 15_000) =>
  Effect.promise(async () => {
    for (let turn = 0; turn < turns && !isSo(); turn++) await new Promise((done) => setTimeout(done))
    if (!isSo()) throw new Error("It has not happened")
  })

/** A pending action. */
export const hold = (n: number, params: Record<string, unknown> = {}) =>
  Effect.gen(function*() {
    const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "delete", params: { n, ...params } })
    const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
    const action = pending.find((action) => action.actionId === actionId)!
    return { actionId: action.actionId, digest: ReviewPanel.digest(action) }
  })

export type Needs = World | Ballots.Ballots | Deliveries.Deliveries | VoteSigner.VoteSigner
