/**
 * Authenticated encryption: AES-256-GCM, as nonce, ciphertext and tag in a row.
 *
 * @since 0.1.0
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"

const nonceLength = 12
const tagLength = 16

/**
 * Encrypts a text. The label is not kept, but without it the text does not come out again: what was sealed for one place
 * is worth nothing in another.
 *
 * @category sealing
 * @since 0.1.0
 */
export const seal = (key: Uint8Array, text: string, label = ""): Uint8Array => {
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(label))
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()])
}

/**
 * The text, or undefined where key or label are others, or the bytes are not what they were.
 *
 * @category sealing
 * @since 0.1.0
 */
export const unseal = (key: Uint8Array, sealed: Uint8Array, label = ""): string | undefined => {
  if (sealed.length < nonceLength + tagLength) return undefined
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceLength)).setAAD(Buffer.from(label))
  decipher.setAuthTag(sealed.subarray(-tagLength))
  try {
    return decipher.update(sealed.subarray(nonceLength, -tagLength), undefined, "utf8") + decipher.final("utf8")
  } catch {
    return undefined
  }
}
