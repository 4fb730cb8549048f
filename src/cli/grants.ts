/**
 * `grants`: the standing approvals of a review panel, from where they are kept.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { type GrantStatus, GrantStore } from "../reviews/Grants.ts"
import { budgetWords, scopeWords } from "../reviews/internal/grantWords.ts"
import { beginningWith } from "./core/beginningOfId.ts"
import { Usage } from "./core/failure.ts"
import { positive } from "./core/flags.ts"
import { shortId } from "./core/outcome.ts"
import { GrantLine } from "./Output.ts"
import { withGrants } from "./reviews/store.ts"
import { Printer } from "./screen/Printer.ts"
import { facts, table } from "./screen/table.ts"
import { dim, green, type Line, red } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const data = Flag.String("data").pipe(
  Flag.withMetavar("<file>"),
  Flag.withDescription("The SQLite file of the panel; without it, the Postgres of VARGATE_POSTGRES_URL"),
  Flag.optional
)

const group = Command.make("grants").pipe(Command.withSharedFlags({ data }))

/** The file may be named before the subcommand or after it. */
const inStore = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(group, ({ data }) => withGrants(data, effect))

// --- screens ---------------------------------------------------------------------------------------------------------

const isOver = ({ grant, revokedAt }: GrantStatus, now: DateTime.Utc) =>
  revokedAt !== null || !DateTime.isLessThan(now, grant.expiresAt)

const stateOf = (status: GrantStatus, now: DateTime.Utc): Line =>
  status.revokedAt !== null
    ? [red("revoked"), dim(` by ${status.revokedBy}`)]
    : isOver(status, now)
    ? [dim("expired")]
    : [green("in force")]

const columns = [
  { title: "ID" },
  { title: "CALL", min: 12 },
  { title: "AGENT", min: 8 },
  { title: "BY", min: 4 },
  { title: "STATE", min: 8 },
  { title: "USES" },
  { title: "EXPIRES" }
] as const

const rowOf = (now: DateTime.Utc) => (status: GrantStatus) => [
  shortId(status.grant.id),
  `${status.grant.tool}/${status.grant.method}`,
  status.grant.agentId,
  status.grant.reviewerId,
  stateOf(status, now),
  status.grant.count === null ? String(status.uses) : `${status.uses} of ${status.grant.count}`,
  dim(Words.stamp(status.grant.expiresAt))
]

const details = (status: GrantStatus, now: DateTime.Utc, width: number | undefined): ReadonlyArray<Line> => {
  const { grant } = status
  const params = scopeWords(grant.params)
  return facts([
    ["Grant", grant.id],
    ["Call", `${grant.tool}/${grant.method}`],
    ["Agent", grant.agentId],
    ["Params", params === "" ? "none" : params],
    ["Reviewer", `${grant.reviewerName} (${grant.reviewerId})`],
    ["State", stateOf(status, now)],
    ["Uses", grant.count === null ? String(status.uses) : `${status.uses} of ${grant.count}`],
    ...grant.budgets.map((budget) => ["Budget", budgetWords(budget)] as const),
    ["Made", Words.stamp(grant.createdAt)],
    ["Expires", Words.stamp(grant.expiresAt)],
    grant.note === null ? undefined : ["Note", grant.note]
  ], width)
}

// --- commands --------------------------------------------------------------------------------------------------------

const list = Effect.fnUntraced(function*(all: boolean, limit: number) {
  const printer = yield* Printer
  const now = yield* DateTime.now
  const grants = yield* GrantStore.use(({ list }) => list({ limit, ...all ? {} : { inForceAt: now } }))
  if (printer.isJson) {
    return yield* Effect.forEach(grants, (status) => printer.print(GrantLine, status, () => []), { discard: true })
  }
  if (grants.length === 0) {
    return yield* printer.note(
      dim(all ? "There are no grants." : "No grant is in force; --all lists those that are over.")
    )
  }
  yield* printer.show(table(columns, grants.map(rowOf(now)), printer.width()))
})

/** As much of the id as it takes. */
const find = Effect.fnUntraced(function*(id: string) {
  const grants = yield* GrantStore.use(({ list }) => list({ limit: 100_000 }))
  return yield* beginningWith(id, grants, ({ grant }) => grant.id, "grant")
})

const show = Effect.fnUntraced(function*(id: string) {
  const printer = yield* Printer
  const status = yield* find(id)
  const now = yield* DateTime.now
  const uses = yield* GrantStore.use((store) => store.uses(status.grant.id, 20))
  yield* printer.print(GrantLine, status, (width) => [
    ...details(status, now, width),
    ...uses.map(({ actionId, at }) => [dim(`${Words.stamp(at)}  `), actionId])
  ])
})

const revoke = Effect.fnUntraced(function*({ by, id }: { readonly id: string; readonly by: string }) {
  const printer = yield* Printer
  const { grant } = yield* find(id)
  const now = yield* DateTime.now
  const isRevoked = yield* GrantStore.use((store) => store.revoke(grant.id, { by, at: now }))
  if (!isRevoked) return yield* new Usage({ message: `${grant.id} was revoked before.` })
  const status = yield* find(grant.id)
  yield* printer.print(GrantLine, status, (width) => details(status, now, width))
})

const id = Argument.String("id").pipe(Argument.withDescription("Of the grant, or the beginning of it"))

/** @internal */
export const command = group.pipe(
  Command.withDescription("Standing approvals of a review panel: list, show and revoke them"),
  Command.withSubcommands([
    Command.make(
      "list",
      {
        all: Flag.Boolean("all").pipe(
          Flag.withoutNegation,
          Flag.withDefault(false),
          Flag.withDescription("Those that are revoked or have expired too")
        ),
        limit: positive("limit").pipe(Flag.withMetavar("<n>"), Flag.withDefault(100))
      },
      ({ all, limit }) => inStore(list(all, limit))
    ).pipe(Command.withDescription("Those in force, the latest first"), Command.withAlias("ls")),
    Command.make("show", { id }, ({ id }) => inStore(show(id))).pipe(
      Command.withDescription("What a grant covers, and its latest uses")
    ),
    Command.make(
      "revoke",
      {
        id,
        by: Flag.String("by").pipe(Flag.withMetavar("<name>"), Flag.withDescription("Who you are, for the record"))
      },
      (options) => inStore(revoke(options))
    ).pipe(Command.withDescription("From the panel's next look on it counts for nothing"))
  ])
)
