/**
 * What the gateway says about the chains of its tenants. To say it, a log is read from its beginning: once at a time for a
 * tenant, for all who ask meanwhile.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { ChainStatus } from "../../audit/AuditRecord.ts"
import { verifyLedger } from "../ledger/internal/chain.ts"
import { Ledger } from "../ledger/Ledger.ts"
import { WholeLogs } from "./wholeLog.ts"

/**
 * Verifies chains.
 *
 * **Details**
 *
 * A verification that has begun is carried out, also when all who asked have left: a client that gave up and asks again
 * finds it further on. It reads up to the newest record, so that a client that joins it learns of what was recorded
 * before.
 *
 * @category services
 * @since 0.2.0
 */
export class ChainVerdicts extends Context.Service<ChainVerdicts, {
  readonly verify: (tenantId: string) => Effect.Effect<ChainStatus>
}>()("effect-vargate/gateway/ChainVerdicts") {}

/**
 * Over the ledger in context.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<ChainVerdicts, never, Ledger | WholeLogs> = Layer.effect(
  ChainVerdicts,
  Effect.gen(function*() {
    const ledger = yield* Ledger
    const wholeLogs = yield* WholeLogs
    const scope = yield* Effect.scope
    const running = new Map<string, Deferred.Deferred<ChainStatus>>()

    const begin = (tenantId: string) => {
      const verdict = Deferred.makeUnsafe<ChainStatus>()
      running.set(tenantId, verdict)
      return verifyLedger(ledger, tenantId).pipe(
        wholeLogs.withPermit(tenantId),
        Effect.onExit((exit) => {
          running.delete(tenantId)
          return Exit.isSuccess(exit)
            ? Deferred.succeed(verdict, exit.value)
            : Deferred.failCause(verdict, exit.cause)
        }),
        Effect.forkIn(scope),
        Effect.as(verdict)
      )
    }

    return ChainVerdicts.of({
      verify: (tenantId) =>
        Effect.suspend(() => {
          const verdict = running.get(tenantId)
          return Effect.flatMap(
            verdict === undefined ? Effect.uninterruptible(begin(tenantId)) : Effect.succeed(verdict),
            Deferred.await
          )
        })
    })
  })
)
