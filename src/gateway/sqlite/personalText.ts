/**
 * Texts that may hold personal data in the clear: what the policy was asked, and the params that a reviewer is to see.
 * Beside records whose fields are encrypted they are encrypted too, under the gateway's key.
 *
 * @since 0.1.0
 */
import type { Database } from "./Database.ts"

/**
 * Writes and reads the texts about one action.
 *
 * @category constructors
 * @since 0.1.0
 */
export const personalText = ({ seal, unseal }: Database["Service"], tenantId: string, actionId: string) => ({
  write: (text: string, isPersonal: boolean): string | Uint8Array =>
    isPersonal ? seal(text, "personal", tenantId, actionId) : text,
  read: (stored: string | Uint8Array): string =>
    typeof stored === "string" ? stored : unseal(stored, "personal", tenantId, actionId)
})
