/**
 * What the doctor looks at, one thing each.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { Approvals } from "../../approvals/Approvals.ts"
import { Reviews } from "../../approvals/Reviews.ts"
import { AuditLog } from "../../audit/AuditLog.ts"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import type { ToolCalls } from "../../calls/ToolCalls.ts"
import type { OperationError, SubmitError } from "../../errors/VargateError.ts"
import type { ShadowReport } from "../../governed/Shadow.ts"
import { monotonicMillis } from "../../internal/elapsed.ts"
import { ActionId } from "../../model/ActionId.ts"
import type { AgentIdentity } from "../../model/Agent.ts"
import { System } from "../../operator/System.ts"
import { Tenant } from "../../operator/Tenant.ts"
import { Connection } from "../core/connection.ts"
import { shortId } from "../core/outcome.ts"
import type { Check as Checks } from "../Output.ts"
import * as Words from "../screen/words.ts"
import { type Answer, nameOf, type Probe, type Probes, submit } from "./probes.ts"

/** @internal */
export type Check = typeof Checks.Type

const result = (outcome: Check["outcome"]) => (check: string, message: string): Check => ({ check, outcome, message })

const ok = result("ok")
const warning = result("warning")
const failed = result("failed")

// --- without a call --------------------------------------------------------------------------------------------------

/**
 * Plain http is for this machine only.
 *
 * @internal
 */
export const connection = Effect.map(Connection, ({ url }) => {
  const { hostname, protocol } = new URL(url)
  if (protocol === "https:") return ok("connection", `${url} is encrypted`)
  return /^(localhost|.*\.localhost|\[::1\]|127\.[\d.]+)$/.test(hostname)
    ? ok("connection", `${url} is plain http, and stays on this machine`)
    : warning("connection", `${url} is plain http: every machine on the way can read the key and all params. Use https`)
})

/** @internal */
export const gateway = Effect.gen(function*() {
  const system = yield* System
  const started = yield* monotonicMillis
  const { redis, service, status } = yield* system.health
  const took = Words.stretch((yield* monotonicMillis) - started)
  if (status !== "ok") return warning("gateway", `says that it is ${status}`)
  // The embedded gateway needs none.
  return redis === false && service !== "effect-vargate"
    ? warning("gateway", `answers in ${took}, but its Redis is away, and with it limits, history and approvals`)
    : ok("gateway", `answers in ${took}`)
})

/** @internal */
export const key = Effect.gen(function*() {
  const approvals = yield* Approvals
  const auditLog = yield* AuditLog
  yield* approvals.pending
  const { tenantId } = yield* auditLog.page({ limit: 1 })
  return ok("key", `is accepted${tenantId === undefined ? "" : `, for tenant ${tenantId}`}`)
})

/**
 * Asks to approve an action that cannot exist: a key that may approve is told that there is none.
 *
 * @internal
 */
export const separation = Effect.gen(function*() {
  const reviews = yield* Reviews
  return yield* reviews.approve(ActionId.make(randomUUID())).pipe(
    Effect.as(failed("separation", "an action that does not exist was approved")),
    Effect.catch((error) => {
      const reason = error._tag === "VargateError" ? error.reason._tag : error._tag
      return Effect.succeed(
        reason === "NotFound"
          ? warning(
            "separation",
            "this key can approve what it submits: an agent that holds it can release its own actions. A tenant's first key has " +
              "every scope (agent, reviewer, operator); the embedded gateway makes keys for one scope each"
          )
          : reason === "Forbidden" || reason === "Unauthenticated"
          ? ok("separation", "this key cannot approve, so pending actions need another reviewer")
          : result("skipped")("separation", `could not be found out (${reason})`)
      )
    })
  )
})

/**
 * What happens to calls while the policy engine is away. Not every gateway shows it.
 *
 * @internal
 */
export const failOpen = Effect.gen(function*() {
  const tenant = yield* Tenant
  const profile = yield* Effect.option(tenant.me)
  const mode = Option.isSome(profile) ? profile.value.failureModes?.opa : undefined
  switch (mode) {
    case undefined:
      return result("skipped")("failure mode", "is not shown by this gateway: see that the tenant fails closed")
    case "fail_open":
      return warning(
        "failure mode",
        "fails open: while the policy engine is away, every call is allowed. Set failureModes.opa to fail_closed"
      )
    default:
      return ok("failure mode", `${mode}: nothing is allowed while the policy engine is away`)
  }
})

const patience = "10 seconds"

/**
 * The gateway's own word on its log, for which it reads all of it.
 *
 * @internal
 */
export const chain = Effect.gen(function*() {
  const auditLog = yield* AuditLog
  const word = yield* Effect.timeoutOption(auditLog.verify, patience)
  if (Option.isNone(word)) {
    return result("skipped")("chain", `no answer within ${patience}; \`verify\` reads the log itself`)
  }
  const { failedAt, reason, records, valid } = word.value
  return valid
    ? ok("chain", `of ${Words.count(records ?? 0, "record")} is valid, says the gateway; \`verify\` proves it`)
    : failed(
      "chain",
      `is broken, says the gateway: ${reason ?? "no reason given"} at ${failedAt ?? "an unknown record"}`
    )
})

// --- with calls ------------------------------------------------------------------------------------------------------

const noDecision = (check: string, probe: Probe) => (error: SubmitError) =>
  failed(check, `${nameOf(probe)} got no decision. ${error.message}`)

const because = (violations: ReadonlyArray<string>) =>
  violations.length === 0 ? "no violation named" : violations.join(", ")

/**
 * What a probe showed.
 *
 * @internal
 */
export interface Probed {
  readonly check: Check
  readonly answers: ReadonlyArray<Answer>
}

/**
 * Tries one call after the other until one is allowed. A policy may well deny all of the doctor's own calls: then the log
 * is looked at for one of the tenant's.
 *
 * @internal
 */
export const allowed = Effect.fnUntraced(function*(
  { allowed, isAllowedNamed }: Pick<Probes, "allowed" | "isAllowedNamed">,
  agent: AgentIdentity
): Effect.fn.Return<Probed, OperationError, AuditLog | ToolCalls> {
  const answers: Array<Answer> = []
  for (const probe of allowed) {
    const answer = yield* Effect.result(submit(probe, agent))
    if (answer._tag === "Failure") return { check: noDecision("allowed call", probe)(answer.failure), answers }
    answers.push(answer.success)
    if (answer.success.decision._tag === "Allowed") {
      return { check: ok("allowed call", `${nameOf(probe)} was allowed`), answers }
    }
  }
  const stopped = answers.map(stoppedWord).join(" and ")
  const advice = "Name a harmless call that your policy allows: --allowed TOOL/METHOD"
  if (isAllowedNamed) return { check: failed("allowed call", `${stopped}. ${advice}`), answers }
  const record = yield* lastAllowed
  const check = Option.isSome(record)
    ? ok(
      "allowed call",
      `${stopped}, as the policy has it; record ${record.value.id} shows that it allows \
${record.value.tool}/${record.value.method}`
    )
    : warning(
      "allowed call",
      `${stopped}, as the policy has it, and the log shows no call that was allowed: it is not proved that any is. ${advice}`
    )
  return { check, answers }
})

const stoppedWord = ({ decision, probe }: Answer): string =>
  decision._tag === "Denied"
    ? `${nameOf(probe)} was denied (${because(decision.violations)})`
    : `${nameOf(probe)} is pending: a reviewer must decide`

/** The newest call that was allowed, among the newest records. */
const lastAllowed = Effect.suspend(() =>
  AuditLog.use((auditLog) =>
    auditLog.records({ pageSize: 100 }).pipe(
      Stream.take(searched),
      Stream.filter(({ decision, tool }) => decision === "allow" && tool !== "approval_queue"),
      Stream.runHead
    )
  )
)

/** Rules of the hosted gateway that deny a tool of yours for what the gateway lacks, and what to do. */
const toolRules = {
  no_credential_registered_for_tool:
    "the gateway denies every tool for which it holds no credential. Register one for each of your tools (`effect-vargate credentials register`), and the gateway executes those that it knows",
  unknown_tool_no_execution_handler:
    "the gateway holds a credential for this tool, executes what has one itself, and does not know how to execute this one. Ask its operator to add the tool, or use one that it knows"
} as const

/**
 * Whether tools were denied for what the gateway has to execute them: then it leaves nothing to the agent's own handlers.
 *
 * @internal
 */
export const ownTools = (answers: ReadonlyArray<Answer>): Check | undefined => {
  for (const { decision, probe } of answers) {
    const [rule, advice] = Object.entries(toolRules).find(([rule]) =>
      decision._tag === "Denied" && decision.violations.includes(rule)
    ) ?? []
    if (rule === undefined) continue
    return warning(
      "own tools",
      `${nameOf(probe)} was denied as ${rule}: ${advice}. Handlers of your own do not run on such a gateway; see \
docs/hosted-gateway.md`
    )
  }
  return undefined
}

/**
 * Tries one call after the other until one is stopped.
 *
 * @internal
 */
export const forbidden = Effect.fnUntraced(function*(probes: ReadonlyArray<Probe>, agent: AgentIdentity) {
  const answers: Array<Answer> = []
  for (const probe of probes) {
    const answer = yield* Effect.result(submit(probe, agent))
    if (answer._tag === "Failure") return { check: noDecision("forbidden call", probe)(answer.failure), answers }
    answers.push(answer.success)
    const check = forbiddenCheck(answer.success)
    if (check !== undefined) return { check, answers }
  }
  const names = probes.map(nameOf).join(" and ")
  const message = `${names} went through: nothing was denied. If your policy means that, name a harmless call that it \
denies: --forbidden TOOL/METHOD`
  return { check: failed("forbidden call", message), answers }
})

const forbiddenCheck = ({ decision, probe }: Answer): Check | undefined => {
  switch (decision._tag) {
    case "Allowed":
      return undefined
    case "Denied":
      return ok("forbidden call", `${nameOf(probe)} was denied: ${because(decision.violations)}`)
    case "PendingApproval":
      return ok("forbidden call", `${nameOf(probe)} is pending: it is not executed without an approval`)
  }
}

/**
 * Rejects what the doctor's own calls have left pending, where the key can do that, so that no reviewer has to.
 *
 * @internal
 */
export const tidyUp = Effect.fnUntraced(function*(answers: ReadonlyArray<Answer>) {
  const reviews = yield* Reviews
  yield* Effect.forEach(
    answers,
    ({ decision }) =>
      decision._tag === "PendingApproval"
        ? Effect.ignore(reviews.reject(decision.actionId, "a call of effect-vargate doctor"))
        : Effect.void,
    { discard: true }
  )
})

const searched = 1000

/** The records of the doctor's own calls, among the newest. */
const recordsOf = Effect.fnUntraced(function*(answers: ReadonlyArray<Answer>) {
  const auditLog = yield* AuditLog
  const wanted = new Set<string>(answers.map(({ decision }) => decision.actionId))
  const records = yield* auditLog.records({ pageSize: 100 }).pipe(
    Stream.take(searched),
    Stream.filter(({ actionId }) => wanted.has(actionId)),
    Stream.take(wanted.size),
    Stream.runCollect
  )
  return new Map(records.map((record) => [record.actionId, record]))
})

/**
 * How far back the doctor looks for calls in shadow: today and yesterday.
 *
 * @internal
 */
export const shadowDays = 2

/**
 * In shadow mode the gateway stops nothing.
 *
 * @internal
 */
export const shadow = ({ calls, denied, lines, pending }: ShadowReport): Check => {
  if (calls === 0) return ok("shadow mode", "no call was in shadow since yesterday")
  const agents = [...new Set(lines.map(({ agentId }) => agentId))]
  const named = agents.length > 3 ? Words.count(agents.length, "agent") : agents.join(", ")
  return warning(
    "shadow mode",
    `is on: ${Words.count(calls, "call")} of ${named} since yesterday, of which ${denied + pending} ${
      denied + pending === 1 ? "was" : "were"
    } performed although denied or pending. Govern them with Governed.run to switch governance on`
  )
}

const words: Readonly<Record<Answer["decision"]["_tag"], string>> = {
  Allowed: "allow",
  Denied: "deny",
  PendingApproval: "pending_approval"
}

/**
 * Whether the answers are on record as they were given, and what the records tell about the gateway's clock.
 *
 * @internal
 */
export const recorded = Effect.fnUntraced(function*(answers: ReadonlyArray<Answer>) {
  if (answers.length === 0) return []
  const records = yield* recordsOf(answers)
  const missing = answers.filter(({ decision }) => records.get(decision.actionId)?.decision !== words[decision._tag])
  const check = missing.length === 0
    ? ok("record", `${Words.count(answers.length, "decision")} on record as answered`)
    : failed(
      "record",
      `not on record as answered: ${missing.map(({ decision }) => shortId(decision.actionId)).join(", ")}`
    )
  const skews = answers.flatMap((answer) => {
    const record = records.get(answer.decision.actionId)
    return record === undefined ? [] : [skewOf(answer, record)]
  })
  return skews.length === 0 ? [check] : [check, clock(Math.min(...skews.map(Math.abs)) * Math.sign(skews[0]!))]
})

/** In milliseconds, positive where the gateway is ahead. Within the time that the call took, nothing can be said. */
const skewOf = ({ answeredAt, sentAt }: Answer, { requestedAt }: AuditRecord) => {
  const at = requestedAt.epochMilliseconds
  return at < sentAt ? at - sentAt : at > answeredAt ? at - answeredAt : 0
}

/** As much as looking up a lost call allows for. */
const tolerated = 10_000

const clock = (skew: number): Check => {
  const by = Words.stretch(Math.abs(skew))
  if (Math.abs(skew) <= tolerated) return ok("clock", Math.abs(skew) < 1000 ? "agrees with ours" : `is ${by} off ours`)
  return warning(
    "clock",
    `of the gateway is ${by} ${
      skew > 0 ? "ahead of" : "behind"
    } ours: lost answers may not be found, and times look wrong`
  )
}
