/**
 * JSON that another program may have changed.
 *
 * @since 0.1.0
 */

/**
 * The value, or the text as it stands where it is no JSON: then it shows, and its hash does not fit.
 *
 * @category columns
 * @since 0.1.0
 */
export const lenientJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
