/**
 * An agent's last approved call of a kind, from the newest records of the audit log.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { PendingAction } from "../../approvals/Approval.ts"
import type { AuditLog } from "../../audit/AuditLog.ts"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import type { OperationError } from "../../errors/VargateError.ts"
import type { ActionId } from "../../model/ActionId.ts"

/** @internal */
export interface ApprovedCall {
  readonly actionId: ActionId
  readonly params: unknown
  readonly approvedAt: DateTime.Utc
}

/** What is read at the first look; later ones read what is new. */
const pageSize = 200
const mostPages = 5

/** Between two looks, however many ask. */
const rhythm = 5_000

const mostKinds = 2_000
const mostOpen = 1_000

type Kind = Pick<PendingAction, "agentId" | "method" | "tool">

const kindOf = ({ agentId, method, tool }: Kind) => JSON.stringify([agentId, tool, method])

const removeOldest = (map: Map<string, unknown>, most: number) => {
  for (const key of map.keys()) {
    if (map.size <= most) return
    map.delete(key)
  }
}

/**
 * Ids of calls are assigned by the gateway, so no agent can disguise its call as an approval.
 */
const targetOf = ({ actionId }: AuditRecord) => /^approval-(.+)$/.exec(actionId)?.[1]

/**
 * Looks calls up, and keeps what it has read.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function*({ page }: Pick<AuditLog["Service"], "page">) {
  const oneAtATime = yield* Semaphore.make(1)
  const latest = new Map<string, ApprovedCall>()
  /** Queued, and not approved yet as far as was read. */
  const open = new Map<string, AuditRecord>()
  let newestId = 0
  let readAt = -Infinity

  const unread = Effect.gen(function*() {
    const found: Array<AuditRecord> = []
    for (let n = 0; n < mostPages; n++) {
      const { records } = yield* page({ limit: pageSize, offset: n * pageSize })
      found.push(...records.filter(({ id }) => id > newestId))
      if (records.length < pageSize || records.some(({ id }) => id <= newestId)) break
    }
    return found.toSorted((a, b) => a.id - b.id)
  })

  const take = (record: AuditRecord) => {
    newestId = Math.max(newestId, record.id)
    if (record.decision === "pending_approval") {
      open.set(record.actionId, record)
      return removeOldest(open, mostOpen)
    }
    const target = targetOf(record)
    const queued = target === undefined ? undefined : open.get(target)
    if (queued === undefined) return
    open.delete(queued.actionId)
    const kind = kindOf(queued)
    latest.delete(kind)
    latest.set(kind, { actionId: queued.actionId, params: queued.params, approvedAt: record.requestedAt })
    removeOldest(latest, mostKinds)
  }

  const refresh = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    if (now - readAt < rhythm) return
    for (const record of yield* unread) take(record)
    readAt = now
  })

  return (kind: Kind): Effect.Effect<ApprovedCall | undefined, OperationError> =>
    Effect.map(oneAtATime.withPermit(refresh), () => latest.get(kindOf(kind)))
})
