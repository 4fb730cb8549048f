/**
 * A switch that takes the policy engine away, to see what a program does then.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { PolicyUnavailable } from "./PolicyEngine.ts"

/**
 * While the switch is on, every decision meets an engine that cannot be reached.
 *
 * @category services
 * @since 0.1.0
 */
export class PolicyOutage extends Context.Service<PolicyOutage, {
  readonly set: (isOn: boolean) => Effect.Effect<void>
  /** Fails while the switch is on. */
  readonly check: Effect.Effect<void, PolicyUnavailable>
}>()("effect-vargate/gateway/PolicyOutage") {}

/**
 * The switch, off at first.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<PolicyOutage> = Layer.effect(
  PolicyOutage,
  Effect.map(Ref.make(false), (isOn) =>
    PolicyOutage.of({
      set: (on) => Ref.set(isOn, on),
      check: Effect.flatMap(Ref.get(isOn), (on) =>
        on ? Effect.fail(new PolicyUnavailable({ detail: "All connection attempts failed" })) : Effect.void)
    }))
)
