import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import {
  type Approvals,
  Authenticator,
  Ballots,
  ReviewPanel,
  ReviewRules,
  ToolCalls,
  type Vargate
} from "effect-vargate"
import * as ReviewHandlers from "effect-vargate/http/ReviewHandlers"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { HttpClient, HttpClientRequest, HttpClientResponse, HttpRouter, HttpServer } from "effect/http"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ReviewEntry } from "../../src/cli/Output.ts"
import { signer } from "../reviews/ballots.ts"
import { decodeLines, run, type RunOptions } from "../support/cli.ts"

const tokenOf = (id: string) => `a long random token of ${id}'s`

const reviewers = Authenticator.layerTokens(["ann", "bob", "rob"].map((id) => ({
  id,
  name: id,
  groups: ["finance"],
  tokenHashes: [Authenticator.hashToken(Redacted.make(tokenOf(id)))]
})))

const rules = ReviewRules.make({
  otherwise: ReviewRules.allowChanges()(ReviewRules.quorum(2, "finance")),
  requesters: () => ["rob"]
})
const panel = Layer.effect(ReviewPanel.ReviewPanel, ReviewPanel.make({ rules }))

const panelUrl = "http://127.0.0.1:8090"

/** What goes to the panel's address is answered by the panel, in this process. */
const network = Layer.effect(
  HttpClient.HttpClient,
  Effect.gen(function*() {
    const services = yield* Effect.context<
      ReviewPanel.ReviewPanel | Approvals.Approvals | Authenticator.Authenticator
    >()
    const routes = ReviewHandlers.layer.pipe(
      Layer.provide(Layer.succeedContext(services)),
      Layer.provideMerge(HttpServer.layerServices)
    )
    const { handler } = yield* Effect.acquireRelease(
      Effect.sync(() => HttpRouter.toWebHandler(routes, { disableLogger: true })),
      ({ dispose }) => Effect.promise(dispose)
    )
    const gateway = yield* HttpClient.HttpClient
    return HttpClient.transform(gateway, (send, request) =>
      !request.url.startsWith(panelUrl)
        ? send
        : HttpClientRequest.toWeb(request).pipe(
          Effect.orDie,
          Effect.flatMap((web) => Effect.promise(() => handler(web))),
          Effect.map((response) => HttpClientResponse.fromWeb(request, response))
        ))
  })
)

const world = network.pipe(
  Layer.provideMerge(Layer.merge(panel, reviewers)),
  Layer.provideMerge(Layer.fresh(Ballots.layerMemory)),
  Layer.provide(signer),
  Layer.provideMerge(GatewayMemory.layer())
)

const hold = Effect.gen(function*() {
  const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "drop", params: { table: "users" } })
  yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
  return actionId
})

const as = (id: string, args: ReadonlyArray<string>, options: RunOptions = {}) =>
  run(["reviews", ...args], {
    ...options,
    env: { VARGATE_API_KEY: "", VARGATE_PANEL_URL: panelUrl, VARGATE_REVIEWER_TOKEN: tokenOf(id), ...options.env }
  })

type Needs = Layer.Success<typeof world> | Vargate.OperatorServices | Scope.Scope

const test = (title: string, effect: Effect.Effect<void, unknown, Needs>) =>
  it.effect(title, () => Effect.provide(effect, world))

describe("reviews at a panel", () => {
  test(
    "two reviewers see what is pending, and vote, without a key of the gateway's",
    Effect.gen(function*() {
      const actionId = yield* hold
      const listed = yield* as("ann", ["pending"], { columns: 100 })
      assert.match(listed.out, new RegExp(`${actionId.slice(0, 8)}.* db/drop +effect-agent +0 `))
      const first = yield* as("ann", ["vote", actionId.slice(0, 8), "approve", "--note", "known customer", "--yes"])
      assert.deepStrictEqual([first.code, first.err], [0, ""])
      assert.match(first.out, /Params +\{"table":"users"\}/)
      assert.match(first.out, /Vote +approve ann {2}known customer/)
      assert.match(first.out, /2 of finance: approved by ann\./)
      const again = yield* as("ann", ["vote", actionId, "approve", "--yes"])
      assert.deepStrictEqual([again.code, /this vote counts already/.test(again.err)], [8, true])
      const requester = yield* as("rob", ["vote", actionId, "approve", "--yes"])
      assert.deepStrictEqual([requester.code, /who asked for an action does not decide/.test(requester.err)], [7, true])
      const last = yield* as("bob", ["vote", actionId, "approve", "--yes", "--json"])
      const [review] = decodeLines(ReviewEntry, last.out)
      assert.deepStrictEqual([review!.state, review!.outcome?.result, review!.votes.length], ["ended", "approved", 2])
    })
  )

  test(
    "shows the action to a reviewer at a terminal before the vote, and votes on what was seen elsewhere by its digest",
    Effect.gen(function*() {
      const actionId = yield* hold
      const no = yield* as("ann", ["vote", actionId, "approve"], { columns: 100, keys: ["n", "\r"] })
      assert.match(no.err, /"table":"users"/)
      assert.match(no.err, /Nothing was voted/)
      const blind = yield* as("ann", ["vote", actionId, "approve"])
      assert.deepStrictEqual([blind.code, /--digest/.test(blind.err)], [2, true])
      const stale = yield* as("ann", ["vote", actionId, "approve", "--digest", "0".repeat(64)])
      assert.deepStrictEqual([stale.code, /has other params/.test(stale.err)], [8, true])
      const [review] = decodeLines(ReviewEntry, (yield* as("ann", ["pending", "--json"])).out)
      assert.deepStrictEqual(review!.votes, [])
      const seen = yield* as("ann", ["vote", actionId, "reject", "--digest", review!.digest])
      assert.match(seen.out, /State +rejected/)
    })
  )

  test(
    "proposes other params from a file, where the rule allows that",
    Effect.gen(function*() {
      const actionId = yield* hold
      const folder = yield* Effect.sync(() => mkdtempSync(join(tmpdir(), "vargate-changes-")))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const file = join(folder, "params.json")
      writeFileSync(file, JSON.stringify({ table: "old_users" }))
      const change = (...args: ReadonlyArray<string>) =>
        as("ann", ["vote", actionId, "change", "--yes", ...args], { hasFiles: true })
      assert.match((yield* change()).err, /Pass --params FILE/)
      assert.match((yield* change("--params", join(folder, "none.json"))).err, /no such file/)
      const approved = yield* as("ann", ["vote", actionId, "approve", "--yes", "--params", file])
      assert.match(approved.err, /--params is for the choice change/)
      writeFileSync(join(folder, "bad.json"), "[1]")
      assert.match((yield* change("--params", join(folder, "bad.json"))).err, /holds no JSON object/)
      const voted = yield* change("--params", file)
      assert.deepStrictEqual([voted.code, voted.err], [0, ""])
      assert.match(voted.out, /State +rejected/)
      assert.match(voted.out, /Rejected by ann, who proposes other params\./)
      const [ballot] = yield* Ballots.Ballots.use(({ list }) => list())
      const proposed = yield* Ballots.Ballots.use(({ proposalsOf }) =>
        proposalsOf({ actionId, digest: ballot!.votes[0]!.proposal! })
      )
      assert.deepStrictEqual(proposed.map(({ editor, params }) => [editor, params]), [
        ["ann", "{\"table\":\"old_users\"}"]
      ])
    })
  )

  test(
    "sends no token where it could be read, and says what is missing",
    Effect.gen(function*() {
      const answers = [
        yield* as("eve", ["pending"]),
        yield* as("ann", ["pending", "--panel", "http://panel.example.com"]),
        yield* as("ann", ["pending", "--panel", "ftp://127.0.0.1"]),
        yield* as("ann", ["pending", "--panel", "https://ann:secret@panel.example.com"]),
        yield* run(["reviews", "pending", "--panel", panelUrl]),
        yield* run(["reviews", "pending"], { env: { VARGATE_REVIEWER_TOKEN: tokenOf("ann") } }),
        yield* as("ann", ["vote", "zzz", "approve", "--yes"])
      ]
      assert.deepStrictEqual(answers.map(({ code }) => code), [7, 2, 2, 2, 2, 2, 2])
      assert.deepStrictEqual(answers.map(({ err }) => /random token|secret@/.test(err)), answers.map(() => false))
      assert.match(answers[1]!.err, /can be read by others over http/)
    })
  )
})
