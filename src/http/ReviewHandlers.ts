/**
 * Implements the routes of `ReviewGroup` with a review panel, on any server.
 *
 * **Example** (A panel on a port)
 *
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import type { Approvals, Authenticator, ReviewPanel } from "effect-vargate"
 * import * as ReviewHandlers from "effect-vargate/http/ReviewHandlers"
 * import { HttpRouter } from "effect/http"
 * import { createServer } from "node:http"
 *
 * declare const panel: Layer.Layer<ReviewPanel.ReviewPanel | Approvals.Approvals | Authenticator.Authenticator>
 *
 * const server = HttpRouter.serve(ReviewHandlers.layer).pipe(
 *   Layer.provide([panel, NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 8090 })])
 * )
 * ```
 *
 * @since 0.2.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { PendingAction } from "../approvals/Approval.ts"
import { Approvals } from "../approvals/Approvals.ts"
import type { OperationError, StorageFailed } from "../errors/VargateError.ts"
import { sha256 } from "../internal/sha256.ts"
import { Authenticator } from "../reviews/Authenticator.ts"
import type { Vote } from "../reviews/Ballots.ts"
import { reasonsOf } from "../reviews/internal/reasons.ts"
import { seatsOf } from "../reviews/internal/seats.ts"
import type { Reviewer } from "../reviews/Reviewer.ts"
import type { Refusal, VoteRefused } from "../reviews/ReviewError.ts"
import { type BallotStatus, digest, ReviewPanel, type VoteRequest } from "../reviews/ReviewPanel.ts"
import * as PublicError from "./PublicError.ts"
import {
  type Always,
  type CastVote,
  CurrentReviewer,
  type Review,
  ReviewApi,
  ReviewerAuthorization,
  ReviewerUnknown,
  SessionForged,
  VoteForbidden,
  VoteNotTaken
} from "./ReviewGroup.ts"
import { cookieName, csrfHeader, type ReviewSession, ReviewSessions } from "./ReviewSessions.ts"

/**
 * A vote as other reviewers see it.
 *
 * @category views
 * @since 0.2.0
 */
export const castOf = (
  { at, choice, note, onBehalfOf, proposal, reviewerId, reviewerName }: Vote
): typeof CastVote.Type => ({
  reviewerId,
  reviewerName,
  onBehalfOf,
  choice,
  note,
  at,
  ...proposal === undefined ? {} : { proposal }
})

/** What one reviewer sees of a ballot at a time. */
const viewOf = (
  { ballot, needs }: BallotStatus,
  reviewer: Reviewer,
  now: DateTime.Utc,
  action?: PendingAction,
  because?: string
): Review => {
  const { opening, outcome, state, votes } = ballot
  return {
    actionId: opening.actionId,
    digest: opening.digest,
    agentId: opening.agentId,
    tool: opening.tool,
    method: opening.method,
    // Never those of another digest: a vote would name what was not shown.
    ...action !== undefined && digest(action) === opening.digest ? { params: action.params } : {},
    violations: action?.violations ?? [],
    ...action === undefined ? {} : { severity: action.severity, reasons: reasonsOf(action) },
    ...because === undefined ? {} : { because },
    createdAt: opening.createdAt,
    timeoutAt: opening.timeoutAt,
    state,
    outcome,
    votes: votes.map(castOf),
    needs,
    you: seatsOf(ballot, reviewer, now)
  }
}

const scopeOf = ({ expiresInSeconds, ...scope }: Always): VoteRequest["always"] => ({
  ...scope,
  expiresIn: Duration.seconds(expiresInSeconds)
})

const isForReviewer: { readonly [R in Refusal]: boolean } = {
  Requester: true,
  NotAsked: true,
  NoChanges: true,
  NoDelegation: true,
  NotYet: false,
  AlreadyVoted: false,
  TooLate: false,
  Changed: false,
  NotPending: false,
  Ended: false,
  TooManyVotes: false,
  Spoiled: false
}

const refused = ({ message, refusal }: VoteRefused) =>
  isForReviewer[refusal] ? new VoteForbidden({ message, refusal }) : new VoteNotTaken({ message, refusal })

const unavailable = new PublicError.ActionUnavailable({
  message: "The panel cannot reach the gateway or its store now. Try again later."
})

/**
 * A failure as a reviewer sees it: the faults of a gateway's key, or its answers, are not for reviewers.
 *
 * @category errors
 * @since 0.2.0
 */
export const expose = (error: OperationError | StorageFailed) => {
  const exposed = PublicError.of(error)
  switch (exposed._tag) {
    case "ActionInvalid":
    case "ActionLimited":
    case "ActionUnknown":
      return exposed
    default:
      return unavailable
  }
}

const group = HttpApiBuilder.group(
  ReviewApi,
  "reviews",
  Effect.fnUntraced(function*(handlers) {
    const panel = yield* ReviewPanel
    const approvals = yield* Approvals

    const view = (status: BallotStatus, action?: PendingAction) =>
      Effect.gen(function*() {
        const reviewer = yield* CurrentReviewer
        return viewOf(
          status,
          reviewer,
          yield* DateTime.now,
          action,
          action === undefined ? undefined : panel.because(action)
        )
      })

    const list = Effect.gen(function*() {
      const reviews: Array<Review> = []
      const { pending, stats } = yield* approvals.pending
      for (const action of pending) {
        const status = yield* panel.status(action.actionId)
        // One that the panel has not seen yet is there after its next look.
        if (status !== undefined) reviews.push(yield* view(status, action))
      }
      return { reviews, total: stats?.pending ?? pending.length }
    }).pipe(Effect.mapError(expose))

    return handlers
      .handle("list", () => list)
      .handle("get", ({ params }) =>
        Effect.gen(function*() {
          const status = yield* Effect.mapError(panel.status(params.id), expose)
          if (status === undefined) {
            return yield* new PublicError.ActionNotFound({ message: "There is no ballot on this action." })
          }
          const { pending } = yield* Effect.mapError(approvals.pending, expose)
          return yield* view(status, pending.find(({ actionId }) => actionId === params.id))
        }))
      .handle("vote", ({ params, payload }) =>
        Effect.gen(function*() {
          const reviewer = yield* CurrentReviewer
          const { always, ...vote } = payload
          const status = yield* panel.vote(reviewer, {
            actionId: params.id,
            ...vote,
            ...always === undefined ? {} : { always: scopeOf(always) }
          })
          return yield* view(status)
        }).pipe(Effect.mapError((error) => error._tag === "VoteRefused" ? refused(error) : expose(error))))
  })
)

/**
 * What is said where a request may be another page's.
 *
 * @category errors
 * @since 0.2.0
 */
export const forged = "Requests that change something repeat the session's csrf in x-vargate-csrf. Load the page again."

/**
 * Whether a request repeats what only the session's own page knows. Hashes are compared, so that no time tells how much of
 * it was right.
 *
 * @category sessions
 * @since 0.2.0
 */
export const hasCsrf = (
  { headers }: Pick<HttpServerRequest.HttpServerRequest, "headers">,
  { csrf }: ReviewSession
): boolean => sha256(headers[csrfHeader] ?? "") === sha256(csrf)

/** The reviewer of a session's cookie, where the request is its page's own. */
const reviewerOfSession = Effect.fnUntraced(function*(
  sessions: ReviewSessions["Service"],
  request: HttpServerRequest.HttpServerRequest,
  id: string
) {
  const session = yield* Effect.mapError(
    sessions.find(Redacted.make(id)),
    ({ message }) => new ReviewerUnknown({ message })
  )
  const changesNothing = request.method === "GET" || request.method === "HEAD"
  if (!changesNothing && !hasCsrf(request, session)) return yield* new SessionForged({ message: forged })
  return session.reviewer
})

/**
 * Knows reviewers by their tokens, and by sessions where `ReviewSessions` is in context.
 *
 * @category layers
 * @since 0.2.0
 */
export const authorization: Layer.Layer<ReviewerAuthorization, never, Authenticator> = Layer.effect(
  ReviewerAuthorization,
  Effect.gen(function*() {
    const { authenticate } = yield* Authenticator
    const sessions = yield* Effect.serviceOption(ReviewSessions)
    return {
      bearer: Effect.fnUntraced(function*(effect, { credential }) {
        const request = yield* HttpServerRequest.HttpServerRequest
        const id = request.cookies[cookieName]
        const reviewer = Redacted.value(credential) === "" && Option.isSome(sessions) && id !== undefined
          ? yield* reviewerOfSession(sessions.value, request, id)
          : yield* Effect.mapError(authenticate(credential), ({ message }) => new ReviewerUnknown({ message }))
        return yield* Effect.provideService(effect, CurrentReviewer, reviewer)
      })
    }
  })
)

/**
 * The routes of a panel, for a router.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = HttpApiBuilder.layer(ReviewApi).pipe(Layer.provide(group), Layer.provide(authorization))
