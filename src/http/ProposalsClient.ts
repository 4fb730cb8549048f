/**
 * What reviewers propose, for processes of agents that have no part of the panel's store: the service `Proposals` over
 * HTTP, from a panel with `ProposalHandlers`.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import { StorageFailed, type VargateError } from "../errors/VargateError.ts"
import { isLoopback } from "../internal/loopback.ts"
import { withoutTrailingSlashes } from "../internal/slashes.ts"
import { Proposals } from "../reviews/Proposals.ts"
import { ProposalApi } from "./ProposalGroup.ts"

/**
 * Where the panel is.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** `https`, or `http` on this machine. */
  readonly url: string
  /** One whose hash the panel has (`Authenticator.makeToken`). */
  readonly token: Redacted.Redacted
}

/** How long one answer may take. */
const patience = "10 seconds"

/**
 * The service. Fails with `InvalidRequest` where the URL is none, or the token could be read on the way.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<Proposals, VargateError, HttpClient.HttpClient> =>
  Layer.effect(
    Proposals,
    Effect.gen(function*() {
      const url = URL.parse(options.url)
      const isSafe = url !== null &&
        (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)))
      if (!isSafe || url.username !== "" || url.password !== "") {
        return yield* invalidRequest("ProposalsClient.layer", [{
          path: ["url"],
          message: "Expected an https URL without a user, or http on this machine"
        }])
      }
      const http = yield* HttpClient.HttpClient
      const { proposals } = yield* HttpApiClient.makeWith(ProposalApi, {
        httpClient: HttpClient.mapRequest(http, HttpClientRequest.bearerToken(options.token)),
        baseUrl: withoutTrailingSlashes(options.url)
      })
      /** What an answer says, or that there is none: never what the request carried. */
      const asked =
        (operation: string) =>
        <A>(request: Effect.Effect<A, { readonly _tag: string }>): Effect.Effect<A, StorageFailed> =>
          request.pipe(
            Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail({ _tag: "Timeout" }) }),
            Effect.mapError(({ _tag }) =>
              new StorageFailed({
                operation,
                detail: _tag === "AgentUnknown"
                  ? "the panel does not know this token"
                  : _tag === "ActionUnavailable"
                  ? "the panel cannot reach its store now"
                  : _tag === "Timeout"
                  ? `the panel did not answer in ${patience}`
                  : "the panel could not be reached, or what answered is none"
              })
            )
          )
      return Proposals.of({
        find: (id) =>
          proposals.find({ params: { id } }).pipe(
            Effect.catchTag("ActionNotFound", () => Effect.succeed(undefined)),
            asked("Proposals.find")
          ),
        claim: (id, token) =>
          proposals.claim({ params: { id }, payload: { token } }).pipe(
            Effect.map(({ claimed }) => claimed),
            asked("Proposals.claim")
          ),
        release: (id, token) => asked("Proposals.release")(proposals.release({ params: { id }, payload: { token } })),
        submitted: (id, token, actionId) =>
          asked("Proposals.submitted")(proposals.submitted({ params: { id }, payload: { token, actionId } }))
      })
    })
  )
