/**
 * What channels have announced: of all processes that would announce the same step of a ballot on a channel, one does.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageFailed } from "../errors/VargateError.ts"

/**
 * One step of one ballot on one channel, under its id.
 *
 * @category models
 * @since 0.2.0
 */
export interface DeliveryClaim {
  readonly id: string
  /** In epoch milliseconds. */
  readonly now: number
  /** Until when the claim holds, where its owner neither settles nor releases it. */
  readonly until: number
}

/**
 * A delivery that was tried: it has arrived, or may have.
 *
 * @category models
 * @since 0.2.0
 */
export interface KnownDelivery {
  readonly isSettled: boolean
  /** What its channel wanted to know of it later. */
  readonly receipt: string | undefined
}

/**
 * The deliveries of all channels. Every method is atomic.
 *
 * @category services
 * @since 0.2.0
 */
export class Deliveries extends Context.Service<Deliveries, {
  /**
   * Claims a delivery, and returns how often it was claimed before; undefined where it is done, or claimed by another
   * process until later than now.
   */
  readonly claim: (claim: DeliveryClaim) => Effect.Effect<number | undefined, StorageFailed>
  /** Writes down that a claimed delivery has arrived, with what its channel wants to know of it later. */
  readonly settle: (id: string, receipt?: string) => Effect.Effect<void, StorageFailed>
  /** Frees a claimed delivery that has not arrived for another attempt at this time. */
  readonly release: (id: string, at: number) => Effect.Effect<void, StorageFailed>
  /** What is known of those of these that were ever claimed. */
  readonly find: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, KnownDelivery>, StorageFailed>
}>()("effect-vargate/Deliveries") {}

/**
 * Deliveries in memory: announced again after a restart.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<Deliveries> = Layer.sync(Deliveries, () => {
  const claims = new Map<string, { attempts: number; until: number; isDone: boolean; receipt?: string | undefined }>()
  return Deliveries.of({
    claim: ({ id, now, until }) =>
      Effect.sync(() => {
        const known = claims.get(id)
        if (known !== undefined && (known.isDone || known.until > now)) return undefined
        const attempts = known?.attempts ?? 0
        claims.set(id, { attempts: attempts + 1, until, isDone: false })
        return attempts
      }),
    settle: (id, receipt) =>
      Effect.sync(() => {
        const known = claims.get(id)
        if (known !== undefined) claims.set(id, { ...known, isDone: true, receipt })
      }),
    release: (id, at) =>
      Effect.sync(() => {
        const known = claims.get(id)
        if (known !== undefined) known.until = at
      }),
    find: (ids) =>
      Effect.sync(() =>
        new Map(ids.flatMap((id) => {
          const known = claims.get(id)
          return known === undefined ? [] : [[id, { isSettled: known.isDone, receipt: known.receipt }]]
        }))
      )
  })
})
