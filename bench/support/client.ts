export interface Client {
  /** Makes calls in so many loops at once; each loop counts its calls and asks after each whether to go on. */
  readonly loop: (tool: string, inFlight: number, newLap: () => () => boolean) => Promise<unknown>
}

export interface TurnOptions {
  /** `allowed`, `denied`, `pending`: the tool's name decides over the answer. */
  readonly tool: string
  readonly inFlight: number
  readonly seconds: number
}

/** What a client did while it had the machine to itself. */
export interface Turn {
  readonly calls: number
  /** Calls that ended, each second. */
  readonly rate: number
  /** Of all threads of the client's process, in microseconds a call. */
  readonly cpu: number
  /** The median time of one call, in milliseconds. */
  readonly p50: number
}

export const apiKey = "bench-key"

let sent = 0
/** Every call is another one, as in life. */
export const requestOf = (tool: string) => ({
  tool,
  method: "create_refund",
  params: { charge: `ch_${sent++}`, amount: 50 }
})
