/**
 * Whether the body of a tool call keeps the gateway's limits. `checkParams` looks into the params.
 *
 * @internal
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import type { FieldIssue } from "../../errors/VargateError.ts"
import { ToolCallBody } from "../wire/ToolCallsApi.ts"

type Body = typeof ToolCallBody.Type

const isSound = Schema.is(ToolCallBody)

/** To collect issues takes longer, and is for nothing where there is none. */
const collectIssues = Schema.decodeUnknownResult(ToolCallBody, { errors: "all" })

/** @internal */
export const checkBody = (body: Body): ReadonlyArray<FieldIssue> => {
  if (isKnown(body)) return []
  if (isSound(body)) {
    remember(body)
    return []
  }
  const all = collectIssues(body)
  return Result.isFailure(all) ? fieldIssues(all.failure.issue, ["body"]) : []
}

// --- bodies that differ by their params alone ------------------------------------------------------------------------

/** The latest sound body for each tool, without its params. To look at one again costs as much as to write it. */
const known = new Map<string, Body>()
const capacity = 256

const remember = (body: Body) => {
  if (known.size >= capacity) known.clear()
  known.set(body.tool, { ...body, params: {} })
}

const isKnown = (body: Body): boolean => {
  const head = known.get(body.tool)
  return head !== undefined &&
    head.method === body.method &&
    head.agent_id === body.agent_id &&
    head.agent_type === body.agent_type &&
    head.agent_version === body.agent_version &&
    body.context_override === undefined &&
    typeof body.params === "object" && !Array.isArray(body.params)
}
