/**
 * What the client of a governed server gets for a call that the server did not see, or whose answer was lost.
 *
 * @internal
 */
import { version } from "../../internal/version.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { isRecord, type Message } from "../JsonRpc.ts"
import { type Era, metaKeys } from "./era.ts"

const self = { name: "effect-vargate", version }

/** A modern client takes no result without its type for one. */
const complete = (era: Era, result: Message, actionId?: ActionId): Message => {
  const meta = {
    ...(actionId === undefined ? {} : { "effect-vargate/actionId": actionId }),
    ...(era._tag === "Modern" ? { [metaKeys.serverInfo]: self } : {})
  }
  return {
    ...(era._tag === "Modern" ? { resultType: "complete" } : {}),
    ...result,
    ...(Object.keys(meta).length === 0 ? {} : { _meta: meta })
  }
}

/** The words go to the model, and with them the action's id to the program. */
export const failure = (era: Era, text: string, actionId?: ActionId): Message =>
  complete(era, { content: [{ type: "text", text }], isError: true }, actionId)

/** What the gateway's own tool answered. */
export const executed = (era: Era, result: unknown, actionId: ActionId): Message =>
  complete(era, {
    content: [{ type: "text", text: typeof result === "string" ? result : JSON.stringify(result) ?? "" }],
    ...(isRecord(result) ? { structuredContent: result } : {})
  }, actionId)

/**
 * The name under which the proxy asks the client to show an address.
 *
 * @internal
 */
export const ownRequest = "vargate_approval"

/** Asks a modern client to come back, and the first time to show its user where the action is decided. */
export const askAgain = (requestState: string, actionId: ActionId, url: string | undefined): Message => ({
  resultType: "input_required",
  ...(url === undefined ? {} : {
    inputRequests: {
      [ownRequest]: {
        method: "elicitation/create",
        params: { mode: "url", message: `This action waits for a reviewer's approval as ${actionId}.`, url }
      }
    }
  }),
  requestState,
  _meta: { "effect-vargate/actionId": actionId, [metaKeys.serverInfo]: self }
})

export const notOffered = (tool: string): string =>
  `NOT PERFORMED: there is no tool ${tool} here. Do not report it as done. Use the tools that tools/list names.`

export const changed = (what: string): string =>
  `NOT PERFORMED: the ${what} has changed since it was approved, and an operator has to accept it first. Do not report it as done. Do not try the same again.`

export const pinsUnreadable = (what: string): string =>
  `NOT PERFORMED: it could not be looked up whether the ${what} is as it was approved. Do not report it as done. Say that an operator has to look at it.`

export const serverGone =
  "NOT PERFORMED by its server, which ended before the call could be handed to it. Do not report it as done."

export const unsent = (actionId: ActionId): string =>
  `NOT PERFORMED: this action was allowed, but its server could not be reached, or knew no such session, so that it did not get the call. Do not report it as done. Action id: ${actionId}.`

export const answerLost = (actionId: ActionId): string =>
  `OUTCOME UNKNOWN: this action was allowed and handed to the server, whose answer was lost, so it may or may not have been performed. Report it neither as done nor as not done, do not repeat it, and say that an operator has to look it up. Action id: ${actionId}.`

export const handedOverBefore = (actionId: ActionId): string =>
  `NOTHING DONE NOW: this very request was handed to the server before, and is not handed over twice. Take the answer to that for what became of it; where there is none, the outcome is unknown. Do not repeat it. Action id: ${actionId}.`

export const waitsFor = (actionId: ActionId, checkTool: string): string =>
  `NOT PERFORMED YET: this action waits for a reviewer's approval as ${actionId}. Do not report it as done. Do not call the tool again for it: that would be a second action. Call ${checkTool} with action_id "${actionId}" to ask again: once it is approved, that performs it and returns its result.`

export const pendingStill = (actionId: ActionId): string =>
  `NOT PERFORMED YET: this action waits for a reviewer's approval as ${actionId}. Do not report it as done.`

export const nothingWaits =
  "NOTHING DONE NOW: no call waits under this action_id. It was never asked for here, or it has been answered already: take that answer for what became of it."

export const badActionId = "NOTHING DONE NOW: action_id must be the id that stood in the answer to the call that waits."

export const fault =
  "OUTCOME UNKNOWN: the proxy before this tool failed with a fault of its own. Report the action neither as done nor as not done, do not repeat it, and say that an operator has to look it up."
