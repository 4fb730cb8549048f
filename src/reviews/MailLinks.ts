/**
 * Reviewers who are written to: each gets one-time links, which show an action and take one vote on it. `MailChannel` sends
 * them, `MailRoute` has the page.
 *
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Approvals } from "../approvals/Approvals.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { OperationError, StorageFailed, VargateError } from "../errors/VargateError.ts"
import { redactText } from "../export/internal/redactParams.ts"
import * as Redaction from "../export/Redaction.ts"
import { isLoopback } from "../internal/loopback.ts"
import { sha256 } from "../internal/sha256.ts"
import { withoutTrailingSlashes } from "../internal/slashes.ts"
import { ActionId } from "../model/ActionId.ts"
import type { Choice } from "./Ballot.ts"
import { digestOf } from "./internal/ballotText.ts"
import { shownParams } from "./internal/shownParams.ts"
import type { ReviewNotice } from "./ReviewChannel.ts"
import { Reviewer } from "./Reviewer.ts"
import { VoteRefused } from "./ReviewError.ts"
import { type ReviewLink, ReviewLinks } from "./ReviewLinks.ts"
import { type BallotStatus, ReviewPanel } from "./ReviewPanel.ts"

/**
 * A reviewer of a table, with the address that is written to.
 *
 * @category models
 * @since 0.2.0
 */
export const MailReviewer = Schema.Struct({
  ...Reviewer.fields,
  /** One address, without a name. */
  address: Schema.String.check(
    Schema.isPattern(/^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}$/, {
      expected: "one e-mail address, like ann@example.com"
    })
  )
})

/**
 * The type of {@link MailReviewer}.
 *
 * @category models
 * @since 0.2.0
 */
export type MailReviewer = typeof MailReviewer.Type

/**
 * What a link shows: the action while a vote with it would be taken, or why none is. `Unknown` says nothing else.
 *
 * @category models
 * @since 0.2.0
 */
export type LinkView =
  | { readonly _tag: "Unknown" }
  | {
    readonly _tag: "Over"
    /** `Used` before, `Expired`, or the action is another one now, or decided: `Ended`. */
    readonly reason: "Used" | "Expired" | "Ended"
    readonly status: BallotStatus | undefined
  }
  | {
    readonly _tag: "Open"
    readonly reviewer: Reviewer
    readonly onBehalfOf: string | null
    readonly digest: string
    readonly agentId: string
    readonly tool: string
    readonly method: string
    /** What the redaction leaves: `null` where they are withheld. Undefined where the action is not listed. */
    readonly params: unknown
    readonly violations: ReadonlyArray<string>
    readonly createdAt: DateTime.Utc
    readonly timeoutAt: DateTime.Utc | null
    readonly votes: ReadonlyArray<{ readonly reviewerId: string; readonly choice: Choice }>
    readonly needs: ReadonlyArray<string>
  }

/**
 * A vote as a page states it.
 *
 * @category models
 * @since 0.2.0
 */
export interface LinkVote {
  /** Of the action as the page has shown it. */
  readonly digest: string
  readonly choice: Choice
  readonly note?: string | undefined
}

/**
 * Makes links, shows what they are about, and takes votes with them.
 *
 * @category services
 * @since 0.2.0
 */
export class MailLinks extends Context.Service<MailLinks, {
  readonly reviewers: ReadonlyArray<MailReviewer>
  /** A new link for a reviewer, whole, with its secret token. */
  readonly create: (
    notice: ReviewNotice,
    reviewer: Reviewer,
    onBehalfOf: string | null
  ) => Effect.Effect<Redacted.Redacted, StorageFailed>
  /** What a link is about. However often it is asked, it decides nothing. */
  readonly look: (token: Redacted.Redacted) => Effect.Effect<LinkView, StorageFailed | OperationError>
  /** Casts a vote with a link, which is used by a vote that counts; undefined where the link takes none. */
  readonly vote: (
    token: Redacted.Redacted,
    vote: LinkVote
  ) => Effect.Effect<BallotStatus | undefined, VoteRefused | StorageFailed | OperationError>
}>()("effect-vargate/MailLinks") {}

/**
 * Who is written to, and where the page is.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** Where reviewers reach `MailRoute`, like `https://panel.example.com/review`. https, or http on this machine. */
  readonly url: string
  readonly reviewers: ReadonlyArray<MailReviewer>
  /**
   * What the page shows of the params. Default: nothing (`Redaction.withheld`). A link is opened by programs too that look
   * for harm in mails.
   */
  readonly redact?: Redaction.Redaction | undefined
}

const decodeReviewers = Schema.decodeUnknownResult(Schema.Array(MailReviewer))

/** An action without an end of its own is pending for an hour. */
const hourMillis = 3_600_000

const tokenOf = () => Base64Url.encode(crypto.getRandomValues(new Uint8Array(32)))

/**
 * The parameter of a link's URL that holds its token.
 *
 * @category constants
 * @since 0.2.0
 */
export const tokenParam = "sig"

const isToken = (text: string) => /^[A-Za-z0-9_-]{43}$/.test(text)

/**
 * Builds the service. Fails with `InvalidRequest` where an option is not usable, and where two reviewers have the same id.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<MailLinks["Service"], VargateError, ReviewPanel | ReviewLinks | Approvals> {
  const operation = "MailLinks.make"
  const panel = yield* ReviewPanel
  const links = yield* ReviewLinks
  const approvals = yield* Approvals
  const { redact = Redaction.withheld } = options
  const url = URL.parse(options.url)
  if (
    url === null || url.search !== "" || url.hash !== "" || url.username !== "" ||
    !(url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)))
  ) {
    return yield* invalidRequest(operation, [{
      path: ["url"],
      message: "Expected an https URL, or http on this machine, without anything behind its path"
    }])
  }
  const decoded = decodeReviewers(options.reviewers)
  if (Result.isFailure(decoded)) {
    return yield* invalidRequest(operation, fieldIssues(decoded.failure.issue, ["reviewers"]))
  }
  const byId = new Map<string, Reviewer>()
  for (const [index, { groups, id, name }] of decoded.success.entries()) {
    if (byId.has(id)) {
      return yield* invalidRequest(operation, [{
        path: ["reviewers", index, "id"],
        message: "Another reviewer has the same id"
      }])
    }
    byId.set(id, new Reviewer({ id, name, groups }))
  }
  const text = (text: string) => redactText(text, redact)

  /** The link of a token, and whose it is. Those of reviewers who are not in the table any more are not known. */
  const find = Effect.fnUntraced(function*(token: Redacted.Redacted) {
    const link = isToken(Redacted.value(token)) ? yield* links.find(sha256(Redacted.value(token))) : undefined
    const reviewer = link && byId.get(link.reviewerId)
    return link === undefined || reviewer === undefined ? undefined : { link, reviewer }
  })

  const statusOf = ({ actionId, digest }: ReviewLink) =>
    Effect.map(panel.status(actionId), (status) => status?.ballot.opening.digest === digest ? status : undefined)

  const look = Effect.fn("MailLinks.look")(function*(token: Redacted.Redacted): Effect.fn.Return<
    LinkView,
    StorageFailed | OperationError
  > {
    const found = yield* find(token)
    if (found === undefined) return { _tag: "Unknown" }
    const { link, reviewer } = found
    const status = yield* statusOf(link)
    if (link.usedAt !== null) return { _tag: "Over", reason: "Used", status }
    if (link.expiresAt <= (yield* Clock.currentTimeMillis)) return { _tag: "Over", reason: "Expired", status }
    const { pending } = yield* approvals.pending
    const action = pending.find(({ actionId }) => actionId === link.actionId)
    const isChanged = action !== undefined && digestOf(action) !== link.digest
    if (status === undefined || status.ballot.state !== "open" || isChanged) {
      return { _tag: "Over", reason: "Ended", status }
    }
    const { opening, votes } = status.ballot
    return {
      _tag: "Open",
      reviewer,
      onBehalfOf: link.onBehalfOf,
      digest: link.digest,
      agentId: text(opening.agentId),
      tool: text(opening.tool),
      method: text(opening.method),
      params: action === undefined ? undefined : shownParams(action, redact),
      violations: (action?.violations ?? []).map(text),
      createdAt: opening.createdAt,
      timeoutAt: opening.timeoutAt,
      votes: votes.map(({ choice, reviewerId }) => ({ reviewerId: text(reviewerId), choice })),
      needs: status.needs.map(text)
    }
  })

  const vote = Effect.fn("MailLinks.vote")(function*(token: Redacted.Redacted, { choice, digest, note }: LinkVote) {
    const found = yield* find(token)
    if (found === undefined || found.link.digest !== digest) return undefined
    const { link: { actionId, hash, onBehalfOf }, reviewer } = found
    if (!(yield* links.use(hash, yield* Clock.currentTimeMillis))) return undefined
    return yield* panel.vote(reviewer, {
      actionId,
      digest,
      choice,
      note,
      ...onBehalfOf === null ? {} : { onBehalfOf }
    }).pipe(
      // Only a vote that counts uses a link.
      Effect.tapCause((cause) => {
        const error = Cause.squash(cause)
        return error instanceof VoteRefused && error.refusal === "AlreadyVoted"
          ? Effect.void
          : Effect.ignore(links.restore(hash))
      })
    )
  }, Effect.uninterruptible)

  return MailLinks.of({
    reviewers: decoded.success,
    create: Effect.fnUntraced(function*({ actionId, createdAt, digest, timeoutAt }, reviewer, onBehalfOf) {
      const token = tokenOf()
      yield* links.add({
        hash: sha256(token),
        actionId: ActionId.make(actionId),
        digest,
        reviewerId: reviewer.id,
        onBehalfOf,
        expiresAt: timeoutAt?.epochMilliseconds ?? createdAt.epochMilliseconds + hourMillis
      }, yield* Clock.currentTimeMillis)
      // Under a name that traces and errors of HTTP leave out by default.
      return Redacted.make(`${withoutTrailingSlashes(options.url)}?${tokenParam}=${token}`)
    }),
    look,
    vote
  })
})

/**
 * The service for a panel.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: Options
): Layer.Layer<MailLinks, VargateError, ReviewPanel | ReviewLinks | Approvals> => Layer.effect(MailLinks, make(options))
