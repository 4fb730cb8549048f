/**
 * The limit on tool calls: so many in any sliding second, rejected ones included.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { monotonicMillis } from "../../internal/elapsed.ts"
import type { Tenant } from "../tenants/Tenants.ts"

/**
 * Counts the calls of each tenant.
 *
 * **Details**
 *
 * A call that is turned away counts like any other, as on the measured gateway: calls without a pause stay refused. The
 * second is one of elapsed time, so setting the machine's clock back locks no caller out.
 *
 * @category services
 * @since 0.1.0
 */
export class CallWindow extends Context.Service<CallWindow, {
  /** Counts a call and says whether it is within the tenant's burst. */
  readonly enter: (tenant: Tenant) => Effect.Effect<boolean>
}>()("effect-vargate/gateway/CallWindow") {}

/** The times of the latest calls, oldest first, from `start` on. */
interface Window {
  start: number
  times: Array<number>
}

/** Counts a call. No more than `burst` times are kept: whether a call fits depends on no earlier one. */
const enter = (window: Window, burst: number, now: number): boolean => {
  const { times } = window
  while (window.start < times.length && times[window.start]! <= now - 1000) window.start++
  times.push(now)
  const isWithin = times.length - window.start <= burst
  if (!isWithin) window.start = Math.max(window.start, times.length - Math.max(burst, 1))
  // Dropped from the front once they are the larger part, so that every call costs the same.
  if (window.start > times.length / 2) {
    window.times = times.slice(window.start)
    window.start = 0
  }
  return isWithin
}

/**
 * Windows in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CallWindow> = Layer.sync(CallWindow, () => {
  const windows = new Map<string, Window>()
  return CallWindow.of({
    enter: ({ burst, id }) =>
      Effect.map(monotonicMillis, (now) => {
        const window = windows.get(id) ?? { start: 0, times: [] }
        windows.set(id, window)
        return enter(window, burst, now)
      })
  })
})
