/** A panel with its page on a port, and reviewers at it, each in a browser context of their own. */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, Redacted, Schedule } from "effect"
import {
  type Approvals,
  type AuditLog,
  Authenticator,
  Ballots,
  Grants,
  ReviewPanel,
  ReviewRules,
  type Reviews
} from "effect-vargate"
import * as ReviewPage from "effect-vargate/node/ReviewPage"
import { HttpServer } from "effect/http"
import { createServer, request as send } from "node:http"
import type { AddressInfo } from "node:net"
import { act, person } from "../gateway/inbox/page/browser.ts"
import { Address } from "../gateway/suite/doors.ts"
import { signer } from "../reviews/ballots.ts"

export const tokenOf = (id: string) => `a long random token of ${id}'s`

/** Where browsers find the panel. */
export class PanelAddress extends Context.Service<PanelAddress, string>()("test/PanelAddress") {}

const names = { ann: "Ann Archer", bob: "Bob Baker", cid: "Cid Cole", rob: "Rob Reed" } as const

const reviewers = Authenticator.layerTokens(
  Object.entries(names).map(([id, name]) => ({
    id,
    name,
    groups: id === "cid" ? ["legal"] : ["finance"],
    tokenHashes: [Authenticator.hashToken(Redacted.make(tokenOf(id)))]
  }))
)

export const rules = ReviewRules.make({
  otherwise: ReviewRules.quorum(2, "finance"),
  requesters: ReviewRules.ownersOf({ "robs-bot": ["rob"] })
})

/** A panel over the gateway in context, that looks often. */
export const panelLayer = (options: ReviewPage.Options = {}, panelRules = rules) =>
  Layer.effect(
    PanelAddress,
    HttpServer.HttpServer.use(({ address }) => Effect.succeed(HttpServer.formatAddress(address)))
  ).pipe(
    Layer.provideMerge(ReviewPage.serve(options)),
    Layer.provideMerge(ReviewPanel.layer({ rules: panelRules, every: "100 millis" })),
    Layer.provideMerge(Grants.layerMemory),
    Layer.provideMerge(Ballots.layerMemory),
    Layer.provide([reviewers, signer]),
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }).pipe(Layer.orDie)),
    Layer.orDie
  ) satisfies Layer.Layer<
    PanelAddress | ReviewPanel.ReviewPanel | Ballots.Ballots | Grants.Grants,
    never,
    Approvals.Approvals | Reviews.Reviews | AuditLog.AuditLog
  >

/** A proxy that serves the panel under a path, which it keeps or removes. */
export const proxied = Effect.fnUntraced(function*(panel: () => string, path: string, keeps: boolean) {
  const server = createServer((incoming, outgoing) => {
    const url = incoming.url ?? "/"
    if (!url.startsWith(path)) return void outgoing.writeHead(404).end()
    const to = new URL(panel())
    const forwarded = send({
      host: to.hostname,
      port: to.port,
      method: incoming.method,
      path: keeps ? url : `/${url.slice(path.length)}`,
      headers: incoming.headers
    }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on("error", () => outgoing.destroy())
    incoming.pipe(forwarded)
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
    () =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
})

type Viewport = NonNullable<Parameters<typeof person>[0]>

/** A reviewer with a browser of their own. */
export const reviewer = Effect.fnUntraced(function*(url: string, options: Viewport = {}, expected?: RegExp) {
  const { card, page, urls } = yield* Effect.provideService(person(options, expected), Address, url)
  return {
    page,
    urls,
    card,
    logIn: (id: string) =>
      act(async () => {
        await page.goto(url)
        await page.getByLabel("Your token").fill(tokenOf(id))
        await page.getByRole("button", { name: "Log in" }).click()
        await page.locator("[data-link=live]").waitFor()
      })
  }
})

/** Waits for what another process or the page does by itself. */
export const until = <E, R>(isSo: Effect.Effect<boolean, E, R>) =>
  Effect.flatMap(isSo, (so) => so ? Effect.void : Effect.fail("not yet")).pipe(
    Effect.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 1000 })))
  )
