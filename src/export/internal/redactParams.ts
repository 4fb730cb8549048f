/**
 * What a redaction leaves of a call's params, and of the texts beside them.
 *
 * @internal
 */
import { isRecord } from "../../internal/isRecord.ts"
import { type CallName, mark, type Redaction } from "../Redaction.ts"

/** @internal */
export const changeTexts = (
  value: unknown,
  change: (text: string) => string,
  changeNumber: (value: number) => unknown = (value) => value
): unknown => {
  if (typeof value === "string") return change(value)
  if (typeof value === "number") return changeNumber(value)
  if (Array.isArray(value)) return value.map((one) => changeTexts(one, change, changeNumber))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [change(key), changeTexts(one, change, changeNumber)])
  )
}

/**
 * What a user's function gets wrong, or the stack has no room for, is withheld.
 *
 * @internal
 */
export const attempt = (change: () => unknown): unknown => {
  try {
    const changed = change()
    // What JSON has no word for would leave a hole in the text.
    return changed === undefined || JSON.stringify(changed) === undefined ? null : changed
  } catch {
    return null
  }
}

/** @internal */
export const redactParams = (
  call: CallName & { readonly params: unknown },
  { params, texts }: Redaction
): unknown =>
  attempt(() => {
    if (params === "withhold") return null
    const value = params === "keep" ? call.params : params(call.params, { tool: call.tool, method: call.method })
    if (texts === undefined) return value
    // The number of a card may be one. It is taken out as a whole: what is left of a number is another number.
    return changeTexts(value, texts, (number) => texts(String(number)) === String(number) ? number : mark)
  })

/**
 * A text that stands beside the params, as it may leave.
 *
 * @internal
 */
export const redactText = (text: string, { texts }: Redaction): string => {
  if (texts === undefined) return text
  const changed = attempt(() => texts(text))
  return typeof changed === "string" ? changed : mark
}
