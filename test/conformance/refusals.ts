/** What an answer other than a yes must become, worked out from its raw text. */
import { assert } from "@effect/vitest"
import { type Failure, hasSideEffect, type OperationName } from "../support/operations.ts"
import { type Capture, plain } from "./captures.ts"

interface RawIssue {
  readonly loc: ReadonlyArray<string | number>
  readonly msg: string
  readonly input: unknown
}

const parse = (text: string): { readonly detail?: unknown } => {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

const textTags: Readonly<Record<number, string>> = {
  401: "Unauthenticated",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  413: "PayloadTooLarge"
}

/** The `reason` that a refusal with this status and text must have; `sideEffect` is what a lost answer would mean. */
const expectedReason = ({ status, text }: Capture, sideEffect: "none" | "possible"): unknown => {
  const { detail } = parse(text)
  if (status in textTags) return { _tag: textTags[status], detail }
  if (status === 400 || status === 405) return { _tag: "InvalidRequest", issues: [{ path: [], message: detail }] }
  if (status === 422) {
    const issues = typeof detail === "string"
      ? [{ path: [], message: detail }]
      : (detail as ReadonlyArray<RawIssue>).map(({ loc, msg }) => ({ path: loc, message: msg }))
    return { _tag: "InvalidRequest", issues }
  }
  if (status >= 500) return { _tag: "GatewayFault", status, detail: detail ?? text, sideEffect }
  return assert.fail(`no expectation for status ${status}`)
}

/** Only what a reason declares: an error also carries its verdict, a message and a stack. */
const declared = (reason: object, expected: unknown) =>
  Object.fromEntries(Object.keys(expected as object).map((key) => [key, plain(Reflect.get(reason, key))]))

/** Checks a failure against the raw answer that caused it. */
export const checkRefusal = (
  capture: Capture,
  failure: Failure,
  operation: OperationName
) => {
  const sideEffect = hasSideEffect(operation) ? "possible" : "none"
  assert(failure._tag === "VargateError", failure._tag)
  assert.strictEqual(failure.operation, operation)
  checkReason(capture, failure.reason, sideEffect)
  assert.strictEqual(failure.sideEffect, capture.status >= 500 ? sideEffect : "none")
  checkNoEcho(capture, failure)
}

export const checkReason = (capture: Capture, reason: object, sideEffect: "none" | "possible") => {
  const expected = expectedReason(capture, sideEffect)
  assert.deepStrictEqual(declared(reason, expected), expected as Record<string, unknown>)
}

/** A 422 echoes what was sent, secrets included. */
export const checkNoEcho = ({ status, text }: Capture, failure: object) => {
  if (status !== 422) return
  const json = JSON.stringify(failure)
  assert.notInclude(json, "\"input\"")
  const { detail } = parse(text)
  if (!Array.isArray(detail)) return
  for (const { input } of detail as ReadonlyArray<RawIssue>) {
    // A bare number or an empty object proves nothing either way.
    const isTelling = typeof input === "string" ? input !== "" : JSON.stringify(input).length > 4
    if (isTelling) assert.notInclude(json, JSON.stringify(input))
  }
}
