/**
 * The business hours of the gateway's policies: Monday to Friday, 9:00 to 18:00 UTC.
 *
 * @internal
 */

const hour = 3_600_000
const day = 24 * hour
const opensAt = 9 * hour
const closesAt = 18 * hour

/** The first day of 1970 was a Thursday. */
const isWeekday = (days: number) => (days + 4) % 7 % 6 !== 0

/**
 * Whether a time (epoch milliseconds) is within business hours.
 *
 * @internal
 */
export const isBusinessHours = (now: number): boolean => {
  const time = now % day
  return isWeekday(Math.floor(now / day)) && time >= opensAt && time < closesAt
}

/**
 * When business hours begin after a time that is outside of them. Undefined within them.
 *
 * @internal
 */
export const nextOpening = (now: number): number | undefined => {
  if (isBusinessHours(now)) return undefined
  let days = Math.floor(now / day)
  if (now % day >= opensAt) days++
  while (!isWeekday(days)) days++
  return days * day + opensAt
}
