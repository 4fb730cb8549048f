/**
 * Finds personal data in the params of a tool call, as the gateway does: in top-level strings only.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import type { ToolCall } from "../../model/ToolCall.ts"
import { readsLike } from "./GovernedFields.ts"
import type { PolicyInput } from "./PolicyInput.ts"

const nameKeys: ReadonlySet<string> = new Set(["name", "customer_name", "full_name", "first_name", "last_name"])

/**
 * Every pattern begins with a fixed-width step and never lets two neighbouring repetitions accept the same character, so
 * a search stays linear in the length of the text.
 */
const detectors: ReadonlyArray<{ readonly type: string; readonly found: (key: string, value: string) => boolean }> = [
  { type: "name", found: (key, value) => nameKeys.has(key.toLowerCase()) && value.trim() !== "" },
  { type: "email", found: (_, value) => /[\p{L}\p{N}._%+'-]@(?:[\p{L}\p{N}-]+\.)+\p{L}{2}/u.test(value) },
  { type: "sort_code", found: (_, value) => /\b\d{2}-\d{2}-\d{2}\b/.test(value) },
  { type: "national_insurance", found: (_, value) => /\b[A-Z]{2}(?: ?\d{2}){3} ?[A-D]\b/i.test(value) }
]

/**
 * Reports whether params carry personal data, of which types (`name`, `email`, `sort_code`, `national_insurance`) and in
 * which fields.
 *
 * **Details**
 *
 * A non-blank text under a name-like key (`name`, `customer_name`, `full_name`, `first_name`, `last_name`, in any case)
 * is a name. E-mail addresses, UK sort codes (`12-34-56`) and national insurance numbers (`AB123456C`, also with spaces)
 * are found anywhere within a text.
 *
 * **Gotchas**
 *
 * Nested objects and arrays are not searched; a date written `23-11-26` looks like a sort code.
 *
 * @category detection
 * @since 0.1.0
 */
export const detect = (params: Readonly<Record<string, unknown>>): Omit<PolicyInput["data"], "recipients"> => {
  const findings = Object.entries(params).flatMap(([field, value]) =>
    typeof value === "string"
      ? detectors.filter(({ found }) => found(field, value)).map(({ type }) => ({ type, field }))
      : []
  )
  return {
    contains_pii: findings.length > 0,
    pii_types: detectors.map(({ type }) => type).filter((type) => findings.some((finding) => finding.type === type)),
    pii_fields: [...new Set(findings.map(({ field }) => field))]
  }
}

/** What is in ASCII hides nothing. Lines keep their ends. */
const isBare = (text: string) => /^[\t-\r -~]*$/.test(text)

/** Without the padding and the look-alikes of ASCII that would hide a pattern. */
const unveiled = (text: string): string =>
  isBare(text) ? text : text.normalize("NFKC").replace(/\p{Default_Ignorable_Code_Point}/gu, "")

/**
 * What a policy sees of personal data: as {@link detect}, and `contains_pii` and `pii_types` at any depth, under any
 * spelling of a name-like key, and in texts that are padded with invisible characters or written in look-alikes of ASCII.
 *
 * **Gotchas**
 *
 * `pii_fields` are those of {@link detect}, which are encrypted in the log: top-level texts.
 *
 * @category detection
 * @since 0.1.0
 */
export const inspect = (params: Readonly<Record<string, unknown>>): Omit<PolicyInput["data"], "recipients"> => {
  const { pii_fields, pii_types } = detect(params)
  const types = new Set(pii_types)
  // Beside each value stands the name-like key that it is under, which is read once and not for each of its children.
  const open: Array<readonly [key: string, value: unknown]> = [["", params]]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [key, value] = next
    if (typeof value === "string") {
      const text = unveiled(value)
      for (const { found, type } of detectors) if (!types.has(type) && found(key, text)) types.add(type)
    } else if (Array.isArray(value)) {
      for (const item of value) open.push([key, item])
    } else if (Predicate.isObject(value)) {
      // what stands under a name is (part of) a name
      for (const [own, item] of Object.entries(value)) open.push([nameKeyOf(own) ?? key, item])
    }
  }
  return {
    contains_pii: types.size > 0,
    pii_types: detectors.map(({ type }) => type).filter((type) => types.has(type)),
    pii_fields
  }
}

const nameKeyOf = (key: string): string | undefined =>
  // all of them contain "name", and keys in ASCII are soon looked through for its letters
  /n[^a-z]*a[^a-z]*m[^a-z]*e|[^ -~]/i.test(key) ? [...nameKeys].find((name) => readsLike(key, name)) : undefined

const subjectKeys = ["customer_id", "subject_id", "user_id"]

/**
 * Whose data a tool call carries: the first of `customer_id`, `subject_id` and `user_id` among its params that is a text
 * or a number, or else the agent.
 *
 * @category detection
 * @since 0.1.0
 */
export const subjectOf = ({ agentId, params }: Pick<typeof ToolCall.Encoded, "agentId" | "params">): string => {
  const named = subjectKeys.map((key) => params[key]).find((value) =>
    (typeof value === "string" && value !== "") || typeof value === "number"
  )
  return named === undefined ? agentId : String(named)
}
