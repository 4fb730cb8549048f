/**
 * Ballots in a database, SQLite or Postgres, for panels that survive their processes and run in several.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { StorageFailed } from "../errors/VargateError.ts"
import * as SqliteClient from "../internal/sqliteClient.ts"
import { ActionId } from "../model/ActionId.ts"
import { Ballot, type BallotKey, BallotOutcome, Ballots, Choice, Opening, Seal, Vote } from "../reviews/Ballots.ts"
import { ClaimHolder } from "../reviews/ClaimHolder.ts"
import { Deliveries, type KnownDelivery } from "../reviews/Deliveries.ts"
import { Proposal } from "../reviews/Proposal.ts"
import { keptMillis, ReviewLinks } from "../reviews/ReviewLinks.ts"
import { processHolder } from "./internal/processHolder.ts"

const migrations = Migrator.make({})({
  table: "vargate_reviews_migrations",
  loader: Migrator.fromRecord({
    "0001_ballots_and_votes": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE vargate_ballots (
        action_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        queued_at TEXT NOT NULL,
        opening TEXT NOT NULL,
        seal TEXT NOT NULL,
        votes INTEGER NOT NULL DEFAULT 0,
        choice TEXT,
        token TEXT,
        beat INTEGER NOT NULL DEFAULT 0,
        outcome TEXT,
        PRIMARY KEY (action_id, digest)
      )`
      yield* sql`CREATE INDEX vargate_ballots_queued ON vargate_ballots (queued_at)`
      yield* sql`CREATE INDEX vargate_ballots_open ON vargate_ballots (queued_at) WHERE outcome IS NULL`
      yield* sql`CREATE TABLE vargate_votes (
        action_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        vote TEXT NOT NULL,
        PRIMARY KEY (action_id, digest, sequence)
      )`
    }),
    "0002_deliveries": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE vargate_deliveries (
        id TEXT PRIMARY KEY,
        attempts INTEGER NOT NULL,
        until BIGINT NOT NULL,
        done INTEGER NOT NULL DEFAULT 0
      )`
    }),
    "0003_receipts_and_links": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`ALTER TABLE vargate_deliveries ADD COLUMN receipt TEXT`
      yield* sql`CREATE TABLE vargate_review_links (
        hash TEXT PRIMARY KEY,
        action_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        reviewer_id TEXT NOT NULL,
        on_behalf_of TEXT,
        expires_at BIGINT NOT NULL,
        used_at BIGINT
      )`
      yield* sql`CREATE INDEX vargate_review_links_of ON vargate_review_links (action_id, digest, reviewer_id)`
    }),
    "0004_proposals": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE vargate_proposals (
        id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        proposed_at TEXT NOT NULL,
        proposal TEXT NOT NULL,
        token TEXT,
        submitted_as TEXT
      )`
      yield* sql`CREATE INDEX vargate_proposals_digest ON vargate_proposals (digest)`
      yield* sql`CREATE INDEX vargate_proposals_submitted ON vargate_proposals (submitted_as)`
    })
  })
})

const OpeningText = Schema.fromJsonString(Opening)
const SealText = Schema.fromJsonString(Seal)
const OutcomeText = Schema.fromJsonString(BallotOutcome)
const VoteText = Schema.fromJsonString(Vote)

const encodeOpening = Schema.encodeEffect(OpeningText)
const encodeSeal = Schema.encodeEffect(SealText)
const encodeOutcome = Schema.encodeEffect(OutcomeText)
const encodeVote = Schema.encodeEffect(VoteText)

const ProposalText = Schema.fromJsonString(Proposal)
const encodeProposal = Schema.encodeEffect(ProposalText)
const decodeProposal = Schema.decodeUnknownEffect(ProposalText)
const decodeSubmitted = Schema.decodeUnknownEffect(Schema.NullOr(ActionId))

interface ProposalRow {
  readonly proposal: string
  readonly submitted_as: string | null
}

const readProposal = Effect.fnUntraced(function*({ proposal, submitted_as }: ProposalRow) {
  return new Proposal({ ...yield* decodeProposal(proposal), submittedAs: yield* decodeSubmitted(submitted_as) })
})

const decodeBallot = Schema.decodeUnknownEffect(Schema.Struct({
  opening: OpeningText,
  seal: SealText,
  choice: Schema.NullOr(Choice),
  token: Schema.NullOr(Schema.String),
  beat: Schema.Int,
  outcome: Schema.NullOr(OutcomeText)
}))
const decodeVotes = Schema.decodeUnknownEffect(Schema.Array(VoteText))

interface BallotRow {
  readonly action_id: string
  readonly digest: string
  readonly beat: number
}

const storageFailed = (operation: string) =>
  Effect.mapError((error: { readonly message: string }) =>
    new StorageFailed({ operation, detail: error.message.split("\n")[0]! })
  )

const isOne = (rows: ReadonlyArray<unknown>) => rows.length > 0

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* storageFailed("Ballots.layer")(SqliteClient.whileBusy(migrations))

  const read = Effect.fnUntraced(function*(row: BallotRow) {
    const { beat, choice, opening, outcome, seal, token } = yield* decodeBallot({ ...row, beat: Number(row.beat) })
    const votes = yield* sql<{ vote: string }>`SELECT vote FROM vargate_votes
      WHERE action_id = ${row.action_id} AND digest = ${row.digest} ORDER BY sequence`
    return new Ballot({
      opening,
      seal,
      votes: yield* decodeVotes(votes.map(({ vote }) => vote)),
      claim: choice === null || token === null ? null : { choice, token, beat },
      outcome
    })
  })

  const readAll = (rows: ReadonlyArray<BallotRow>) => Effect.forEach(rows, read)

  const find = Effect.fnUntraced(function*({ actionId, digest }: BallotKey) {
    const [row] = yield* sql<BallotRow>`
      SELECT * FROM vargate_ballots WHERE action_id = ${actionId} AND digest = ${digest}`
    return row === undefined ? undefined : yield* read(row)
  })

  return Ballots.of({
    open: Effect.fnUntraced(function*(opening, seal) {
      const text = yield* encodeOpening(opening)
      const queuedAt = new Date(opening.createdAt.epochMilliseconds).toISOString()
      yield* sql`INSERT INTO vargate_ballots (action_id, digest, queued_at, opening, seal)
        VALUES (${opening.actionId}, ${opening.digest}, ${queuedAt}, ${text}, ${yield* encodeSeal(seal)})
        ON CONFLICT (action_id, digest) DO NOTHING`
      return (yield* find(opening))!
    }, storageFailed("Ballots.open")),
    find: (key) => storageFailed("Ballots.find")(find(key)),
    ofAction: Effect.fnUntraced(function*(actionId) {
      const rows = yield* sql<BallotRow>`
        SELECT * FROM vargate_ballots WHERE action_id = ${actionId} ORDER BY queued_at DESC`
      // One that has ended because its params were changed is not what counts now.
      return (yield* readAll(rows)).toSorted((a, b) => Number(b.outcome === null) - Number(a.outcome === null))
    }, storageFailed("Ballots.ofAction")),
    append: Effect.fnUntraced(function*(vote, proposal) {
      const text = yield* encodeVote(vote)
      const proposed = proposal && (yield* encodeProposal(proposal))
      // The row of the ballot is what all who append wait for.
      return yield* sql.withTransaction(Effect.gen(function*() {
        const counted = yield* sql`UPDATE vargate_ballots SET votes = ${vote.sequence}
          WHERE action_id = ${vote.actionId} AND digest = ${vote.digest} AND votes = ${vote.sequence - 1}
            AND token IS NULL AND outcome IS NULL RETURNING votes`
        if (!isOne(counted)) return false
        yield* sql`INSERT INTO vargate_votes (action_id, digest, sequence, vote)
          VALUES (${vote.actionId}, ${vote.digest}, ${vote.sequence}, ${text})`
        if (proposal !== undefined && proposed !== undefined) {
          const at = DateTime.formatIso(proposal.at)
          yield* sql`INSERT INTO vargate_proposals (id, digest, proposed_at, proposal)
            VALUES (${proposal.id}, ${proposal.digest}, ${at}, ${proposed})`
        }
        return true
      }))
    }, storageFailed("Ballots.append")),
    claim: Effect.fnUntraced(function*({ actionId, digest }, { choice, token, votes }) {
      return isOne(
        yield* sql`UPDATE vargate_ballots SET choice = ${choice}, token = ${token}, beat = 0
          WHERE action_id = ${actionId} AND digest = ${digest} AND votes = ${votes}
            AND token IS NULL AND outcome IS NULL RETURNING token`
      )
    }, storageFailed("Ballots.claim")),
    renew: Effect.fnUntraced(function*({ actionId, digest }, token) {
      return isOne(
        yield* sql`UPDATE vargate_ballots SET beat = beat + 1
          WHERE action_id = ${actionId} AND digest = ${digest} AND token = ${token} RETURNING token`
      )
    }, storageFailed("Ballots.renew")),
    takeOver: Effect.fnUntraced(function*({ actionId, digest }, from, token) {
      return isOne(
        yield* sql`UPDATE vargate_ballots SET token = ${token}, beat = 0
          WHERE action_id = ${actionId} AND digest = ${digest} AND token = ${from.token} AND beat = ${from.beat}
            AND outcome IS NULL RETURNING token`
      )
    }, storageFailed("Ballots.takeOver")),
    end: Effect.fnUntraced(function*(key, outcome) {
      yield* sql`UPDATE vargate_ballots SET outcome = ${yield* encodeOutcome(outcome)}
        WHERE action_id = ${key.actionId} AND digest = ${key.digest} AND outcome IS NULL`
      return (yield* find(key))?.outcome ?? outcome
    }, storageFailed("Ballots.end")),
    list: Effect.fnUntraced(function*({ ended, limit = 100 } = {}) {
      const which = ended === undefined ? sql`1 = 1` : ended ? sql`outcome IS NOT NULL` : sql`outcome IS NULL`
      return yield* readAll(
        yield* sql<BallotRow>`SELECT * FROM vargate_ballots WHERE ${which} ORDER BY queued_at DESC LIMIT ${limit}`
      )
    }, storageFailed("Ballots.list")),
    proposal: Effect.fnUntraced(function*(id) {
      const [row] = yield* sql<ProposalRow>`
        SELECT proposal, submitted_as FROM vargate_proposals WHERE id = ${id}`
      return row === undefined ? undefined : yield* readProposal(row)
    }, storageFailed("Ballots.proposal")),
    proposalsOf: Effect.fnUntraced(function*({ actionId, digest }) {
      const rows = yield* sql<ProposalRow>`SELECT proposal, submitted_as FROM vargate_proposals
        WHERE digest = ${digest} OR submitted_as = ${actionId} ORDER BY proposed_at DESC LIMIT 10`
      return yield* Effect.forEach(rows, readProposal)
    }, storageFailed("Ballots.proposalsOf")),
    claimProposal: Effect.fnUntraced(function*(id, token) {
      return isOne(
        yield* sql`UPDATE vargate_proposals SET token = ${token}
          WHERE id = ${id} AND submitted_as IS NULL AND (token IS NULL OR token = ${token}) RETURNING token`
      )
    }, storageFailed("Ballots.claimProposal")),
    releaseProposal: Effect.fnUntraced(function*(id, token) {
      yield* sql`UPDATE vargate_proposals SET token = NULL
        WHERE id = ${id} AND token = ${token} AND submitted_as IS NULL`
    }, storageFailed("Ballots.releaseProposal")),
    settleProposal: Effect.fnUntraced(function*(id, token, actionId) {
      yield* sql`UPDATE vargate_proposals SET submitted_as = ${actionId}
        WHERE id = ${id} AND token = ${token} AND submitted_as IS NULL`
    }, storageFailed("Ballots.settleProposal"))
  })
})

const makeDeliveries = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* storageFailed("Deliveries.layer")(SqliteClient.whileBusy(migrations))
  return Deliveries.of({
    claim: Effect.fnUntraced(function*({ id, now, until }) {
      const [row] = yield* sql<{ attempts: number }>`INSERT INTO vargate_deliveries (id, attempts, until)
        VALUES (${id}, 1, ${until})
        ON CONFLICT (id) DO UPDATE SET attempts = vargate_deliveries.attempts + 1, until = excluded.until
          WHERE vargate_deliveries.done = 0 AND vargate_deliveries.until <= ${now}
        RETURNING attempts`
      return row === undefined ? undefined : Number(row.attempts) - 1
    }, storageFailed("Deliveries.claim")),
    settle: Effect.fnUntraced(function*(id, receipt) {
      yield* sql`UPDATE vargate_deliveries SET done = 1, receipt = ${receipt ?? null} WHERE id = ${id}`
    }, storageFailed("Deliveries.settle")),
    release: Effect.fnUntraced(function*(id, at) {
      yield* sql`UPDATE vargate_deliveries SET until = ${at} WHERE id = ${id} AND done = 0`
    }, storageFailed("Deliveries.release")),
    find: Effect.fnUntraced(function*(ids) {
      if (ids.length === 0) return new Map<string, KnownDelivery>()
      const rows = yield* sql<{ id: string; done: number; receipt: string | null }>`
        SELECT id, done, receipt FROM vargate_deliveries WHERE ${sql.in("id", ids)}`
      return new Map(
        rows.map(({ done, id, receipt }) => [id, { isSettled: Number(done) === 1, receipt: receipt ?? undefined }])
      )
    }, storageFailed("Deliveries.find"))
  })
})

interface LinkRow {
  readonly hash: string
  readonly action_id: string
  readonly digest: string
  readonly reviewer_id: string
  readonly on_behalf_of: string | null
  readonly expires_at: number | string
  readonly used_at: number | string | null
}

const makeLinks = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* storageFailed("ReviewLinks.layer")(SqliteClient.whileBusy(migrations))
  /** All links of the same reviewer for the same action. */
  const setUsed = (hash: string, usedAt: number | null) =>
    sql`UPDATE vargate_review_links SET used_at = ${usedAt} WHERE (action_id, digest, reviewer_id) IN
      (SELECT action_id, digest, reviewer_id FROM vargate_review_links WHERE hash = ${hash})`
  return ReviewLinks.of({
    add: Effect.fnUntraced(function*({ actionId, digest, expiresAt, hash, onBehalfOf, reviewerId }, now) {
      yield* sql`DELETE FROM vargate_review_links WHERE expires_at < ${now - keptMillis}`
      yield* sql`INSERT INTO vargate_review_links (hash, action_id, digest, reviewer_id, on_behalf_of, expires_at)
        VALUES (${hash}, ${actionId}, ${digest}, ${reviewerId}, ${onBehalfOf}, ${expiresAt})`
    }, storageFailed("ReviewLinks.add")),
    find: Effect.fnUntraced(function*(hash) {
      const [row] = yield* sql<LinkRow>`SELECT * FROM vargate_review_links WHERE hash = ${hash}`
      return row === undefined ? undefined : {
        hash,
        actionId: ActionId.make(row.action_id),
        digest: row.digest,
        reviewerId: row.reviewer_id,
        onBehalfOf: row.on_behalf_of,
        expiresAt: Number(row.expires_at),
        usedAt: row.used_at === null ? null : Number(row.used_at)
      }
    }, storageFailed("ReviewLinks.find")),
    use: Effect.fnUntraced(function*(hash, now) {
      return yield* sql.withTransaction(Effect.gen(function*() {
        // Locks all that may be used now: of two links of one reviewer, used at once, one waits for the other.
        yield* sql`UPDATE vargate_review_links SET digest = digest WHERE (action_id, digest, reviewer_id) IN
          (SELECT action_id, digest, reviewer_id FROM vargate_review_links WHERE hash = ${hash})`
        const used = yield* sql`UPDATE vargate_review_links SET used_at = ${now}
          WHERE hash = ${hash} AND used_at IS NULL AND expires_at > ${now} RETURNING hash`
        if (!isOne(used)) return false
        yield* setUsed(hash, now)
        return true
      }))
    }, storageFailed("ReviewLinks.use")),
    restore: Effect.fnUntraced(function*(hash) {
      yield* setUsed(hash, null)
    }, storageFailed("ReviewLinks.restore"))
  })
})

/**
 * Ballots, what channels have announced of them, and one-time links, in the database in context. Its tables begin with `vargate_` and are
 * made where they are missing.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Ballots | Deliveries | ReviewLinks, StorageFailed, SqlClient.SqlClient> = Layer
  .effectContext(
    Effect.gen(function*() {
      const ballots = yield* make
      return Context.make(Ballots, ballots).pipe(
        Context.add(Deliveries, yield* makeDeliveries),
        Context.add(ReviewLinks, yield* makeLinks),
        Context.add(ClaimHolder, processHolder)
      )
    })
  )

/**
 * Ballots in a SQLite file, which is made where it is missing. Several processes of one machine may have it open.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerSqlite = (
  options: { readonly filename: string }
): Layer.Layer<Ballots | Deliveries | ReviewLinks, StorageFailed | SqlError> =>
  Layer.provide(layer, SqliteClient.layer({ filename: options.filename }))
