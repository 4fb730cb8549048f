/**
 * Takes secrets out of texts that came from outside.
 *
 * @internal
 */

/**
 * How a secret may be spelled in an answer that echoes it: bare, in JSON, in JSON as Python writes it, in a URL. The
 * longest first, so that none leaves a part of another behind.
 *
 * @internal
 */
export const spellings = (secret: string): ReadonlyArray<string> => {
  if (secret === "") return []
  const json = JSON.stringify(secret).slice(1, -1)
  const ascii = json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
  const url = encodeURIComponent(secret.toWellFormed())
  return [...new Set([ascii, json, url, secret])].sort((a, b) => b.length - a.length)
}

/** @internal */
export const blot = (text: string, spelled: ReadonlyArray<string>): string =>
  spelled.reduce((text, spelling) => text.replaceAll(spelling, "<redacted>"), text)
