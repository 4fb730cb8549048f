/**
 * Keys as the gateway makes and shows them.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import { hash, randomBytes } from "node:crypto"

/**
 * A new key, which no tenant has yet.
 *
 * @category constructors
 * @since 0.1.0
 */
export const newKey = (): Redacted.Redacted => Redacted.make(`vg-${randomBytes(24).toString("hex")}`)

/**
 * A new secret, with which a tenant's webhooks are signed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const newWebhookSecret = (): Redacted.Redacted => Redacted.make(randomBytes(32).toString("hex"))

/**
 * What a key is known by where it is not kept: its SHA-256.
 *
 * @category getters
 * @since 0.1.0
 */
export const hashOfKey = (apiKey: Redacted.Redacted): string => hashOfText(Redacted.value(apiKey))

/**
 * The same of the key's text.
 *
 * @category getters
 * @since 0.2.0
 */
export const hashOfText = (apiKey: string): string => hash("sha256", apiKey, "hex")

/**
 * The beginning of a key, to tell keys apart: twelve characters of a long one, and never more than a third.
 *
 * @category getters
 * @since 0.1.0
 */
export const keyPrefix = (apiKey: Redacted.Redacted): string => {
  const key = Redacted.value(apiKey)
  return `${key.slice(0, Math.min(12, Math.floor(key.length / 3)))}...`
}
