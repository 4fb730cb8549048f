/**
 * Requests that a server of Node hands over before its platform does anything with them.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type { IncomingMessage, ServerResponse } from "node:http"

/**
 * Takes a request, or leaves it to the platform: then it is false, and nothing of the request has been read.
 *
 * @category models
 * @since 0.2.0
 */
export type Take = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * Where a gateway says which requests it takes: undefined, and by default, none.
 *
 * @category references
 * @since 0.2.0
 */
export const DirectRequests = Context.Reference<((take: Take | undefined) => void) | undefined>(
  "effect-vargate/gateway/DirectRequests",
  { defaultValue: () => undefined }
)
