/**
 * Verifies ballots against the audit log, by the panel's public keys alone: every vote, every signature, every rule, and
 * whether each approval in the log is what the votes decided.
 *
 * **Details**
 *
 * This says whether ballots and log agree. Whether the log itself is what it was is for `ChainVerifier` to say.
 *
 * @since 0.2.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { readReview } from "../approvals/internal/reviewRecord.ts"
import type { AuditRecord } from "../audit/AuditRecord.ts"
import { LogBody } from "../audit/wire/AuditApi.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { ActionId } from "../model/ActionId.ts"
import type { SizeOptions } from "../verify/ChainVerifier.ts"
import { openFile } from "../verify/internal/evidenceFile.ts"
import { Ballot, type Vote } from "./Ballot.ts"
import { GrantStatus } from "./Grants.ts"
import { digestOf, hashOfVote, headOf, hidesParams, proposedDigestOf, readNote } from "./internal/ballotText.ts"
import { faultsOf } from "./internal/checkBallot.ts"
import { covers, drawsOf, isInForce, textOfGrant } from "./internal/coverage.ts"
import { tally } from "./internal/tally.ts"
import { keyIdOf, verify as verifySignature } from "./VoteSigner.ts"

/**
 * What is wrong with a ballot, or with an approval.
 *
 * **Details**
 *
 * - `BrokenBallot`: an opening or a vote that no trusted key signed, or a chain of votes with a gap.
 * - `UncountedVote`: a vote that could not be cast under the rule at its time.
 * - `WithoutBallot`: an approval in the log, and no ballot on that action.
 * - `NotByPanel`: an approval in the log whose note is not the panel's, though there is a ballot.
 * - `OtherVotes`: the note has the digest of other votes than those that are kept: some are missing, or were added.
 * - `RuleNotMet`: the panel's decision is not the result of the votes.
 * - `OtherAction`: the votes are on other params than those in the log.
 * - `OtherProposal`: a note or a ballot names another proposal than the one that a vote made, or leaves it out.
 * - `OtherGrant`: a vote under a standing approval that is unknown, that no trusted key signed, that was not in force then,
 *   is another reviewer's, does not cover the action, or was used beyond its count or budgets.
 * - `NotInLog`: the ballot says that the panel decided, and the log does not.
 *
 * @category models
 * @since 0.2.0
 */
export const ReviewFault = Schema.Literals([
  "BrokenBallot",
  "UncountedVote",
  "WithoutBallot",
  "NotByPanel",
  "OtherVotes",
  "RuleNotMet",
  "OtherAction",
  "OtherGrant",
  "OtherProposal",
  "NotInLog"
])

/**
 * A finding about one action.
 *
 * @category models
 * @since 0.2.0
 */
export const ReviewFinding = Schema.Struct({
  actionId: ActionId,
  fault: ReviewFault,
  detail: Schema.String
})

/**
 * The type of {@link ReviewFinding}.
 *
 * @category models
 * @since 0.2.0
 */
export type ReviewFinding = typeof ReviewFinding.Type

/**
 * What the verification found.
 *
 * @category models
 * @since 0.2.0
 */
export class ReviewReport extends Schema.Class<ReviewReport>("effect-vargate/ReviewReport")({
  valid: Schema.Boolean,
  ballots: Schema.Int,
  votes: Schema.Int,
  /** Approvals in the log that the panel's votes decided. */
  approvals: Schema.Int,
  findings: Schema.Array(ReviewFinding)
}) {}

/**
 * What is trusted, and from when on.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** The public keys of the panel's signers. */
  readonly publicKeys: ReadonlyArray<string>
  /** Approvals before this time were made without a panel. Default: none were. */
  readonly since?: DateTime.Utc | undefined
  /** The standing approvals of the panel, under which votes may have been cast. Default: none. */
  readonly grants?: ReadonlyArray<GrantStatus> | undefined
  /** Whether the records are a part of the log: then a decision that is not among them is no finding. Default: false. */
  readonly isPart?: boolean | undefined
}

/** What the log may not show as it was pending: fields that are encrypted, and keys that the gateway hides. */
const isHidden = ({ containsPii, params }: AuditRecord) => containsPii === true || hidesParams(params)

/** What the log says about the actions of a panel. */
interface Logged {
  readonly own: Map<string, AuditRecord>
  readonly decisions: Map<string, { readonly result: "approve" | "reject"; readonly note: string | null }>
}

const readLog = <E, R>(
  records: Stream.Stream<AuditRecord, E, R>,
  ids: ReadonlySet<string>,
  since: DateTime.Utc | undefined
) =>
  Stream.runFold(records, (): Logged => ({ own: new Map(), decisions: new Map() }), (logged, record) => {
    const review = readReview(record)
    if (review === undefined) {
      if (ids.has(record.actionId)) logged.own.set(record.actionId, record)
    } else if (since === undefined || DateTime.isGreaterThanOrEqualTo(record.requestedAt, since)) {
      const result = review._tag === "Approved" ? "approve" : "reject"
      logged.decisions.set(review.actionId, { result, note: review.note })
    }
    return logged
  })

/** What each grant was used for, as the verification proceeds. */
class GrantLedger {
  private readonly grants: ReadonlyMap<string, GrantStatus>
  private readonly keys: ReadonlyMap<string, string>
  private readonly uses = new Map<string, number>()
  private readonly drawn = new Map<string, number>()

  constructor(grants: ReadonlyArray<GrantStatus>, keys: ReadonlyMap<string, string>) {
    this.grants = new Map(grants.map((status) => [status.grant.id, status]))
    this.keys = keys
  }

  /** What is wrong with a vote that was cast under a grant. */
  faultsOf(grantId: string, vote: Vote, { opening }: Ballot, record: AuditRecord | undefined) {
    const { grants, keys } = this
    return Effect.map(
      Effect.suspend(() => {
        const { grant } = grants.get(grantId) ?? {}
        const key = grant && keys.get(grant.seal.keyId)
        return grant === undefined || key === undefined
          ? Effect.succeed(false)
          : verifySignature(key, textOfGrant(grant), grant.seal.signature)
      }),
      (isSigned): ReadonlyArray<string> => {
        const status = grants.get(grantId)
        if (status === undefined) return [`the grant ${grantId} is not known`]
        const { grant, revokedAt } = status
        const faults: Array<string> = []
        const find = (fault: string) => void faults.push(`the grant ${grantId} of ${grant.reviewerId} ${fault}`)
        if (!isSigned) find("was not signed by a trusted key")
        if (grant.reviewerId !== vote.reviewerId || vote.choice !== "approve") find("is no vote of this reviewer's")
        if (grant.groups.join("\n") !== vote.groups.join("\n")) find("has other groups than the vote")
        if (!isInForce(grant, revokedAt, vote.at)) find("was not in force when the vote was cast")
        const { agentId, method, tool } = opening
        const isAbout = grant.agentId === agentId && grant.tool === tool && grant.method === method
        if (!isAbout || record !== undefined && !covers(grant, record, true)) find("does not cover the action")
        const uses = (this.uses.get(grantId) ?? 0) + 1
        this.uses.set(grantId, uses)
        if (grant.count !== null && uses > grant.count) find(`was used ${uses} times, and ${grant.count} are allowed`)
        const draws = record === undefined ? [] : drawsOf(grant, record.params, vote.at.epochMilliseconds)
        // One that is encrypted was read when it was pending.
        if (draws === undefined && !(record !== undefined && isHidden(record))) {
          find("has a budget whose amount cannot be read")
        }
        for (const { amount, budget, max } of draws ?? []) {
          const id = `${grantId} ${budget}`
          const drawn = (this.drawn.get(id) ?? 0) + amount
          this.drawn.set(id, drawn)
          if (drawn > max) find("was used beyond its budget")
        }
        return faults
      }
    )
  }
}

/** As many as a ballot names. */
const maxProposals = 10

/** Who proposed an action does not approve it alone where that is not allowed: so its ballot has to say who did. */
const proposalFaults = (
  { opening: { createdAt, proposals = [] } }: Ballot,
  proposed: ReadonlyMap<string, Vote>,
  record: AuditRecord | undefined
): ReadonlyArray<string> => {
  const digest = record === undefined || isHidden(record) ? undefined : proposedDigestOf(record)
  const faults: Array<string> = []
  for (const { actionId, editor, id } of proposals) {
    const vote = proposed.get(id)
    if (vote === undefined || vote.actionId !== actionId || vote.reviewerId !== editor) {
      faults.push(`the ballot names a proposal of ${editor} that no vote made`)
    } else if (digest !== undefined && vote.proposal !== digest) {
      faults.push(`the action is another one than ${editor} proposed`)
    }
  }
  if (digest === undefined || proposals.length >= maxProposals) return faults
  for (const [id, vote] of proposed) {
    const isNamed = proposals.some((named) => named.id === id)
    if (!isNamed && vote.proposal === digest && DateTime.isLessThan(vote.at, createdAt)) {
      faults.push(`the ballot does not say that ${vote.reviewerId} proposed the action`)
    }
  }
  return faults
}

/**
 * Verifies ballots against the records of a log, in any order.
 *
 * @category verifying
 * @since 0.2.0
 */
export const verify = Effect.fn("ReviewVerifier.verify")(function*<E, R>(
  ballots: ReadonlyArray<Ballot>,
  records: Stream.Stream<AuditRecord, E, R>,
  options: Options
): Effect.fn.Return<ReviewReport, E, R> {
  const keys = new Map(options.publicKeys.map((key) => [keyIdOf(key), key]))
  const findings: Array<ReviewFinding> = []
  const { decisions, own } = yield* readLog(
    records,
    new Set(ballots.map(({ opening }) => opening.actionId)),
    options.since
  )
  const byAction = new Map<string, Array<Ballot>>()
  const proposed = new Map(
    ballots.flatMap(({ votes }) =>
      votes.flatMap((vote) => vote.proposal === undefined ? [] : [[hashOfVote(vote), vote] as const])
    )
  )
  const grants = new GrantLedger(options.grants ?? [], keys)
  let votes = 0
  let approvals = 0

  for (const ballot of ballots) {
    const { actionId, digest } = ballot.opening
    const find = (fault: ReviewFinding["fault"], detail: string) => void findings.push({ actionId, fault, detail })
    byAction.set(actionId, [...byAction.get(actionId) ?? [], ballot])
    votes += ballot.votes.length
    for (const fault of yield* faultsOf(ballot, keys)) find("BrokenBallot", fault)
    for (const { refusal, vote } of tally(ballot.opening, ballot.votes).ignored) {
      find("UncountedVote", `vote ${vote.sequence} of ${vote.reviewerId}: ${refusal}`)
    }
    const record = own.get(actionId)
    // A ballot that ended because the params were changed is about the earlier ones.
    if (
      record !== undefined && !isHidden(record) && ballot.outcome?.result !== "changed" && digestOf(record) !== digest
    ) {
      find("OtherAction", "the log has other params than those that were voted on")
    }
    for (const fault of proposalFaults(ballot, proposed, record)) find("OtherProposal", fault)
    for (const vote of ballot.votes) {
      if (vote.grantId === undefined) continue
      for (const fault of yield* grants.faultsOf(vote.grantId, vote, ballot, record)) find("OtherGrant", fault)
    }
    const isDecided = ballot.outcome?.byPanel === true
    if (isDecided && !decisions.has(actionId) && options.since === undefined && options.isPart !== true) {
      find("NotInLog", `the ballot says ${ballot.outcome?.result}, and the log has no decision`)
    }
  }

  for (const [id, { note, result }] of decisions) {
    const actionId = ActionId.make(id)
    const find = (fault: ReviewFinding["fault"], detail: string) => void findings.push({ actionId, fault, detail })
    const known = byAction.get(id) ?? []
    const said = readNote(note)
    if (said === undefined) {
      // Any holder of a reviewer's key may reject: what was not executed needs no votes.
      if (result === "reject") continue
      if (known.length === 0) find("WithoutBallot", "approved in the log, and there is no ballot")
      else find("NotByPanel", "approved in the log without the note of the panel")
      continue
    }
    if (known.length === 0) {
      find("WithoutBallot", `${result} by a panel in the log, and there is no ballot`)
      continue
    }
    const ballot = known.find((ballot) => headOf(ballot) === said.head)
    if (ballot === undefined || said.choice !== result) {
      find("OtherVotes", "the note in the log has the digest of other votes than those that are kept")
      continue
    }
    const counted = tally(ballot.opening, ballot.votes).result
    if (said.proposal !== ballot.votes.at(-1)?.proposal) {
      find("OtherProposal", "the note in the log names another proposal than the last vote")
    }
    if (result === "approve") approvals++
    // Without a result of the votes, a rejection is the deadline's.
    if (counted !== result && (result === "approve" || counted !== undefined)) {
      find("RuleNotMet", `the log says ${result}, and the votes ${counted ?? "decide nothing"}`)
    }
  }

  return new ReviewReport({ valid: findings.length === 0, ballots: ballots.length, votes, approvals, findings })
})

// --- in files of evidence --------------------------------------------------------------------------------------------

const Encoded = Schema.Array(Ballot)
const encode = Schema.encodeSync(Encoded)
const decode = Schema.decodeUnknownEffect(Encoded)
const decodePage = Schema.decodeEffect(Schema.fromJsonString(LogBody))

/**
 * Ballots as a file of evidence has them (`ballots` of `Evidence.export`).
 *
 * @category evidence
 * @since 0.2.0
 */
export const encodeBallots = (ballots: ReadonlyArray<Ballot>): ReadonlyArray<unknown> => encode(ballots)

const EncodedGrants = Schema.Array(GrantStatus)
const encodeStatuses = Schema.encodeSync(EncodedGrants)
const decodeStatuses = Schema.decodeUnknownEffect(EncodedGrants)

/**
 * Standing approvals as a file of evidence has them (`grants` of `Evidence.export`).
 *
 * @category evidence
 * @since 0.2.0
 */
export const encodeGrants = (grants: ReadonlyArray<GrantStatus>): ReadonlyArray<unknown> => encodeStatuses(grants)

/**
 * Verifies the ballots in a file of evidence against the records in it. Fails with `InvalidRequest` where the file is no
 * evidence. Whether the records are what they were is for `Evidence.verify` to say.
 *
 * @category evidence
 * @since 0.2.0
 */
export const verifyEvidence = Effect.fn("ReviewVerifier.verifyEvidence")(function*(
  content: string | Uint8Array,
  options: Omit<Options, "isPart"> & SizeOptions
): Effect.fn.Return<ReviewReport, VargateError> {
  const operation = "ReviewVerifier.verifyEvidence"
  const refused = (at: ReadonlyArray<string | number>) =>
    Effect.mapError(({ issue }: Schema.SchemaError) => invalidRequest(operation, fieldIssues(issue, at)))
  const file = yield* openFile(operation, content, options)
  const ballots = yield* decode(file.ballots ?? []).pipe(refused(["ballots"]))
  const grants = yield* decodeStatuses(file.grants ?? []).pipe(refused(["grants"]))
  const records = new Map<number, AuditRecord>()
  for (const [index, page] of file.pages.entries()) {
    for (const record of (yield* decodePage(page).pipe(refused(["pages", index]))).records) {
      records.set(record.id, record)
    }
  }
  return yield* verify(ballots, Stream.fromIterable(records.values()), {
    ...options,
    grants: [...grants, ...options.grants ?? []],
    isPart: !file.isWhole
  })
})
