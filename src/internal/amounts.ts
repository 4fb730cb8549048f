/**
 * Amounts in millionths, and periods of the calendar.
 *
 * @internal
 */

/**
 * A period in UTC.
 *
 * @internal
 */
export type Period = "minute" | "hour" | "day" | "month"

/** In millionths it is an integer that a double holds, and two of them are too. */
const maxAmount = 4_000_000_000

const plain = /^\d{1,10}(?:\.\d{1,30})?$/

/**
 * An amount in millionths, rounded up; undefined where it cannot be counted.
 *
 * @internal
 */
export const microsOf = (amount: unknown): number | undefined => {
  if (typeof amount === "number") {
    if (!(amount >= 0 && amount <= maxAmount)) return undefined
    const text = String(amount)
    // Less than a millionth is written with an exponent.
    return plain.test(text) ? microsOf(text) : amount === 0 ? 0 : 1
  }
  if (typeof amount !== "string" || !plain.test(amount)) return undefined
  const [whole = "", fraction = ""] = amount.split(".")
  const micros = Number(whole) * 1e6 + Number(fraction.slice(0, 6).padEnd(6, "0"))
  const isBeyond = /[1-9]/.test(fraction.slice(6))
  const rounded = micros + (isBeyond ? 1 : 0)
  return rounded <= maxAmount * 1e6 ? rounded : undefined
}

const partsOf = (now: number) => {
  const date = new Date(now)
  return [
    date.getUTCFullYear(),
    date.getUTCMonth(),
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes()
  ] as const
}

const lengths = { month: 2, day: 3, hour: 4, minute: 5 } as const

const at = (period: Period, now: number, next: 0 | 1): number => {
  const length = lengths[period]
  const parts = partsOf(now).slice(0, length)
  const [year = 0, month = 0, day = 1, hour = 0, minute = 0] = parts.with(length - 1, parts[length - 1]! + next)
  return Date.UTC(year, month, day, hour, minute)
}

/**
 * When the period of a moment began, in epoch milliseconds.
 *
 * @internal
 */
export const startOf = (period: Period, now: number): number => at(period, now, 0)

/**
 * When it ends.
 *
 * @internal
 */
export const endOf = (period: Period, now: number): number => at(period, now, 1)
