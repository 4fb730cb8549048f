/**
 * When a gateway counts the time of a call as business hours.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * `weekdays`: Monday to Friday, 9:00 to 18:00 UTC, by the gateway's clock. `always`: at any time, for tests, whose clock may
 * stand at night or in 1970, and for gateways to develop against. A call may still say of itself that it is outside.
 *
 * @category models
 * @since 0.1.0
 */
export type BusinessHours = "weekdays" | "always"

/**
 * The business hours of the gateway at hand. Default: `weekdays`.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentBusinessHours: Context.Reference<BusinessHours> = Context.Reference<BusinessHours>(
  "effect-vargate/gateway/BusinessHours",
  { defaultValue: () => "weekdays" }
)
