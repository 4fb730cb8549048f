/**
 * Takes secrets out of texts that came from outside.
 *
 * @internal
 */
import * as Redacted from "effect/Redacted"

/**
 * How secrets may be spelled in an answer that echoes them: bare, in JSON, in JSON as Python writes it, in a URL. The
 * longest first, so that none leaves a part of another behind.
 *
 * @internal
 */
export const spellings = (secrets: ReadonlyArray<Redacted.Redacted>): ReadonlyArray<string> =>
  [...new Set(secrets.map(Redacted.value).flatMap(spellingsOf))].sort((a, b) => b.length - a.length)

const spellingsOf = (secret: string): ReadonlyArray<string> => {
  if (secret === "") return []
  const json = JSON.stringify(secret).slice(1, -1)
  const ascii = json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
  const url = encodeURIComponent(secret.toWellFormed())
  return [ascii, json, url, secret]
}

/** @internal */
export const redactSpellings = (text: string, spelled: ReadonlyArray<string>): string =>
  spelled.reduce(
    (text, spelling) => text.length < spelling.length ? text : text.replaceAll(spelling, "<redacted>"),
    text
  )
