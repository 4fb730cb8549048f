/** A kind of call. */
export interface Kind {
  /** `allowed`, `denied`, `pending`: the tool's name decides over the answer. */
  readonly tool: string
  /** What is added to the params, in bytes. Default: nothing, and they are 30 to 40 bytes long. */
  readonly padding?: number | undefined
}

export interface Client {
  /** Makes calls in so many loops at once; each loop counts its calls and asks after each whether to go on. */
  readonly loop: (kind: Kind, inFlight: number, newLap: () => () => boolean) => Promise<unknown>
}

export interface TurnOptions extends Kind {
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
const texts = new Map<number, string>()

/** A new text for each call would measure how fast texts are made. */
const textOf = (length: number): string => {
  const text = texts.get(length) ?? "All is well. ".repeat(Math.ceil(length / 13)).slice(0, length)
  texts.set(length, text)
  return text
}

/** Every call is another one, as in life. */
export const requestOf = ({ padding = 0, tool }: Kind) => ({
  tool,
  method: "create_refund",
  params: padding === 0
    ? { charge: `ch_${sent++}`, amount: 50 }
    : { charge: `ch_${sent++}`, amount: 50, reason: textOf(padding) }
})
