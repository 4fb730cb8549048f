/**
 * Denials that pass with time.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import { nextOpening } from "../../internal/businessHours.ts"

/** Rules that deny only at some hours: that of the template `financial`, and the measured gateway's own. */
const hoursRules: ReadonlySet<string> = new Set(["transaction_outside_business_hours", "high_value_out_of_hours_eur"])

/** @internal */
export const isForHoursAlone = (violations: ReadonlyArray<string>): boolean =>
  violations.length > 0 && violations.every((name) => hoursRules.has(name))

/**
 * When a denial would pass. Undefined where time does not change it: other rules deny it too, or the call says of itself
 * that it is outside business hours.
 *
 * @internal
 */
export const openingAfter = (
  { isBusinessHours, now, violations }: {
    readonly violations: ReadonlyArray<string>
    readonly isBusinessHours: boolean | undefined
    readonly now: number
  }
): DateTime.Utc | undefined => {
  const opening = isBusinessHours === undefined && isForHoursAlone(violations) ? nextOpening(now) : undefined
  return opening === undefined ? undefined : DateTime.makeUnsafe(opening)
}
