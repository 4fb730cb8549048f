/**
 * The methods of the protocol, in all its revisions. What is not among them may have any effect.
 *
 * @internal
 */

/** @internal */
export const knownRequests: ReadonlyArray<string> = [
  "initialize",
  "server/discover",
  "ping",
  "logging/setLevel",
  "tools/list",
  "tools/call",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "prompts/list",
  "prompts/get",
  "completion/complete",
  "subscriptions/listen",
  "tasks/get",
  "tasks/result",
  "tasks/list",
  "tasks/update",
  "tasks/cancel"
]

/** @internal */
export const knownNotifications: ReadonlyArray<string> = [
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
  "notifications/tasks/status"
]

/**
 * Requests that run code of the server beside tools, and can be governed like these.
 *
 * @internal
 */
export const governable = ["resources/read", "prompts/get", "completion/complete"] as const

/** @internal */
export type Governable = typeof governable[number]

/** Under which method such a request is submitted: the gateway takes no slash there. */
export const methodOf = (request: Governable): string => request.replace("/", ".")

/**
 * What a server can ask of the client, by the capability that a client declares for it.
 *
 * @internal
 */
export const askedFor = {
  sampling: "sampling/createMessage",
  elicitation: "elicitation/create",
  roots: "roots/list"
} as const

/** @internal */
export type Withheld = keyof typeof askedFor
