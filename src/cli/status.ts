/**
 * `status`: the gateway and the tenant at a glance.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Approvals from "../approvals/Approvals.ts"
import * as AuditLog from "../audit/AuditLog.ts"
import { monotonicMillis } from "../internal/elapsed.ts"
import type { Health } from "../operator/Health.ts"
import * as System from "../operator/System.ts"
import * as Tenant from "../operator/Tenant.ts"
import * as Transport from "../transport/Transport.ts"
import { connectedTo, Connection, keyWords } from "./core/connection.ts"
import { Concluded } from "./core/failure.ts"
import { ExitCode, Status } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts } from "./screen/table.ts"
import { bold, dim, green, type Line, red, spansOf, yellow } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const patience = "5 seconds"

const look = Effect.gen(function*() {
  const { keyFrom, url } = yield* Connection
  const system = yield* System.System
  const approvals = yield* Approvals.Approvals
  const auditLog = yield* AuditLog.AuditLog
  const tenant = yield* Tenant.Tenant
  const timedHealth = Effect.gen(function*() {
    const started = yield* monotonicMillis
    const health = yield* system.health
    return { health, healthMillis: Math.round((yield* monotonicMillis) - started) }
  })
  // Alone, since a gateway that is away should be reported once, and its time measured undisturbed.
  const { health, healthMillis } = yield* timedHealth
  const [{ pending, stats }, page, chain, profile] = yield* Effect.all(
    [
      approvals.pending,
      auditLog.page({ limit: 1 }),
      // A gateway reads its whole log for that.
      Effect.timeoutOption(auditLog.verify, patience),
      // Not every gateway has a profile to show.
      Effect.option(tenant.me)
    ],
    { concurrency: "unbounded" }
  )
  const { tenantId } = page
  const newest = page.records[0]
  const expiries = pending.flatMap(({ timeoutAt }) => timeoutAt === undefined ? [] : [timeoutAt])
  const nextExpiry = expiries.toSorted((a, b) => a.epochMilliseconds - b.epochMilliseconds)[0]
  const status: typeof Status.Type = {
    url,
    keyFrom,
    healthMillis,
    health,
    records: page.total,
    ...Option.isNone(chain) ? {} : { chain: chain.value },
    ...tenantId === undefined ? {} : { tenantId },
    ...Option.isNone(profile) ? {} : { tenantName: profile.value.name },
    ...Option.isNone(profile) || profile.value.policyTemplate === undefined
      ? {}
      : { policyTemplate: profile.value.policyTemplate },
    ...newest === undefined ? {} : { newest },
    ...stats === undefined ? {} : { approvals: stats },
    ...nextExpiry === undefined ? {} : { nextExpiry }
  }
  return { status, pending: stats?.pending ?? pending.length }
})

const run = Effect.gen(function*() {
  const printer = yield* Printer
  const { pending, status } = yield* look
  const now = yield* DateTime.now
  yield* printer.print(Status, status, (width) => screen(status, pending, now, width))
  if (status.chain?.valid === false) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
})

/** Not all of an operator's services: to load those takes as long as all else. */
const connectedToParts = connectedTo((options) =>
  Layer.fresh(Layer.mergeAll(System.layer, Approvals.layer, AuditLog.layer, Tenant.layer)).pipe(
    Layer.provideMerge(Transport.layer(options))
  )
)

/** @internal */
export const command = Command.make("status", {}, () => connectedToParts(run)).pipe(
  Command.withDescription("The gateway, the queue and the log at a glance")
)

const screen = (
  status: typeof Status.Type,
  pending: number,
  now: DateTime.Utc,
  width: number | undefined
): ReadonlyArray<Line> => {
  const { chain, health, newest, nextExpiry } = status
  return facts([
    ["Gateway", [status.url, "  ", ...gatewayWord(health), dim(`  ${Words.stretch(status.healthMillis)}`)]],
    ["Parts", partsOf(health)],
    ["Tenant", [
      status.tenantId ?? dim("not told"),
      status.tenantName === undefined || status.tenantName === status.tenantId ? "" : ` (${status.tenantName})`,
      status.policyTemplate === undefined ? "" : dim(`  policy ${status.policyTemplate}`),
      dim(`  key from ${keyWords[status.keyFrom]}`)
    ]],
    ["Approvals", [
      pending === 0 ? "nothing waits" : yellow(`${pending} waiting`),
      nextExpiry === undefined || pending === 0 ? "" : dim(`, next expires ${untilWords(nextExpiry, now)}`)
    ]],
    status.approvals && [
      "",
      dim(`${status.approvals.approved} approved, ${status.approvals.rejected} rejected, \
${status.approvals.expired} expired so far`)
    ],
    ["Audit log", [
      Words.count(status.records, "record"),
      newest === undefined ? "" : dim(`, newest ${Words.ago(newest.requestedAt, now)}: `),
      ...newest === undefined ? [] : spansOf(Words.decision(newest.decision)),
      newest === undefined ? "" : dim(` ${newest.tool}/${newest.method}`)
    ]],
    ["Chain", chainWord(chain)]
  ], width)
}

const untilWords = (time: DateTime.Utc, now: DateTime.Utc) => {
  const left = time.epochMilliseconds - now.epochMilliseconds
  return left <= 0 ? "now" : `in ${Words.stretch(left)}`
}

const gatewayWord = ({ status }: Health) => spansOf(status === "ok" ? green("ok") : red(status))

/** Only what the gateway reported. */
const partsOf = ({ blockchain, connectedChains, merkleTreeCount, redis }: Health): Line => {
  const parts: Array<Line> = []
  if (redis !== undefined) parts.push(redis ? "Redis" : dim("no Redis"))
  if (merkleTreeCount !== undefined) parts.push(Words.count(merkleTreeCount, "Merkle tree"))
  if (blockchain !== undefined) {
    parts.push(blockchain ? `anchored on ${connectedChains?.join(", ") || "a blockchain"}` : dim("no blockchain"))
  }
  return parts.length === 0 ? dim("not told") : parts.flatMap((part, index) => [
    index === 0 ? "" : ", ",
    ...spansOf(part)
  ])
}

const chainWord = (chain: (typeof Status.Type)["chain"]): Line => {
  if (chain === undefined) return dim(`not told within ${patience}; effect-vargate verify reads it itself`)
  const { failedAt, reason, valid } = chain
  return valid
    ? [green("valid"), dim(", says the gateway; "), bold("effect-vargate verify"), dim(" proves it")]
    : [red("broken"), `, says the gateway: ${reason ?? "no reason given"} at ${failedAt ?? "an unknown record"}`]
}
