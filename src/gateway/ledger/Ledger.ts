/**
 * What the gateway remembers: audit records in a chain of hashes, pending actions, Merkle trees. The layer decides
 * where.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { DecidedAction, PendingAction } from "../../approvals/Approval.ts"
import type { AgentActivity } from "../../audit/AgentActivity.ts"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import type { Subject } from "../../audit/Erasure.ts"
import type { ActionId } from "../../model/ActionId.ts"
import type { RecordHash } from "../../model/RecordHash.ts"
import type { MerkleTree } from "../../verify/MerkleProof.ts"
import type { PolicyInput } from "../policy/PolicyInput.ts"

/**
 * A record before it has a place in the chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly tenantId: string
  readonly actionId: ActionId
  readonly agentId: string
  readonly tool: string
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  readonly requestedAt: DateTime.Utc
  readonly decision: "allow" | "deny" | "pending_approval"
  readonly violations: ReadonlyArray<string>
  readonly severity: string
  readonly alertTier: string
  readonly bundleRevision: string
  readonly executionMode: "agent_direct" | "vargate_brokered"
  readonly anomalyScore: number
  readonly containsPii: boolean
  readonly piiFields: ReadonlyArray<string>
  /** Whose data is in `piiFields`. */
  readonly piiSubjectId?: string | undefined
  /** What the policy was asked, for replay. Absent for reviewers' decisions, which do not count in an agent's history. */
  readonly input?: PolicyInput | undefined
  /** Which way the action came. Default: `direct`. */
  readonly source?: "direct" | "mcp_governed" | "control_plane" | undefined
  /** The session of a managed agent that it belongs to. */
  readonly managedSessionId?: string | undefined
  /** Mail addresses that the tenant has written to by this action: later policies know them. */
  readonly contacts?: ReadonlyArray<string> | undefined
  /**
   * The action whose execution after an approval this entry records. Its own record is marked; no hash covers the
   * execution mode.
   */
  readonly executed?: ActionId | undefined
}

/**
 * Whether an entry records what the gateway executed itself.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isExecution = ({ executed, executionMode }: Entry): boolean =>
  executed !== undefined || executionMode === "vargate_brokered"

/**
 * An action that needed an approval, with its decision and execution.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeldAction {
  readonly action: PendingAction
  readonly status: "pending" | "approved" | "rejected" | "expired"
  readonly reviewer: string | null
  readonly note: string | null
  readonly reviewedAt: DateTime.Utc | null
}

/**
 * How a pending action ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settlement {
  readonly status: "approved" | "rejected"
  readonly reviewer: string
  readonly note: string
  readonly reviewedAt: DateTime.Utc
}

/**
 * A key of one subject's data. Its secret is removed once it is erased.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubjectKey {
  readonly version: number
  readonly secret: Uint8Array | undefined
  readonly erasedAt: DateTime.Utc | undefined
}

/**
 * What a Merkle tree holds of a record.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leaf {
  readonly id: number
  readonly recordHash: RecordHash
  readonly createdAt: DateTime.Utc
}

/**
 * A record as a link of its chain.
 *
 * @category models
 * @since 0.2.0
 */
export interface Link {
  /** Its place. A place whose record was taken out by force is left out. */
  readonly place: number
  readonly actionId: string
  readonly prevHash: string
  readonly recordHash: string
  /** What its content hashes to now. */
  readonly computedHash: string
}

/**
 * The hash of a record, at its place in the chain.
 *
 * @category models
 * @since 0.2.0
 */
export interface PlacedHash {
  readonly place: number
  readonly recordHash: string
}

/**
 * The head of a log that was signed last, with its signature.
 *
 * @category models
 * @since 0.2.0
 */
export interface SignedHead {
  readonly origin: string
  readonly size: number
  readonly root: RecordHash
  readonly note: string
}

/**
 * A complete tile of the tree over a log: 256 hashes of 32 bytes.
 *
 * @category models
 * @since 0.2.0
 */
export interface LogTile {
  readonly level: number
  readonly index: number
  readonly hashes: Uint8Array<ArrayBuffer>
}

/**
 * Where a chain begins whose oldest records are in archives: the newest of those.
 *
 * @category models
 * @since 0.2.0
 */
export interface Origin {
  readonly place: number
  readonly id: number
  readonly recordHash: string
}

/**
 * The ledger. Every method is atomic: a record is appended together with its chain link and with what it adds to the
 * agent's history, and a pending action together with its record. What is answered has been kept.
 *
 * **Details**
 *
 * Streams read a bounded part at a time, so that a long log never stands in memory as a whole.
 *
 * @category services
 * @since 0.1.0
 */
export class Ledger extends Context.Service<Ledger, {
  /** Appends a record, and holds the action for review where `hold` is given. */
  readonly append: (entry: Entry, hold?: PendingAction) => Effect.Effect<AuditRecord>
  /**
   * Keeps that an execution is about to begin. The entry is what will be recorded should its end never be known; the
   * record of the execution, which has the same action id, takes its place.
   */
  readonly intend: (entry: Entry) => Effect.Effect<void>
  /** Executions whose end is known and could not be recorded. The ledger tries again until they are on record. */
  readonly unrecorded: (tenantId: string) => Effect.Effect<ReadonlyArray<ActionId>>
  /**
   * The newest record that the tenant is known to have had, by its place in the chain, whatever the store holds now.
   * Undefined where there was none, and where nothing but the ledger itself can lose records.
   */
  readonly head: (tenantId: string) => Effect.Effect<{ readonly records: number; readonly hash: string } | undefined>
  /** Records newest first; `total` counts all of the tenant. */
  readonly page: (tenantId: string, limit: number, offset: number) => Effect.Effect<{
    readonly records: ReadonlyArray<AuditRecord>
    readonly total: number
  }>
  /** All records of a tenant at once, oldest first: for tests and small logs. */
  readonly records: (tenantId: string) => Effect.Effect<ReadonlyArray<AuditRecord>>
  /** All records of a tenant, oldest first. */
  readonly stream: (tenantId: string) => Stream.Stream<AuditRecord>
  /** Undefined where nothing was archived. */
  readonly origin: (tenantId: string) => Effect.Effect<Origin | undefined>
  /** At most so many links of a tenant's chain after a place, oldest first: all there is to verify, and nothing else. */
  readonly links: (tenantId: string, after: number, limit: number) => Effect.Effect<ReadonlyArray<Link>>
  /** The record at a place in the tenant's chain. The first is 1. */
  readonly nth: (tenantId: string, place: number) => Effect.Effect<AuditRecord | undefined>
  readonly find: (tenantId: string, actionId: string) => Effect.Effect<AuditRecord | undefined>
  readonly findByHash: (tenantId: string, recordHash: RecordHash) => Effect.Effect<AuditRecord | undefined>
  readonly inputOf: (tenantId: string, actionId: string) => Effect.Effect<PolicyInput | undefined>
  /** Who has been doing what, the busiest first. */
  readonly agents: (tenantId: string, limit: number) => Effect.Effect<ReadonlyArray<AgentActivity>>

  /** The data subjects in the log, by their ids. */
  readonly subjects: (tenantId: string) => Effect.Effect<ReadonlyArray<Subject>>
  /** The records with the data of a subject, oldest first. */
  readonly recordsOf: (tenantId: string, subjectId: string) => Stream.Stream<AuditRecord>
  /** The keys of a subject, oldest first. */
  readonly subjectKeys: (tenantId: string, subjectId: string) => Effect.Effect<ReadonlyArray<SubjectKey>>
  /** Adds a key, or puts it in the place of the one with its version. */
  readonly putSubjectKey: (tenantId: string, subjectId: string, key: SubjectKey) => Effect.Effect<void>
  /**
   * Marks the records of a subject as erased, and says how many they are. What the policy was asked about them is
   * deleted, and so are the params of those that reviewers have decided over. The hash does not cover the mark.
   */
  readonly markErased: (tenantId: string, subjectId: string) => Effect.Effect<number>
  /**
   * Puts other records in the place of a tenant's, oldest first, unchecked: to show what tampering does. No interface of
   * the gateway leads here.
   */
  readonly replaceRecords: (tenantId: string, records: ReadonlyArray<AuditRecord>) => Effect.Effect<void>

  /** The newest 50 waiting actions by the time of queueing. */
  readonly pending: (tenantId: string) => Effect.Effect<ReadonlyArray<PendingAction>>
  /** The newest 50 decided actions by the time of queueing. */
  readonly decided: (tenantId: string) => Effect.Effect<ReadonlyArray<DecidedAction>>
  readonly approvalStats: (tenantId: string) => Effect.Effect<Readonly<Record<HeldAction["status"], number>>>
  readonly held: (tenantId: string, actionId: string) => Effect.Effect<HeldAction | undefined>
  /**
   * Settles an action that still waits, and says whether it did: of two reviewers only one wins. The entry, where there is
   * one, is appended by the winner alone, in the same step; so is the intent kept, where an execution follows.
   */
  readonly settle: (
    tenantId: string,
    actionId: ActionId,
    settlement: Settlement,
    entry?: Entry,
    intent?: Entry
  ) => Effect.Effect<boolean>
  /** Expires what has waited past its time, and says what that is. */
  readonly expire: (tenantId: string, now: DateTime.Utc) => Effect.Effect<ReadonlyArray<ActionId>>

  /**
   * What trees are built of: the records after one record and up to another, by their ids, oldest first, without those
   * that were erased. Default: all.
   */
  readonly leaves: (tenantId: string, afterId?: number, toId?: number) => Stream.Stream<Leaf>
  /** Stored trees, oldest first. */
  readonly trees: (tenantId: string) => Effect.Effect<ReadonlyArray<MerkleTree>>
  readonly addTree: (tenantId: string, tree: MerkleTree) => Effect.Effect<void>
  /** Notes where the root of a stored tree was anchored. One that has an anchor keeps it. */
  readonly noteAnchor: (
    tenantId: string,
    treeIndex: number,
    place: { readonly tx: string; readonly chain: string; readonly block?: number | undefined }
  ) => Effect.Effect<void>

  /** At most so many record hashes of a tenant after a place, oldest first. Those of erased records are among them. */
  readonly hashes: (tenantId: string, after: number, limit: number) => Effect.Effect<ReadonlyArray<PlacedHash>>
  readonly signedHead: (tenantId: string, origin: string) => Effect.Effect<SignedHead | undefined>
  /** Keeps complete tiles. Those beyond the head that was signed last may be put again, until they are under one. */
  readonly putTiles: (tenantId: string, tiles: ReadonlyArray<LogTile>) => Effect.Effect<void>
  /** Keeps a head in the place of the one before. */
  readonly putSignedHead: (tenantId: string, head: SignedHead) => Effect.Effect<void>
  /** A complete tile. */
  readonly tile: (tenantId: string, level: number, index: number) => Effect.Effect<Uint8Array | undefined>
}>()("effect-vargate/gateway/Ledger") {}
