/**
 * What the gateway takes for an e-mail address.
 *
 * @since 0.1.0
 */

/**
 * The longest address: 254 characters, as in RFC 5321.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxEmailLength = 254

/**
 * The domain of an address: one `@` with something on both sides, no white space, and a dot inside the domain. Undefined
 * for a text that is no such address. The text is read once, however it is made.
 *
 * @category getters
 * @since 0.1.0
 */
export const emailDomain = (email: string): string | undefined => {
  if (email.length > maxEmailLength || /\s/.test(email)) return undefined
  const at = email.indexOf("@")
  if (at < 1 || email.includes("@", at + 1)) return undefined
  const domain = email.slice(at + 1)
  const dot = domain.indexOf(".", 1)
  return dot === -1 || dot === domain.length - 1 ? undefined : domain
}
