/**
 * How an MCP server is governed: the options of `GovernedMcpProxy` and `McpHttpProxy`.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type { ActionName } from "../ai/GovernedTool.ts"
import type * as Approvals from "../approvals/Approvals.ts"
import type * as Governed from "../governed/Governed.ts"
import type * as Refusal from "../governed/Refusal.ts"
import type { ActionId } from "../model/ActionId.ts"
import type { ToolCallRequest } from "../model/ToolCall.ts"
import type { ToolPins } from "./ToolPins.ts"

/**
 * Answers a pending call at once with the id of the action, and offers a tool to ask again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly _tag: "Answer"
  /** Default: `vargate_check_approval`. */
  readonly checkTool: string
  /** How long one question after the decision waits for it. */
  readonly patience: Duration.Input
}

/**
 * How a modern client's pending call is answered: each answer tells it to come back, until the last one tells the model.
 *
 * @category options
 * @since 0.2.0
 */
export interface Rounds {
  /** How long the call itself waits. Default: 25 seconds. */
  readonly first?: Duration.Input | undefined
  /** How long each of the client's repetitions waits. Default: 45 seconds, under its time-out of 60. */
  readonly next?: Duration.Input | undefined
  /** How many repetitions there are, before the model is told to ask later. Default: 8, since a client makes at most 10. */
  readonly max?: number | undefined
}

/**
 * How a server is governed.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options
  extends Governed.Submission, Pick<ToolCallRequest, "isBusinessHours" | "reference" | "allowDuplicate">
{
  /**
   * The name that the server's calls are submitted under, as `tool`; the `method` is the name of the MCP tool. What the
   * server calls itself is never used: it could choose the rules that it is governed by.
   */
  readonly tool: string
  /** Both names of a call, where they are to be others. `server` is what `tool` says. */
  readonly action?: ((name: string, server: string) => ActionName) | undefined
  /** The tools that the client may see and call. Default: all. */
  readonly allow?: ReadonlyArray<string> | undefined
  /**
   * Requests beside `tools/call` that run code of the server, to be asked for as calls are: under `tool`, with the method
   * `resources.read`, `prompts.get` or `completion.complete`. Default: none, they are passed on.
   */
  readonly govern?: ReadonlyArray<"resources/read" | "prompts/get" | "completion/complete"> | undefined
  /** Methods beyond those of the protocol that are passed on. Default: none, they are refused. */
  readonly methods?: ReadonlyArray<string> | undefined
  /** Capabilities of the client that the server does not hear of, and cannot use. Default: none. */
  readonly withhold?: ReadonlyArray<"sampling" | "elicitation" | "roots"> | undefined
  /**
   * Tools as they were approved (`ToolPins`): one that says something else of itself is hidden and refused until an operator
   * accepts it. Default: none are remembered.
   */
  readonly pins?: ToolPins | undefined
  /**
   * What is pinned beside tools: a server's `instructions`, which are taken out where they have changed, and its prompts,
   * which are treated as tools are. Default: neither.
   */
  readonly pinAlso?: ReadonlyArray<"instructions" | "prompts"> | undefined
  /** What to do when a call is pending: `Governed.wait()` (the default), or `GovernedMcpProxy.answer`. */
  readonly onPending?: (Approvals.AwaitOptions & { readonly _tag: "Wait" }) | Answer | undefined
  /** For clients of revision 2026-07-28 and later, whose calls wait in rounds. */
  readonly rounds?: Rounds | undefined
  /** Where an action can be decided: shown, once, to users of clients that can open addresses. Default: nowhere. */
  readonly inbox?: ((actionId: ActionId) => string) | undefined
  /**
   * Keys, of at least 32 characters each, for the state that modern clients keep while a call is under way. The first one
   * seals, all of them open. Default: one that ends with the process.
   */
  readonly stateKeys?: ReadonlyArray<Redacted.Redacted<string>> | undefined
  /** How often a client that asked for progress hears that its call waits. Default: at once, then every 10 seconds. */
  readonly progressEvery?: Duration.Input | undefined
  /** Writes what the model is told in place of a result. Default: `Refusal.reasonOf`. */
  readonly tell?: ((error: Refusal.Refused) => string) | undefined
}
