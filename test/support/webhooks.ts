/** Webhooks as a gateway would send them, made here with Node's own HMAC. */
import { Effect } from "effect"
import { createHmac } from "node:crypto"

export const secret = "5e0f".repeat(16)

/** The header for a body. */
export const signatureOf = (body: string | Uint8Array, key: string = secret) =>
  `sha256=${createHmac("sha256", key).update(body).digest("hex")}`

/** A body, written at a time in epoch milliseconds; in tests the clock stands at 0. */
export const bodyOf = (
  event: string,
  data: unknown = { action_id: "a-1", tool: "slack", method: "post_message", decision: "allow" },
  at = 0
) => JSON.stringify({ event, timestamp: new Date(at).toISOString().replace("Z", "000+00:00"), data })

/** Web Crypto takes its time, which no test clock moves. */
export const breathe = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))

export const eventually = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => isSo() ? Effect.void : Effect.andThen(breathe, eventually(isSo)))
