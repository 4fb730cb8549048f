/**
 * The approval queue, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { PendingList } from "../../../approvals/Approval.ts"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { Conflict409, LedgerUnavailable503, NotFound404 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import type { LedgerUnavailable } from "../../calls/LedgerUnavailable.ts"
import { type AlreadySettled, type JustExpired, ReviewDesk, type UnknownAction } from "../../calls/ReviewDesk.ts"
import { Ledger } from "../../ledger/Ledger.ts"

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "approvals",
  Effect.fnUntraced(function*(handlers) {
    const ledger = yield* Ledger
    const desk = yield* ReviewDesk

    return handlers
      .handle(
        "pending",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          yield* ledger.expire(id, yield* DateTime.now)
          return new PendingList({
            pending: yield* ledger.pending(id),
            stats: yield* ledger.approvalStats(id)
          })
        })
      )
      .handle(
        "history",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          return { history: yield* ledger.decided(id) }
        })
      )
      .handle(
        "approve",
        Effect.fnUntraced(function*({ params, payload }) {
          const { email, id } = yield* CurrentTenant
          return yield* refuse(desk.approve(id, params.id, payload?.note, email))
        }),
        { uninterruptible: true }
      )
      .handle(
        "reject",
        Effect.fnUntraced(function*({ params, payload }) {
          const { email, id } = yield* CurrentTenant
          return yield* refuse(desk.reject(id, params.id, payload?.note, email))
        }),
        { uninterruptible: true }
      )
  })
)

const refuse = Effect.mapError((error: UnknownAction | AlreadySettled | JustExpired | LedgerUnavailable) => {
  switch (error._tag) {
    case "UnknownAction":
      return NotFound404.make({ detail: "Action not found" })
    case "AlreadySettled":
      return Conflict409.make({ detail: `Action already ${error.status}` })
    case "JustExpired":
      return Conflict409.make({ detail: "Action has expired" })
    case "LedgerUnavailable":
      return LedgerUnavailable503.make({ detail: `Ledger unavailable: ${error.detail}` })
  }
})
