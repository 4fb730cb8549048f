/**
 * What refunds are made with. Replace `layer` by your payment provider's client; tests keep `layerMemory`.
 */
import { Context, Effect, Layer, Ref } from "effect"

export interface Refund {
  readonly charge: string
  readonly amount: number
}

export class Payments extends Context.Service<Payments, {
  readonly refund: (refund: Refund) => Effect.Effect<string>
  readonly refunds: Effect.Effect<ReadonlyArray<Refund>>
}>()("app/Payments") {}

export const layerMemory = Layer.effect(
  Payments,
  Effect.gen(function*() {
    const made = yield* Ref.make<ReadonlyArray<Refund>>([])
    return Payments.of({
      refund: (refund) =>
        Effect.map(Ref.updateAndGet(made, (refunds) => [...refunds, refund]), ({ length }) => `refund-${length}`),
      refunds: Ref.get(made)
    })
  })
)

export const layer = layerMemory
