/** What the client of a governed server gets for a call that the server did not see, or whose answer was lost. */
import type { ActionId } from "../../model/ActionId.ts"
import { isRecord, type Message } from "../JsonRpc.ts"

/** The words go to the model, and with them the action's id to the program. */
export const failure = (text: string, actionId?: ActionId): Message => ({
  content: [{ type: "text", text }],
  isError: true,
  ...(actionId === undefined ? {} : { _meta: { "effect-vargate/actionId": actionId } })
})

/** What the gateway's own tool answered. */
export const executed = (result: unknown, actionId: ActionId): Message => ({
  content: [{ type: "text", text: typeof result === "string" ? result : JSON.stringify(result) ?? "" }],
  ...(isRecord(result) ? { structuredContent: result } : {}),
  _meta: { "effect-vargate/actionId": actionId }
})

export const notOffered = (tool: string): string =>
  `NOT PERFORMED: there is no tool ${tool} here. Do not report it as done. Use the tools that tools/list names.`

export const serverGone =
  "NOT PERFORMED by its server, which ended before the call could be handed to it. Do not report it as done."

export const answerLost = (actionId: ActionId): string =>
  `OUTCOME UNKNOWN: this action was allowed and handed to the server, whose answer was lost, so it may or may not have been performed. Report it neither as done nor as not done, do not repeat it, and say that an operator has to look it up. Action id: ${actionId}.`

export const waitsFor = (actionId: ActionId, checkTool: string): string =>
  `NOT PERFORMED YET: this action waits for a reviewer's approval as ${actionId}. Do not report it as done. Do not call the tool again for it: that would be a second action. Call ${checkTool} with action_id "${actionId}" to ask again: once it is approved, that performs it and returns its result.`

export const nothingWaits =
  "NOTHING DONE NOW: no call waits under this action_id. It was never asked for here, or it has been answered already: take that answer for what became of it."

export const badActionId = "NOTHING DONE NOW: action_id must be the id that stood in the answer to the call that waits."

export const fault =
  "OUTCOME UNKNOWN: the proxy before this tool failed with a fault of its own. Report the action neither as done nor as not done, do not repeat it, and say that an operator has to look it up."
