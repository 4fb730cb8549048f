/**
 * The limit on tool calls: so many in any sliding second, rejected ones included.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Tenant } from "../tenants/Tenants.ts"

/**
 * Counts the calls of each tenant.
 *
 * **Details**
 *
 * A call that is turned away counts like any other, as on the measured gateway: hammering keeps the door shut.
 *
 * @category services
 * @since 0.1.0
 */
export class CallWindow extends Context.Service<CallWindow, {
  /** Counts a call and says whether it is within the tenant's burst. */
  readonly enter: (tenant: Tenant) => Effect.Effect<boolean>
}>()("effect-vargate/gateway/CallWindow") {}

/**
 * Windows in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CallWindow> = Layer.sync(CallWindow, () => {
  const windows = new Map<string, Array<number>>()
  return CallWindow.of({
    enter: (tenant) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const window = (windows.get(tenant.id) ?? []).filter((time) => time > now - 1000)
        window.push(now)
        windows.set(tenant.id, window)
        return window.length <= tenant.burst
      })
  })
})
