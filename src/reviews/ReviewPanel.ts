/**
 * The panel: authenticated reviewers vote on pending actions, and their votes make the decision at the gateway.
 *
 * **Details**
 *
 * The panel alone has a key that may approve. It opens a ballot for every pending action, counts what reviewers vote under
 * the rule of that action, and tells the gateway once, with a note that has the digest of the votes. Several processes
 * may run one panel on one store.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { PendingAction } from "../approvals/Approval.ts"
import { Approvals, type Outcome } from "../approvals/Approvals.ts"
import { Reviews } from "../approvals/Reviews.ts"
import { snapshotParams } from "../calls/internal/paramsSnapshot.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { FieldIssue, OperationError, StorageFailed } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import { type Ballot, type BallotKey, type BallotOutcome, Ballots, type Choice, type Opening, Vote } from "./Ballots.ts"
import { ClaimHolder } from "./ClaimHolder.ts"
import { type Grant, type GrantRequest, Grants, type GrantStatus, type GrantStore } from "./Grants.ts"
import {
  digestOf,
  hashOfOpening,
  hashOfVote,
  headOf,
  hidesParams,
  noteOf,
  proposedDigestOf,
  readNote,
  textOfOpening,
  textOfVote,
  withoutReference
} from "./internal/ballotText.ts"
import { faultsOf } from "./internal/checkBallot.ts"
import { covers, drawsOf, isInForce, textOfGrant } from "./internal/coverage.ts"
import { compile, refusalOf, tally } from "./internal/tally.ts"
import { wordsOfBallot } from "./internal/words.ts"
import { Proposal } from "./Proposal.ts"
import type { Reviewer } from "./Reviewer.ts"
import { type Refusal, VoteRefused } from "./ReviewError.ts"
import { because, opening, type ReviewRules } from "./ReviewRules.ts"
import { keyIdOf, verify, VoteSigner } from "./VoteSigner.ts"

/**
 * A vote as a reviewer states it.
 *
 * @category models
 * @since 0.2.0
 */
export interface VoteRequest {
  readonly actionId: ActionId
  /** The digest of the action as it was shown ({@link digest}): a vote on anything else is refused. */
  readonly digest: string
  readonly choice: Choice
  /**
   * With a rejection, where the rule lets the reviewer change the action: the params that the reviewer would approve
   * instead. They are kept as a proposal, which the agent's process submits.
   */
  readonly changes?: Readonly<Record<string, unknown>> | undefined
  /**
   * With an approval: approves what this covers from now on as well (`Grants`), by the same agent, tool and method. It has to
   * cover this action.
   */
  readonly always?: Omit<GrantRequest, "agentId" | "tool" | "method"> | undefined
  /** At most 2,000 characters. */
  readonly note?: string | undefined
  /** The reviewer who is represented, where a delegation says so. */
  readonly onBehalfOf?: string | undefined
}

/**
 * How a ballot stands, and in words what it still needs.
 *
 * @category models
 * @since 0.2.0
 */
export interface BallotStatus {
  readonly ballot: Ballot
  readonly needs: ReadonlyArray<string>
}

/**
 * Counts votes, and decides at the gateway.
 *
 * @category services
 * @since 0.2.0
 */
export class ReviewPanel extends Context.Service<ReviewPanel, {
  /**
   * Casts the vote of an authenticated reviewer, and decides where the rule is met by it. The vote is stored before it
   * counts. Where the gateway cannot be told now, the ballot is `deciding`, and a later sweep tells it.
   */
  readonly vote: (
    reviewer: Reviewer,
    vote: VoteRequest
  ) => Effect.Effect<BallotStatus, VoteRefused | StorageFailed | OperationError>
  /** The ballot on an action, the latest one where its params have changed. */
  readonly status: (actionId: ActionId) => Effect.Effect<BallotStatus | undefined, StorageFailed>
  /** To which actions the rule of this one applies, in words: undefined where it is the rule for all others. */
  readonly because: (action: PendingAction) => string | undefined
  /** The latest ballots first. */
  readonly list: Ballots["Service"]["list"]
  /**
   * One look at everything: opens ballots for new actions, ends those of actions that were decided elsewhere or have
   * expired, rejects at deadlines, and finishes what another process began and does not end. The layer does so again and
   * again.
   */
  readonly sweep: Effect.Effect<void, StorageFailed | OperationError>
}>()("effect-vargate/ReviewPanel") {}

/**
 * How a panel works.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  readonly rules: ReviewRules
  /** How often the panel looks at everything. Default: every 5 seconds. */
  readonly every?: Duration.Input | undefined
  /**
   * How long a process that tells the gateway of a decision may show no sign of life before another one takes over.
   * Default: 30 seconds. One that has certainly ended is not waited for (`ClaimHolder`).
   */
  readonly lease?: Duration.Input | undefined
  /** Public keys of earlier signers, whose votes count still. */
  readonly trustedKeys?: ReadonlyArray<string> | undefined
  /**
   * The schemas of params, by `tool/method`: what reviewers propose has to fit them, and no key may be left over. Default:
   * what fits the gateway's limits.
   */
  readonly params?: Readonly<Record<string, Schema.Codec<unknown, unknown>>> | undefined
}

/**
 * The digest of a pending action as it is shown, which a vote on it has to name.
 *
 * @category digests
 * @since 0.2.0
 */
export const digest: (action: PendingAction) => string = digestOf

const maxVotes = 1_000
const maxNote = 2_000

/** Each look reads the log. */
const unlistedRhythm = 30_000

/**
 * Builds the panel without its sweeps.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ReviewPanel["Service"], never, Reviews | Approvals | Ballots | VoteSigner> {
  const reviews = yield* Reviews
  const approvals = yield* Approvals
  const ballots = yield* Ballots
  const signer = yield* VoteSigner
  const holder = yield* ClaimHolder
  const { rules } = options
  const lease = Duration.fromInputUnsafe(options.lease ?? "30 seconds")
  const codecs = new Map(
    Object.entries(options.params ?? {}).map(([name, schema]) => [
      name,
      Schema.decodeUnknownEffect(Schema.toCodecJson(schema))
    ])
  )
  const keys = new Map([signer.publicKey, ...options.trustedKeys ?? []].map((key) => [keyIdOf(key), key]))

  // --- the gateway ---------------------------------------------------------------------------------------------------

  /** What the gateway says became of an action; undefined while it is pending. */
  const outcomeOf = Effect.fnUntraced(function*(ballot: Ballot) {
    const { actionId } = ballot.opening
    const now = yield* DateTime.now
    return yield* approvals.outcome(actionId).pipe(
      Effect.map((outcome) => readOutcome(ballot, outcome, now)),
      Effect.catchReason(
        "VargateError",
        "NotFound",
        () => Effect.succeed<BallotOutcome>({ result: "lost", byPanel: false, note: null, at: now })
      )
    )
  })

  const ask = Effect.fnUntraced(function*(ballot: Ballot, choice: Choice) {
    const { actionId } = ballot.opening
    const head = headOf(ballot)
    const { result, standing } = tally(ballot.opening, ballot.votes)
    const voters = standing.filter(({ vote }) => vote.choice === choice).map(({ vote }) => vote)
    const names = voters.map(({ grantId, reviewerId }) =>
      grantId === undefined ? reviewerId : `${reviewerId} (grant ${grantId})`
    )
    const note = noteOf(choice, head, names, {
      reason: result === undefined ? "the deadline has passed" : undefined,
      proposal: voters.find(({ proposal }) => proposal !== undefined)?.proposal,
      insteadOf: ballot.opening.proposals?.[0]?.actionId
    })
    const receipt = yield* choice === "approve" ? reviews.approve(actionId, note) : reviews.reject(actionId, note)
    const recorded = receipt.earlier === undefined ? note : receipt.earlier.note
    return {
      result: choice === "approve" ? "approved" : "rejected",
      // Told before, by an owner of the claim that did not live to write it down.
      byPanel: readNote(recorded)?.head === head,
      note: recorded,
      at: receipt.reviewedAt
    } satisfies BallotOutcome
  })

  /** Tells the gateway. The claim is ours; where this fails it stays, and is taken over after the lease. */
  const finish = Effect.fnUntraced(function*(ballot: Ballot, choice: Choice, token: string) {
    const key = keyOf(ballot)
    const beating = ballots.renew(key, token).pipe(
      Effect.ignore,
      Effect.delay(Duration.divideUnsafe(lease, 3)),
      Effect.forever
    )
    // Taken over while this process was frozen: the new owner tells the gateway.
    if (!(yield* ballots.renew(key, token))) return
    const outcome = yield* Effect.raceFirst(ask(ballot, choice), beating).pipe(
      Effect.catchReason(
        "VargateError",
        "Conflict",
        (_, error) =>
          Effect.flatMap(
            outcomeOf(ballot),
            (outcome) => outcome === undefined ? Effect.fail(error) : Effect.succeed(outcome)
          )
      ),
      Effect.catchReason(
        "VargateError",
        "NotFound",
        () => Effect.map(DateTime.now, (at): BallotOutcome => ({ result: "lost", byPanel: false, note: null, at }))
      )
    )
    yield* ballots.end(key, outcome)
  })

  const newToken = () => `${holder.name}#${crypto.randomUUID()}`

  const decide = Effect.fnUntraced(function*(ballot: Ballot, choice: Choice) {
    const token = newToken()
    const isOurs = yield* ballots.claim(keyOf(ballot), { choice, votes: ballot.votes.length, token })
    if (isOurs) yield* finish(ballot, choice, token)
  })

  // --- ballots -------------------------------------------------------------------------------------------------------

  const open = Effect.fnUntraced(function*(action: PendingAction) {
    const existing = yield* ballots.find({ actionId: action.actionId, digest: digestOf(action) })
    if (existing !== undefined) return existing
    const proposals = yield* ballots.proposalsOf({ actionId: action.actionId, digest: proposedDigestOf(action) })
    const begun = {
      ...opening(rules, action),
      ...proposals.length === 0
        ? {}
        : { proposals: proposals.map(({ actionId, editor, id }) => ({ id, actionId, editor })) }
    }
    const signature = yield* signer.sign(textOfOpening(begun))
    return yield* ballots.open(begun, { keyId: signer.keyId, signature })
  })

  const statusOf = (ballot: Ballot) =>
    Effect.map(Clock.currentTimeMillis, (now): BallotStatus => ({
      ballot,
      needs: wordsOfBallot(ballot.opening, ballot.votes, now)
    }))

  const current = (ballot: Ballot) => Effect.map(ballots.find(keyOf(ballot)), (found) => found ?? ballot)

  /** Nothing is decided by a ballot that holds what the panel did not write. */
  const isSpoiled = Effect.fnUntraced(function*(ballot: Ballot) {
    const [fault] = yield* faultsOf(ballot, keys)
    if (fault === undefined) return false
    yield* Effect.logError(`The ballot on ${ballot.opening.actionId} decides nothing: ${fault}`)
    return true
  })

  /** The ballot on what is pending now, where that is what the vote is about. */
  const ballotFor = Effect.fnUntraced(function*({ actionId, digest }: VoteRequest) {
    const refused = refuse(actionId)
    const { pending } = yield* approvals.pending
    const action = pending.find((action) => action.actionId === actionId)
    if (action !== undefined) {
      if (digestOf(action) !== digest) return yield* refused("Changed")
      return { ballot: yield* open(action), action }
    }
    const ballot = yield* ballots.find({ actionId, digest })
    if (ballot === undefined) {
      return yield* refused((yield* ballots.ofAction(actionId)).length > 0 ? "Changed" : "NotPending")
    }
    // Decided meanwhile, or beyond the newest 50.
    const outcome = yield* outcomeOf(ballot)
    if (outcome === undefined) return { ballot, action }
    const ended = yield* ballots.end(keyOf(ballot), outcome)
    return yield* refused("Ended", ended.result)
  })

  /** What a reviewer proposes, as it is to be submitted: the text that is kept, and its digest. */
  const readChanges = Effect.fnUntraced(function*(
    { agentId, method, tool }: Opening,
    changes: NonNullable<VoteRequest["changes"]>,
    pending: PendingAction | undefined
  ) {
    const refused = (issues: ReadonlyArray<FieldIssue>) => invalidRequest("ReviewPanel.vote", issues)
    const refusedFor = (message: string) => refused([{ path: ["changes"], message }])
    const snapshot = snapshotParams(withoutReference(changes))
    if (Result.isFailure(snapshot)) {
      return yield* refused(
        snapshot.failure.map(({ message, path }) => ({ path: ["changes", ...path.slice(2)], message }))
      )
    }
    const { text, value: params } = snapshot.success
    if (hidesParams(params)) {
      return yield* refusedFor("Expected no placeholder of an encrypted value, and no key that begins with _sa")
    }
    const codec = codecs.get(`${tool}/${method}`)
    if (codec !== undefined) {
      const read = yield* Effect.result(codec(params, { onExcessProperty: "error", errors: "all" }))
      if (Result.isFailure(read)) return yield* refused(fieldIssues(read.failure.issue, ["changes"]))
    }
    const digest = digestOf({ agentId, tool, method, params })
    if (pending !== undefined && proposedDigestOf(pending) === digest) {
      return yield* refusedFor("Expected other params than those that are pending: approve these as they are")
    }
    return { digest, text }
  })

  const append = Effect.fnUntraced(function*(
    begun: Ballot,
    reviewer: Reviewer,
    request: VoteRequest,
    changes: { readonly digest: string; readonly text: string } | undefined,
    granted?: { readonly id: string; readonly at: DateTime.Utc }
  ) {
    const { actionId, digest } = begun.opening
    const refused = refuse(actionId)
    for (;;) {
      const ballot = yield* current(begun)
      if (ballot.state !== "open") return yield* refused("Ended", ballot.outcome?.result)
      if (ballot.votes.length >= maxVotes) return yield* refused("TooManyVotes")
      if (yield* isSpoiled(ballot)) return yield* refused("Spoiled")
      const cast = {
        reviewerId: reviewer.id,
        groups: reviewer.groups,
        onBehalfOf: request.onBehalfOf ?? null,
        choice: request.choice,
        // The time at which the use of a grant was recorded is that of the vote under it.
        at: granted?.at ?? (yield* DateTime.now),
        ...changes === undefined ? {} : { proposal: changes.digest },
        ...granted === undefined ? {} : { grantId: granted.id }
      }
      const refusal = refusalOf(ballot.opening, ballot.votes, cast)
      if (refusal !== undefined) return yield* refused(refusal)
      // What a reviewer has voted by hand counts more than what was granted before.
      if (granted !== undefined && hasVoted(ballot, reviewer.id)) return yield* refused("AlreadyVoted")
      const unsigned = {
        ...cast,
        actionId,
        digest,
        sequence: ballot.votes.length + 1,
        reviewerName: reviewer.name,
        note: request.note ?? null,
        previous: headOf(ballot),
        keyId: signer.keyId
      }
      const vote = new Vote({ ...unsigned, signature: yield* signer.sign(textOfVote(unsigned)) })
      const { agentId, method, tool } = ballot.opening
      const proposal = changes && new Proposal({
        id: hashOfVote(vote),
        actionId,
        agentId,
        tool,
        method,
        params: changes.text,
        digest: changes.digest,
        editor: reviewer.id,
        at: cast.at,
        submittedAs: null
      })
      if (yield* ballots.append(vote, proposal)) return yield* current(ballot)
    }
  })

  const decideWhereMet = Effect.fnUntraced(function*(ballot: Ballot) {
    const { result } = tally(ballot.opening, ballot.votes)
    if (ballot.state === "open" && result !== undefined) yield* decide(ballot, result)
  })

  const grantService = yield* Effect.serviceOption(Grants)

  /** What a reviewer says "always" to, signed and not kept yet. */
  const prepareGrant = Effect.fnUntraced(function*(
    reviewer: Reviewer,
    { always, choice, onBehalfOf }: VoteRequest,
    { agentId, method, tool }: Opening,
    pending: PendingAction | undefined
  ) {
    if (always === undefined) return undefined
    const refused = (message: string) => invalidRequest("ReviewPanel.vote", [{ path: ["always"], message }])
    if (Option.isNone(grantService)) return yield* refused("Expected a panel that has grants")
    if (choice !== "approve" || onBehalfOf !== undefined) {
      return yield* refused("Expected an approval of the reviewer's own")
    }
    const grant = yield* grantService.value.prepare(reviewer, { ...always, agentId, tool, method })
    if (pending === undefined || !covers(grant, pending)) {
      return yield* refused("Expected a scope that covers this action")
    }
    return grant
  })

  const vote = Effect.fn("ReviewPanel.vote")(function*(reviewer: Reviewer, request: VoteRequest) {
    if ((request.note?.length ?? 0) > maxNote) {
      return yield* invalidRequest("ReviewPanel.vote", [{
        path: ["note"],
        message: `Expected at most ${maxNote} characters`
      }])
    }
    const { changes } = request
    if (changes !== undefined && request.choice !== "reject") {
      return yield* invalidRequest("ReviewPanel.vote", [{
        path: ["changes"],
        message: "Expected the choice reject: what is proposed is submitted instead of the action"
      }])
    }
    const { action, ballot: begun } = yield* ballotFor(request)
    const always = yield* prepareGrant(reviewer, request, begun.opening, action)
    const read = changes && (yield* readChanges(begun.opening, changes, action))
    const ballot = yield* append(begun, reviewer, request, read)
    if (always !== undefined && Option.isSome(grantService)) yield* grantService.value.store.add(always)
    // The vote is in: what fails now is done by a later sweep.
    yield* decideWhereMet(ballot).pipe(
      Effect.catch((error) =>
        Effect.logWarning(`The decision on ${request.actionId} is not at the gateway yet: ${error.message}`)
      )
    )
    return yield* statusOf(yield* current(ballot))
  })

  // --- sweeps --------------------------------------------------------------------------------------------------------

  /** The beat of each claim at the first look that found it. */
  const beats = new Map<string, { readonly token: string; readonly beat: number; readonly since: number }>()

  /** Finishes a decision whose owner has certainly ended, or has shown no sign of life for as long as the lease. */
  const takeOver = Effect.fnUntraced(function*(ballot: Ballot) {
    const { claim } = ballot
    if (claim === null) return
    const id = hashOfOpening(ballot.opening)
    const now = yield* Clock.currentTimeMillis
    const seen = beats.get(id)
    const isNew = seen === undefined || seen.token !== claim.token || seen.beat !== claim.beat
    if (isNew) beats.set(id, { token: claim.token, beat: claim.beat, since: now })
    const isSilent = !isNew && now - seen.since >= Duration.toMillis(lease)
    if (!isSilent && !(yield* holder.hasEnded(claim.token.split("#")[0]!))) return
    // A claim is not signed: only the votes and the time say what may be decided.
    if (claim.choice !== resultOf(ballot, now)) {
      return yield* Effect.logError(`The ballot on ${ballot.opening.actionId} was claimed, and its rule is not met`)
    }
    beats.delete(id)
    const token = newToken()
    if (yield* ballots.takeOver(keyOf(ballot), claim, token)) yield* finish(ballot, claim.choice, token)
  })

  /** When actions beyond the newest 50 were looked for in the log. */
  const looks = new Map<string, number>()

  /** Ends a ballot whose action is not listed any more, and says whether it did. */
  const endsUnlisted = Effect.fnUntraced(function*(ballot: Ballot) {
    const { actionId } = ballot.opening
    const now = yield* Clock.currentTimeMillis
    if (now - (looks.get(actionId) ?? -Infinity) < unlistedRhythm) return false
    const outcome = yield* outcomeOf(ballot)
    if (outcome === undefined) {
      looks.set(actionId, now)
      return false
    }
    looks.delete(actionId)
    yield* ballots.end(keyOf(ballot), outcome)
    return true
  })

  // --- standing approvals --------------------------------------------------------------------------------------------

  const isSigned = ({ seal }: Grant, text: string) => {
    const key = keys.get(seal.keyId)
    return key === undefined ? Effect.succeed(false) : verify(key, text, seal.signature)
  }

  /** Casts the votes of reviewers whose grants cover the action, until that decides. */
  const applyGrants = Effect.fnUntraced(function*(
    begun: Ballot,
    action: PendingAction,
    grants: ReadonlyArray<GrantStatus>,
    store: GrantStore["Service"]
  ) {
    let ballot = begun
    for (const { grant, revokedAt, uses } of grants) {
      if (grant.count !== null && uses >= grant.count) continue
      if (!covers(grant, action) || hasVoted(ballot, grant.reviewerId)) continue
      const at = yield* DateTime.now
      if (!isInForce(grant, revokedAt, at)) continue
      if (!(yield* isSigned(grant, textOfGrant(grant)))) {
        yield* Effect.logError(`The grant ${grant.id} counts for nothing: no trusted key has signed it`)
        continue
      }
      const { groups, reviewerId, reviewerName } = grant
      const cast = { reviewerId, groups, onBehalfOf: null, choice: "approve", at } as const
      if (refusalOf(ballot.opening, ballot.votes, cast) !== undefined) continue
      const draws = drawsOf(grant, action.params, at.epochMilliseconds)
      const { actionId, digest } = ballot.opening
      // Recorded first: a use that has no vote costs a use, and a vote without its use would cost the limit.
      if (draws === undefined || !(yield* store.use(grant.id, { actionId, digest, at }, draws))) continue
      const reviewer = { id: reviewerId, name: reviewerName, groups }
      const request = { actionId, digest, choice: "approve", note: `under the grant ${grant.id}` } as const
      ballot = yield* append(ballot, reviewer, request, undefined, { id: grant.id, at }).pipe(
        // Another process was faster, or a reviewer.
        Effect.catchTag("VoteRefused", () => current(ballot))
      )
      if (ballot.state !== "open") return ballot
      if (tally(ballot.opening, ballot.votes).result !== undefined) return ballot
    }
    return ballot
  })

  /** Where they cannot be read, reviewers vote by hand. */
  const inForce = Option.isNone(grantService)
    ? Effect.succeed<ReadonlyArray<GrantStatus>>([])
    : Effect.catch(
      grantService.value.inForce,
      (error) => Effect.as(Effect.logWarning(`No grant is applied: ${error.message}`), [])
    )

  const attend = Effect.fnUntraced(function*(
    found: Ballot,
    listed: PendingAction | undefined,
    grants: ReadonlyArray<GrantStatus>
  ) {
    let ballot = found
    const key = keyOf(ballot)
    if (listed === undefined) {
      if (yield* endsUnlisted(ballot)) return
    } else if (digestOf(listed) !== key.digest) {
      const at = yield* DateTime.now
      return yield* Effect.asVoid(ballots.end(key, { result: "changed", byPanel: false, note: null, at }))
    }
    if (yield* isSpoiled(ballot)) return
    if (ballot.state === "deciding") return yield* takeOver(ballot)
    if (listed !== undefined && grants.length > 0 && Option.isSome(grantService)) {
      ballot = yield* applyGrants(ballot, listed, grants, grantService.value.store)
      if (ballot.state !== "open") return
    }
    const result = resultOf(ballot, yield* Clock.currentTimeMillis)
    if (result !== undefined) yield* decide(ballot, result)
  })

  const sweep = Effect.gen(function*() {
    const { pending } = yield* approvals.pending
    const listed = new Map<string, PendingAction>(pending.map((action) => [action.actionId, action]))
    yield* Effect.forEach(pending.toReversed(), open, { discard: true })
    const underWay = yield* ballots.list({ ended: false, limit: 10_000 })
    const grants = yield* inForce
    const failures = yield* Effect.forEach(
      underWay,
      (ballot) =>
        Effect.match(attend(ballot, listed.get(ballot.opening.actionId), grants), {
          onFailure: (error) => [error],
          onSuccess: () => []
        })
    )
    // One that fails does not keep the others from being attended to.
    const [failure] = failures.flat()
    if (failure !== undefined) return yield* failure
  }).pipe(Effect.withSpan("ReviewPanel.sweep"))

  return ReviewPanel.of({
    vote,
    status: Effect.fn("ReviewPanel.status")(function*(actionId) {
      const [ballot] = yield* ballots.ofAction(actionId)
      return ballot === undefined ? undefined : yield* statusOf(ballot)
    }),
    because: (action) => because(rules, action),
    list: ballots.list,
    sweep
  })
})

const hasVoted = ({ votes }: Ballot, reviewerId: string) =>
  votes.some((vote) => vote.reviewerId === reviewerId || vote.onBehalfOf === reviewerId)

const keyOf = ({ opening: { actionId, digest } }: Ballot): BallotKey => ({ actionId, digest })

/** What the votes decide, or a deadline that has passed without them. */
const resultOf = ({ opening, votes }: Ballot, now: number): Choice | undefined => {
  const { result } = tally(opening, votes)
  if (result !== undefined || opening.rule === null) return result
  const { closesAt, hasDeadline } = compile(opening.rule, opening)
  return hasDeadline && now >= closesAt ? "reject" : undefined
}

const refuse = (actionId: ActionId) => (refusal: Refusal, detail?: string) =>
  new VoteRefused({ actionId, refusal, detail })

const readOutcome = (ballot: Ballot, outcome: Outcome, now: DateTime.Utc): BallotOutcome | undefined => {
  switch (outcome._tag) {
    case "Waiting":
      return undefined
    case "Expired":
      return { result: "expired", byPanel: false, note: null, at: outcome.timeoutAt ?? now }
    case "Approved":
    case "Rejected": {
      const { note, reviewedAt } = outcome
      const told = readNote(note)
      const result = outcome._tag === "Approved" ? "approved" : "rejected"
      return { result, byPanel: told?.head === headOf(ballot), note, at: reviewedAt ?? now }
    }
  }
}

/**
 * The panel, which sweeps from its first moment on for as long as the scope lives. A sweep that fails is logged, and the
 * next one tries again.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: Options
): Layer.Layer<ReviewPanel, never, Reviews | Approvals | Ballots | VoteSigner> =>
  Layer.effect(
    ReviewPanel,
    Effect.gen(function*(): Effect.fn.Return<
      ReviewPanel["Service"],
      never,
      Reviews | Approvals | Ballots | VoteSigner | Scope.Scope
    > {
      const panel = yield* make(options)
      yield* panel.sweep.pipe(
        Effect.catch((error) => Effect.logWarning(`The panel could not look at everything: ${error.message}`)),
        Effect.repeat(Schedule.spaced(options.every ?? "5 seconds")),
        Effect.forkScoped
      )
      return panel
    })
  )
