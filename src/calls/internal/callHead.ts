/**
 * A tool call without its params: whether it keeps the gateway's limits, and how it is written.
 *
 * @internal
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import type { FieldIssue } from "../../errors/VargateError.ts"
import { ToolCallBody } from "../wire/ToolCallsApi.ts"

/** @internal */
export type CallHead = Omit<typeof ToolCallBody.Type, "params">

const isSound = Schema.is(ToolCallBody)

/** To collect issues takes longer, and is for nothing where there is none. */
const collectIssues = Schema.decodeUnknownResult(ToolCallBody, { errors: "all" })

/**
 * The head as JSON, ready for {@link withParams}, or what is wrong with it.
 *
 * @internal
 */
export const writeHead = (head: CallHead): Result.Result<string, ReadonlyArray<FieldIssue>> => {
  const seen = known.get(head.tool)
  if (seen?.isOf(head) === true) return Result.succeed(seen.text)
  if (isSound(head)) {
    const { text } = remember(head)
    return Result.succeed(text)
  }
  const all = collectIssues(head)
  return Result.fail(Result.isFailure(all) ? fieldIssues(all.failure.issue, ["body"]) : [])
}

/**
 * The whole body of a call as it is sent.
 *
 * @internal
 */
export const withParams = (head: string, params: string): string => `${head.slice(0, -1)},"params":${params}}`

// --- calls that differ by their params alone -------------------------------------------------------------------------

class Known {
  readonly text: string
  private readonly head: CallHead

  constructor(head: CallHead) {
    this.head = head
    this.text = JSON.stringify(head)
  }

  isOf(head: CallHead): boolean {
    return this.head.method === head.method &&
      this.head.agent_id === head.agent_id &&
      this.head.agent_type === head.agent_type &&
      this.head.agent_version === head.agent_version &&
      this.head.context_override?.is_business_hours === head.context_override?.is_business_hours
  }
}

/** The latest sound head for each tool. To look at one again costs as much as to write it. */
const known = new Map<string, Known>()
const capacity = 256

const remember = (head: CallHead): Known => {
  if (known.size >= capacity) known.clear()
  const remembered = new Known(head)
  known.set(head.tool, remembered)
  return remembered
}
