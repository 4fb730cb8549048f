/**
 * The grants that a panel applies: those in force by their store, without those that this process has seen end. A program
 * that can write to the store could undo a revocation there, or take uses back, and no signature tells.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { StorageFailed } from "../../errors/VargateError.ts"
import type { GrantStatus } from "../Grant.ts"

/** More are not applied: the latest are. */
const maxGrants = 10_000

/** @internal */
export interface GrantsInForce {
  readonly look: Effect.Effect<ReadonlyArray<GrantStatus>, StorageFailed>
  /** One that was revoked here. */
  readonly revoked: (id: string) => void
}

/** @internal */
export const make = (
  list: (
    options: { readonly limit: number; readonly inForceAt: DateTime.Utc }
  ) => Effect.Effect<ReadonlyArray<GrantStatus>, StorageFailed>
): GrantsInForce => {
  /** In force at the last look. */
  let known: ReadonlyMap<string, GrantStatus> = new Map()
  /** Those that have ended before their time, and when that is, in epoch milliseconds: then nothing revives them. */
  const ended = new Map<string, number>()
  /** Of which it was said. */
  const told = new Set<string>()

  const endOf = ({ grant }: GrantStatus) => grant.expiresAt.epochMilliseconds

  const notice = (listed: ReadonlyArray<GrantStatus>, now: number) => {
    const found = new Map(listed.map((status) => [status.grant.id, status]))
    for (const [id, status] of known) {
      const next = found.get(id)
      // Beyond the most that are listed, one that is not there may be in force.
      const isGone = next === undefined && listed.length < maxGrants && endOf(status) > now
      if (isGone || next !== undefined && next.uses < status.uses) ended.set(id, endOf(status))
    }
    for (const [id, end] of ended) {
      if (end > now) continue
      ended.delete(id)
      told.delete(id)
    }
    known = found
  }

  // One after another: an older answer that comes later would look like uses that were taken back.
  const turn = Semaphore.makeUnsafe(1)

  return {
    look: turn.withPermit(Effect.gen(function*() {
      const now = yield* DateTime.now
      const listed = yield* list({ limit: maxGrants, inForceAt: now })
      notice(listed, now.epochMilliseconds)
      const revived = listed.filter(({ grant }) => ended.has(grant.id) && !told.has(grant.id))
      for (const { grant } of revived) {
        told.add(grant.id)
        yield* Effect.logError(
          `The grant ${grant.id} counts for nothing: it had ended, or had more uses, and its store says otherwise now`
        )
      }
      return listed.filter(({ grant }) => !ended.has(grant.id))
    })),
    revoked: (id) => {
      // Longer than any grant may last.
      ended.set(id, known.has(id) ? endOf(known.get(id)!) : Number.POSITIVE_INFINITY)
    }
  }
}
