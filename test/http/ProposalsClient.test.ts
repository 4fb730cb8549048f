import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Authenticator, Ballots, Proposals, ReviewRules, type VargateError } from "effect-vargate"
import * as ProposalHandlers from "effect-vargate/http/ProposalHandlers"
import * as ProposalsClient from "effect-vargate/http/ProposalsClient"
import { HttpClient, HttpClientRequest, HttpClientResponse, HttpRouter, HttpServer } from "effect/http"
import { hashOfVote } from "../../src/reviews/internal/ballotText.ts"
import { idOf, minute, next, openingOf, reviewer, sealOf, signer } from "../reviews/ballots.ts"

const token = Redacted.make("a long random token of the agents'")

/** A panel in this process: its routes answer what is sent to any address. */
const network = Layer.effect(
  HttpClient.HttpClient,
  Effect.gen(function*() {
    const routes = ProposalHandlers.layer({ tokenHashes: [Authenticator.hashToken(token)] }).pipe(
      Layer.provide(Layer.succeedContext(yield* Effect.context<Proposals.Proposals>())),
      Layer.provideMerge(HttpServer.layerServices)
    )
    const { handler } = yield* Effect.acquireRelease(
      Effect.sync(() => HttpRouter.toWebHandler(routes, { disableLogger: true })),
      ({ dispose }) => Effect.promise(dispose)
    )
    return HttpClient.make((request) =>
      HttpClientRequest.toWeb(request).pipe(
        Effect.orDie,
        Effect.flatMap((web) => Effect.promise(() => handler(web))),
        Effect.map((response) => HttpClientResponse.fromWeb(request, response))
      )
    )
  })
).pipe(Layer.provide(Proposals.layer))

const world = Layer.merge(network, signer).pipe(Layer.provideMerge(Layer.fresh(Ballots.layerMemory)))

const clientOf = (options: Partial<ProposalsClient.Options> = {}) =>
  Effect.provide(
    Effect.map(Proposals.Proposals, (proposals) => proposals),
    ProposalsClient.layer({ url: "http://127.0.0.1:8090/", token, ...options })
  )

const opening = openingOf(ReviewRules.allowChanges()(ReviewRules.anyOf("finance")))

const made = Effect.gen(function*() {
  const ballots = yield* Ballots.Ballots
  yield* ballots.open(opening, yield* sealOf(opening))
  const vote = yield* next(opening, [], { by: reviewer("ann", "finance"), choice: "reject", proposal: "1".repeat(64) })
  const proposal = new Proposals.Proposal({
    id: hashOfVote(vote),
    actionId: opening.actionId,
    agentId: "bot",
    tool: "stripe",
    method: "create_refund",
    params: "{\"amount\":1}",
    digest: "1".repeat(64),
    editor: "ann",
    at: minute(1),
    submittedAs: null
  })
  yield* ballots.append(vote, proposal)
  return proposal
})

describe("ProposalsClient", () => {
  it.effect("finds, claims, gives back and settles a proposal of a panel", () =>
    Effect.gen(function*() {
      const proposal = yield* made
      const client = yield* clientOf()
      const [one, other] = [crypto.randomUUID(), crypto.randomUUID()]
      assert.deepStrictEqual(yield* client.find(proposal.id), proposal)
      assert.isUndefined(yield* client.find("0".repeat(64)))
      assert.isTrue(yield* client.claim(proposal.id, one))
      assert.isTrue(yield* client.claim(proposal.id, one))
      assert.isFalse(yield* client.claim(proposal.id, other))
      yield* client.release(proposal.id, one)
      assert.isTrue(yield* client.claim(proposal.id, other))
      yield* client.submitted(proposal.id, one, idOf("stolen"))
      yield* client.submitted(proposal.id, other, idOf("second"))
      assert.strictEqual((yield* client.find(proposal.id))!.submittedAs, "second")
    }).pipe(Effect.provide(world)))

  it.effect("tells nothing to those whose token is not known", () =>
    Effect.gen(function*() {
      const { id } = yield* made
      const stranger = yield* clientOf({ token: Redacted.make("another token") })
      const attempts: ReadonlyArray<Effect.Effect<unknown, VargateError.StorageFailed>> = [
        stranger.find(id),
        stranger.claim(id, crypto.randomUUID()),
        stranger.release(id, crypto.randomUUID()),
        stranger.submitted(id, crypto.randomUUID(), idOf("second"))
      ]
      for (const attempt of attempts) {
        const error = yield* Effect.flip(attempt)
        assert.match(error.message, /does not know this token/)
        assert.notInclude(JSON.stringify(error), "another token")
      }
      const client = yield* clientOf()
      assert.isTrue(yield* client.claim(id, crypto.randomUUID()), "nothing was claimed")
    }).pipe(Effect.provide(world)))

  it.effect("says that a panel cannot be reached, and sends no token where it could be read", () =>
    Effect.gen(function*() {
      const away = HttpClient.make((request) =>
        Effect.succeed(HttpClientResponse.fromWeb(request, new Response("<html>", { status: 502 })))
      )
      const client = yield* Effect.provideService(clientOf(), HttpClient.HttpClient, away)
      const error = yield* Effect.flip(client.claim("0".repeat(64), crypto.randomUUID()))
      assert.match(error.message, /could not be reached/)
      for (const url of ["http://panel.example.com", "ftp://127.0.0.1", "none", "https://a:b@panel.example.com"]) {
        const refused = yield* Effect.flip(clientOf({ url }))
        assert.match(String(refused), /Expected an https URL/)
      }
    }).pipe(Effect.provide(world)))
})
