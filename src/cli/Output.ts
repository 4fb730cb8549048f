/**
 * What the command line prints with `--json`: one object per line, each of which one of these schemas decodes.
 *
 * **Example** (Reading the audit log of another program)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import * as Output from "effect-vargate/cli/Output"
 *
 * const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Output.Record))
 *
 * const agents = (lines: ReadonlyArray<string>) =>
 *   Effect.forEach(lines, (line) => Effect.map(decode(line), ({ agentId }) => agentId))
 * ```
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ApprovalStats, Approved, PendingAction, Waiting } from "../approvals/Approval.ts"
import { AuditRecord, ChainStatus } from "../audit/AuditRecord.ts"
import { Checkpoint } from "../audit/Checkpoint.ts"
import { DriftReport, ReplayedDecision, ReplayReport } from "../audit/ReplayReport.ts"
import { Denied, Expired, LimitSource, PendingApproval, Rejected, SideEffect } from "../errors/VargateError.ts"
import { ClosedAction, ShadowReport } from "../governed/Shadow.ts"
import { SuspensionEntry } from "../governed/Suspension.ts"
import { Review } from "../http/ReviewGroup.ts"
import { Pin } from "../mcp/ToolPins.ts"
import { ActionId } from "../model/ActionId.ts"
import { Allowed } from "../model/Allowed.ts"
import { SettingName, TenantSettings } from "../model/TenantSettings.ts"
import { Credential, CredentialAccess } from "../operator/Credential.ts"
import { Health } from "../operator/Health.ts"
import { Membership } from "../operator/Session.ts"
import { SettingsPlan } from "../operator/SettingsPlan.ts"
import { Excess, Explanation, TrialReport } from "../policy/TrialReport.ts"
import { Ballot } from "../reviews/Ballots.ts"
import { GrantStatus } from "../reviews/Grants.ts"
import { ReviewReport } from "../reviews/ReviewVerifier.ts"
import { AnchorsReport } from "../verify/anchors/AnchorsReport.ts"
import { ChainReport } from "../verify/ChainReport.ts"
import { EvidenceReport } from "../verify/EvidenceReport.ts"
import { MerkleProof, MerkleTree } from "../verify/MerkleProof.ts"
import { Inclusion } from "../verify/TreesReport.ts"
import { GovernedExecution, Request } from "../workflow/Journal.ts"

/**
 * With what a process of the command line ends.
 *
 * | code | meaning |
 * | --- | --- |
 * | 0 | good |
 * | 1 | a bad verdict: a broken chain, a proof or evidence that does not hold, drift, a policy over its limits, a failed doctor |
 * | 2 | a wrong command line, no key, or a request that the gateway would not accept |
 * | 3 | denied by policy, rejected by a reviewer, or expired |
 * | 4 | pending: a reviewer must decide |
 * | 5 | the gateway cannot be reached, or what answers is no gateway; or too few nodes of a chain were heard |
 * | 6 | the outcome is unknown: the answer was lost |
 * | 7 | the key is not accepted, or may not do this |
 * | 8 | there is no such thing, or another reviewer decided before |
 * | 9 | the gateway executed the action, and the tool failed; or the MCP server of `mcp-proxy` did |
 * | 10 | not now, and nothing was executed: the rate limit, or no policy engine |
 * | 11 | a file could not be read or written, or a port not be taken |
 * | 70 | a fault of this program |
 * | 130 | interrupted |
 * | 141 | the reader of the output ended first |
 *
 * @category models
 * @since 0.1.0
 */
export const ExitCode = {
  good: 0,
  badVerdict: 1,
  usage: 2,
  denied: 3,
  pending: 4,
  unreachable: 5,
  unknown: 6,
  refused: 7,
  notFound: 8,
  toolFailed: 9,
  notNow: 10,
  file: 11,
  fault: 70,
  interrupted: 130,
  brokenPipe: 141
} as const

// --- on stderr -------------------------------------------------------------------------------------------------------

/**
 * Why a command failed. `error` is the tag of the error in this package, or `Usage`, `NotConfigured`, `FileFailed`,
 * `Interrupted`, `Fault`.
 *
 * @category stderr
 * @since 0.1.0
 */
export const Failure = Schema.Struct({
  error: Schema.String,
  message: Schema.String,
  exitCode: Schema.Int,
  /** Where it is known which action it is about. */
  actionId: Schema.optionalKey(Schema.String),
  /** Whether the action may have been done all the same. */
  sideEffect: Schema.optionalKey(SideEffect),
  /** Of a limit that was hit: the gateway's, or that of another server. */
  source: Schema.optionalKey(LimitSource)
})

/**
 * Something to take note of.
 *
 * @category stderr
 * @since 0.1.0
 */
export const Notice = Schema.Struct({ warning: Schema.String })

// --- on stdout -------------------------------------------------------------------------------------------------------

/**
 * `init`: where the configuration was written.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Initialized = Schema.toCodecJson(Schema.Struct({
  path: Schema.String,
  url: Schema.String,
  /** Whether the gateway accepted the key. False where it was not asked. */
  isChecked: Schema.Boolean,
  tenantId: Schema.optionalKey(Schema.String)
}))

/**
 * `init --project`: the project's folder, and its files relative to it.
 *
 * @category stdout
 * @since 0.1.0
 */
export const ProjectCreated = Schema.toCodecJson(Schema.Struct({
  path: Schema.String,
  files: Schema.Array(Schema.String)
}))

/**
 * `status`: the gateway and the tenant at a glance.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Status = Schema.toCodecJson(Schema.Struct({
  url: Schema.String,
  /** Where the key came from. */
  keyFrom: Schema.Literals(["environment", "file", "key file"]),
  tenantId: Schema.optionalKey(Schema.String),
  /** Where the gateway shows it. */
  tenantName: Schema.optionalKey(Schema.String),
  /** Where the gateway shows it. */
  policyTemplate: Schema.optionalKey(Schema.String),
  /** How long GET /health took, in milliseconds. */
  healthMillis: Schema.Finite,
  health: Health,
  /** Absent in the dialect of the guide. */
  approvals: Schema.optionalKey(ApprovalStats),
  /** When the first of the shown actions expires. */
  nextExpiry: Schema.optionalKey(Schema.DateTimeUtc),
  records: Schema.Int,
  newest: Schema.optionalKey(AuditRecord),
  /** The gateway's own word, if it came in a few seconds. */
  chain: Schema.optionalKey(ChainStatus)
}))

/**
 * `doctor`: one line for each thing looked at.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Check = Schema.toCodecJson(Schema.Struct({
  check: Schema.String,
  outcome: Schema.Literals(["ok", "warning", "failed", "skipped"]),
  message: Schema.String
}))

/**
 * `call`: the policy's decision, or with `--wait` what became of it.
 *
 * @category stdout
 * @since 0.1.0
 */
export const CallResult = Schema.toCodecJson(
  Schema.Union([Allowed, Denied, PendingApproval, Approved, Rejected, Expired])
)

/**
 * `approvals list` and `approvals watch`: one pending action.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Pending = Schema.toCodecJson(PendingAction)

/**
 * `approvals approve`, `reject` and `show`: what became of an action.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Outcome = Schema.toCodecJson(Schema.Union([Waiting, Approved, Rejected, Expired]))

/**
 * `audit`: one record.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Record = Schema.toCodecJson(AuditRecord)

/**
 * `verify`: one verdict on the log, the gateway's own or ours.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Verdict = Schema.toCodecJson(Schema.Union([
  Schema.TaggedStruct("Gateway", { status: ChainStatus }),
  Schema.TaggedStruct("Independent", {
    /** The gateway's URL, or the file. */
    source: Schema.String,
    seconds: Schema.Finite,
    /** Whether the checkpoint was written to the file of `--checkpoint`. */
    isKept: Schema.Boolean,
    report: ChainReport,
    /** With `--anchors`. */
    anchors: Schema.optionalKey(AnchorsReport)
  })
]))

/**
 * `proof`: whether a record is in its stored tree.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Proof = Schema.toCodecJson(Schema.Struct({
  inclusion: Inclusion,
  proof: MerkleProof,
  tree: Schema.optionalKey(MerkleTree)
}))

/**
 * `replay ID`. `verdict` is `notComparable` where a replay never matches: the action was pending, or the gateway itself
 * decided.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Replayed = Schema.toCodecJson(Schema.Struct({
  verdict: Schema.Literals(["same", "changed", "notComparable"]),
  report: ReplayReport
}))

/**
 * `replay --last N`.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Drift = Schema.toCodecJson(DriftReport)

/**
 * `policy try`. It ends with 1 where a limit is exceeded.
 *
 * @category stdout
 * @since 0.2.0
 */
export const PolicyTried = Schema.toCodecJson(Schema.Struct({
  report: TrialReport,
  exceeded: Schema.Array(Excess)
}))

/**
 * `policy explain`. `agrees` says whether these rules decide as was recorded.
 *
 * @category stdout
 * @since 0.2.0
 */
export const PolicyExplained = Schema.toCodecJson(Schema.Struct({
  actionId: ActionId,
  candidate: Schema.String,
  recorded: ReplayedDecision,
  explanation: Explanation,
  agrees: Schema.Boolean
}))

/**
 * What `audit export` has done. `checkpoint` is where the next export begins.
 *
 * @category output
 * @since 0.2.0
 */
export const AuditExported = Schema.toCodecJson(Schema.Struct({
  records: Schema.Int,
  skipped: Schema.Int,
  gaps: Schema.Int,
  findings: Schema.Int,
  refused: Schema.Int,
  checkpoint: Schema.optional(Checkpoint)
}))

/**
 * `evidence export FILE`.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Exported = Schema.toCodecJson(Schema.Struct({ path: Schema.String, bytes: Schema.Int }))

/**
 * `evidence verify FILE`.
 *
 * @category stdout
 * @since 0.1.0
 */
export const EvidenceVerdict = Schema.toCodecJson(Schema.Struct({
  file: Schema.String,
  report: EvidenceReport,
  /** Of the ballots in it, where keys of the panel were passed. */
  reviews: Schema.optionalKey(ReviewReport)
}))

/**
 * `head keygen`.
 *
 * @category stdout
 * @since 0.2.0
 */
export const HeadKey = Schema.toCodecJson(Schema.Struct({
  path: Schema.String,
  origin: Schema.String,
  /** The key for verification, as policies have it. */
  verifier: Schema.String
}))

/**
 * `head sign` and `head cosign`.
 *
 * @category stdout
 * @since 0.2.0
 */
export const SignedHead = Schema.toCodecJson(Schema.Struct({
  path: Schema.String,
  origin: Schema.String,
  size: Schema.Int,
  root: Schema.String,
  /** Witnesses that have cosigned it, by their names in the policy. */
  cosigners: Schema.optionalKey(Schema.Array(Schema.String)),
  isQuorum: Schema.optionalKey(Schema.Boolean),
  missing: Schema.optionalKey(Schema.Array(Schema.Struct({
    name: Schema.String,
    why: Schema.String,
    seen: Schema.optional(Schema.Int)
  })))
}))

/**
 * `head prove`, for each record.
 *
 * @category stdout
 * @since 0.2.0
 */
export const ProvedRecord = Schema.toCodecJson(Schema.Struct({
  path: Schema.String,
  recordHash: Schema.String,
  /** Counted from 0. */
  index: Schema.Int
}))

/**
 * `head verify`.
 *
 * @category stdout
 * @since 0.2.0
 */
export const HeadVerdict = Schema.toCodecJson(Schema.Struct({
  file: Schema.String,
  valid: Schema.Boolean,
  reason: Schema.optionalKey(
    Schema.Literals(["NotANote", "NotAProof", "UnknownLog", "NoQuorum", "NotSupported", "NotIncluded"])
  ),
  origin: Schema.optionalKey(Schema.String),
  size: Schema.optionalKey(Schema.Int),
  root: Schema.optionalKey(Schema.String),
  index: Schema.optionalKey(Schema.Int),
  witnesses: Schema.Array(Schema.Struct({ name: Schema.String, seconds: Schema.Int })),
  unsupported: Schema.optionalKey(Schema.Array(Schema.String))
}))

/**
 * `settings get`: the settings, as `settings plan` and `settings apply` take them.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Settings = Schema.toCodecJson(TenantSettings)

/**
 * `settings plan`.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Plan = Schema.toCodecJson(SettingsPlan)

/**
 * `settings apply`: what was read back as requested, and what the gateway accepted and does not show.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Applied = Schema.toCodecJson(Schema.Struct({
  confirmed: Schema.Array(SettingName),
  unconfirmed: Schema.Array(SettingName),
  /** Where the secret of the webhook was written to. */
  secretFile: Schema.optionalKey(Schema.String)
}))

/**
 * `settings test-webhook`: whose webhook took the event. The rest of its URL may be a secret.
 *
 * @category stdout
 * @since 0.1.0
 */
export const WebhookTested = Schema.toCodecJson(Schema.Struct({ origin: Schema.String }))

/**
 * `credentials list`: one that the gateway holds.
 *
 * @category stdout
 * @since 0.1.0
 */
export const CredentialEntry = Schema.toCodecJson(Credential)

/**
 * `credentials register` and `credentials remove`.
 *
 * @category stdout
 * @since 0.1.0
 */
export const CredentialChanged = Schema.toCodecJson(Schema.Struct({
  change: Schema.Literals(["registered", "removed"]),
  toolId: Schema.String,
  name: Schema.String
}))

/**
 * `credentials log`: one use.
 *
 * @category stdout
 * @since 0.1.0
 */
export const CredentialUse = Schema.toCodecJson(CredentialAccess)

/**
 * `session`. The token is in the file, if anywhere.
 *
 * @category stdout
 * @since 0.1.0
 */
export const SessionOpened = Schema.toCodecJson(Schema.Struct({
  tenantId: Schema.String,
  expiresAt: Schema.optionalKey(Schema.DateTimeUtc),
  tokenFile: Schema.optionalKey(Schema.String)
}))

/**
 * `session tenants`: one of them.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Member = Schema.toCodecJson(Membership)

/**
 * `dev`: printed once it listens. The key is that of the gateway's own first tenant.
 *
 * @category stdout
 * @since 0.1.0
 */
export const Serving = Schema.toCodecJson(Schema.Struct({
  url: Schema.String,
  tenantId: Schema.String,
  apiKey: Schema.String,
  policyTemplate: Schema.String,
  /** The SQLite file. */
  data: Schema.String,
  /** Whether this start has made the tenant and its key. */
  isNew: Schema.Boolean,
  /** What events are signed with, where the tenant has a webhook. */
  webhookSecret: Schema.optionalKey(Schema.String)
}))

/**
 * `inbox`: where the page of the panel is. It holds no key and no token.
 *
 * @category stdout
 * @since 0.2.0
 */
export const PanelServing = Schema.toCodecJson(Schema.Struct({
  url: Schema.String,
  /** The SQLite file with the ballots. */
  data: Schema.String,
  /** For `reviews verify --key`. */
  publicKey: Schema.String,
  /** How many have tokens. */
  reviewers: Schema.Int,
  /** The issuer at which reviewers log in. */
  provider: Schema.NullOr(Schema.String)
}))

/**
 * `reviews token`: a new token for a reviewer, and what the panel's file gets of it.
 *
 * @category stdout
 * @since 0.2.0
 */
export const ReviewerToken = Schema.toCodecJson(Schema.Struct({
  token: Schema.String,
  tokenHash: Schema.String
}))

const Copy = Schema.Struct({
  /** The file that was written. Its head is beside it, in `{filename}.head`. */
  filename: Schema.String,
  keyFile: Schema.String,
  /** Each with its number of records and the hash of the newest, as they were verified. */
  tenants: Schema.Array(Schema.Struct({ id: Schema.String, records: Schema.Int, head: Schema.String }))
})

/**
 * `backup`: what was copied, and where the key is, which was not.
 *
 * @category stdout
 * @since 0.2.0
 */
export const BackedUp = Schema.toCodecJson(Copy)

/**
 * `restore`: the ledger that was put back.
 *
 * @category stdout
 * @since 0.2.0
 */
export const Restored = Schema.toCodecJson(Copy)

/**
 * `archive`: what was taken out of the ledger, and the file of checkpoints that stand for it.
 *
 * @category stdout
 * @since 0.2.0
 */
export const Archived = Schema.toCodecJson(Schema.Struct({
  archives: Schema.Array(Schema.Struct({
    tenantId: Schema.String,
    filename: Schema.String,
    /** How many records were taken out. */
    records: Schema.Int,
    /** The first record that stays. */
    checkpoint: Checkpoint
  })),
  checkpoints: Schema.optional(Schema.String)
}))

/**
 * `reviews list` and `reviews status`: one ballot.
 *
 * @category stdout
 * @since 0.2.0
 */
export const BallotEntry = Schema.toCodecJson(Ballot)

/**
 * `reviews pending` and `reviews vote`: one action at a panel, as it stands.
 *
 * @category stdout
 * @since 0.2.0
 */
export const ReviewEntry = Schema.toCodecJson(Review)

/**
 * `reviews verify`: whether the ballots and the log agree.
 *
 * @category stdout
 * @since 0.2.0
 */
export const ReviewVerdict = Schema.toCodecJson(ReviewReport)

/**
 * `mcp-pins list`: what a server was approved to say of a tool, and what it says now where that is something else.
 *
 * @category stdout
 * @since 0.2.0
 */
export const McpPinEntry = Schema.toCodecJson(Schema.Struct({ name: Schema.String, ...Pin.fields }))

/**
 * `mcp-pins accept`: a change that is approved now.
 *
 * @category stdout
 * @since 0.2.0
 */
export const McpPinAccepted = Schema.toCodecJson(Schema.Struct({ name: Schema.String, digest: Schema.String }))

/**
 * `grants list`, `grants show` and `grants revoke`: one standing approval.
 *
 * @category stdout
 * @since 0.2.0
 */
export const GrantLine = Schema.toCodecJson(GrantStatus)

/**
 * `suspension list`, `suspension stop` and `suspension lift`: one suspension.
 *
 * @category stdout
 * @since 0.2.0
 */
export const SuspensionLine = Schema.toCodecJson(SuspensionEntry)

/**
 * `shadow report`: what would have been denied, or pending.
 *
 * @category stdout
 * @since 0.2.0
 */
export const ShadowReported = Schema.toCodecJson(ShadowReport)

/**
 * `shadow close`: what became of one action.
 *
 * @category stdout
 * @since 0.2.0
 */
export const ShadowClosedLine = Schema.toCodecJson(ClosedAction)

/**
 * `workflows list` and `workflows show`: one execution.
 *
 * @category stdout
 * @since 0.1.0
 */
export const ExecutionEntry = Schema.toCodecJson(GovernedExecution)

/**
 * `workflows interrupt` and `workflows resume`: what the engine was asked for.
 *
 * @category stdout
 * @since 0.1.0
 */
export const ExecutionRequested = Schema.toCodecJson(Schema.Struct({
  executionId: Schema.String,
  request: Request
}))
