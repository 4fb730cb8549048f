/**
 * Whether a grant covers an action, and what a use of it draws.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import type { PendingAction } from "../../approvals/Approval.ts"
import { microsOf, startOf } from "../../internal/amounts.ts"
import { canonicalJson } from "../../internal/canonicalJson.ts"
import { isRecord } from "../../internal/isRecord.ts"
import { sameParams } from "../../internal/sameParams.ts"
import { type Constraint, Grant } from "../Grant.ts"
import { isSealed, sorted, withoutReference } from "./ballotText.ts"

/** @internal */
export type Unsigned = Omit<typeof Grant.Encoded, "seal">

const encodeGrant = Schema.encodeSync(Grant)

/**
 * What is signed.
 *
 * @internal
 */
export const textOfGrant = (grant: Grant): string => {
  const { seal: _, ...unsigned } = encodeGrant(grant)
  return textOfUnsigned(unsigned)
}

/** @internal */
export const textOfUnsigned = (unsigned: Unsigned): string => `vargate-grant/1\n${canonicalJson(sorted(unsigned))}`

/** Not what the gateway shows in place of another value, and no number that may have been another one. */
const isSeen = (value: unknown): boolean =>
  typeof value === "string"
    ? !isSealed(value)
    : typeof value === "number"
    ? Math.abs(value) <= Number.MAX_SAFE_INTEGER
    : typeof value !== "object" || value === null || Object.values(value).every(isSeen)

/** `isLog`: what is kept encrypted in the log was compared when it was pending, and fits here whatever it was. */
const fits = (constraint: Constraint, value: unknown, isLog: boolean): boolean => {
  if (isLog && typeof value === "string" && isSealed(value)) return true
  switch (constraint._tag) {
    case "Any":
      return true
    case "Equals":
      return (isLog || isSeen(value)) && sameParams(constraint.value, value, isLog)
    case "OneOf":
      return (isLog || isSeen(value)) && constraint.values.some((one) => sameParams(one, value, isLog))
    case "Range":
      return typeof value === "number" && isSeen(value) && value >= constraint.min && value <= constraint.max
    case "Fields":
      return fitsAll(constraint.fields, value, isLog)
  }
}

/** Every field that is there is named, and every field that is named is there. */
const fitsAll = (fields: Readonly<Record<string, Constraint>>, value: unknown, isLog: boolean): boolean => {
  if (!isRecord(value)) return false
  const names = Object.keys(fields)
  return Object.keys(value).length === names.length &&
    names.every((name) => Object.hasOwn(value, name) && fits(fields[name]!, value[name], isLog))
}

/** The reference of a call is no argument of its tool. What is no reference may be one. */
const argumentsOf = (params: unknown): unknown => {
  const reference = isRecord(params) ? params["vargate_reference"] : undefined
  return typeof reference === "string" && /^[\w-]{1,128}$/.test(reference) ? withoutReference(params) : params
}

/**
 * Whether the names and the params of an action are within the scope of a grant. `isLog`: as the log shows them.
 *
 * @internal
 */
export const covers = (
  grant: Grant,
  { agentId, method, params, tool }: Pick<PendingAction, "agentId" | "method" | "params" | "tool">,
  isLog = false
): boolean =>
  grant.agentId === agentId && grant.tool === tool && grant.method === method &&
  fitsAll(grant.params, argumentsOf(params), isLog)

/**
 * Whether a grant is in force at a time.
 *
 * @internal
 */
export const isInForce = (grant: Grant, revokedAt: DateTime.Utc | null, at: DateTime.Utc): boolean =>
  DateTime.isGreaterThanOrEqualTo(at, grant.createdAt) && DateTime.isLessThan(at, grant.expiresAt) &&
  // What was used in the very moment of its revocation was used before it.
  (revokedAt === null || DateTime.isLessThanOrEqualTo(at, revokedAt))

const fieldOf = (params: unknown, path: string): unknown => {
  let value = params
  for (const name of path.split(".")) {
    if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/**
 * What a use draws of a budget of its grant, in millionths.
 *
 * @internal
 */
export interface GrantDraw {
  readonly budget: string
  readonly amount: number
  readonly max: number
}

/**
 * What a use draws; undefined where an amount cannot be read.
 *
 * @internal
 */
export const drawsOf = (grant: Grant, params: unknown, now: number): ReadonlyArray<GrantDraw> | undefined => {
  const draws: Array<GrantDraw> = []
  for (const [index, { max, per, sum }] of grant.budgets.entries()) {
    const amount = microsOf(fieldOf(params, sum))
    const limit = microsOf(max)
    if (amount === undefined || limit === undefined) return undefined
    draws.push({ budget: `${index} ${per === "grant" ? "" : startOf(per, now)}`, amount, max: limit })
  }
  return draws
}
