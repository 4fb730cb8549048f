/**
 * The JSON text that a Vargate gateway hashes: what Python's `json.dumps` writes with compact separators and ASCII
 * output.
 *
 * @internal
 */

interface Open {
  readonly value: Readonly<Record<string, unknown>> | ReadonlyArray<unknown>
  /** The keys still to be written, or `undefined` in an array. */
  readonly keys: ReadonlyArray<string> | undefined
  readonly length: number
  next: number
}

/**
 * A quoted JSON string of printable ASCII only. Everything outside U+0020..U+007E is a lower-case `\uxxxx` (a pair of
 * them for astral characters), except for the five characters with a short escape.
 *
 * @internal
 */
export const asciiString = (text: string): string =>
  // Most texts are written as they are.
  /^[ !#-[\]-~]*$/.test(text)
    ? `"${text}"`
    // `JSON.stringify` already escapes controls and lone surrogates in lower-case hex; only U+007F and up is left raw.
    : JSON.stringify(text).replace(
      /[\x7f-\uffff]/g,
      (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0")
    )

const scalar = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return asciiString(value)
    case "number":
      return Number.isFinite(value) ? String(value) : "null"
    case "boolean":
      return value ? "true" : "false"
    default:
      return "null"
  }
}

const open = (value: object): Open => {
  if (Array.isArray(value)) return { value, keys: undefined, length: value.length, next: 0 }
  const keys = Object.keys(value)
  return { value: value as Readonly<Record<string, unknown>>, keys, length: keys.length, next: 0 }
}

/**
 * The separators that `json.dumps` of Python uses by default.
 *
 * @internal
 */
export const pythonSeparators = { item: ", ", key: ": " }

/** Cycles are looked for from this level on, since a value without any seldom gets there. */
const cyclesFrom = 200

const compact = { item: ",", key: ":" }

/**
 * The ASCII text of a value that came out of `JSON.parse`, compact unless other separators are given: keys in the order
 * of `Object.keys`, numbers as `JSON.stringify` spells them (so `1.0` has become `1`), strings as `asciiString` writes
 * them. The nesting depth is limited by memory alone, not by the call stack. Throws a `TypeError` at an object within
 * itself, which no JSON text can say.
 *
 * @internal
 */
export const canonicalJson = (value: unknown, separators = compact): string => {
  let text = ""
  let current = value
  const path: Array<Open> = []
  const ancestors = new Set<object>()
  for (;;) {
    if (typeof current === "object" && current !== null) {
      if (path.length >= cyclesFrom) {
        if (ancestors.has(current)) throw new TypeError("A value that contains itself is no JSON")
        ancestors.add(current)
      }
      path.push(open(current))
      text += Array.isArray(current) ? "[" : "{"
    } else {
      text += scalar(current)
    }
    let container = path.at(-1)
    while (container !== undefined && container.next === container.length) {
      text += container.keys === undefined ? "]" : "}"
      path.pop()
      if (path.length >= cyclesFrom) ancestors.delete(container.value)
      container = path.at(-1)
    }
    if (container === undefined) return text
    if (container.next > 0) text += separators.item
    const index = container.next++
    const key = container.keys?.[index]
    if (key === undefined) {
      current = (container.value as ReadonlyArray<unknown>)[index]
    } else {
      text += asciiString(key) + separators.key
      current = (container.value as Readonly<Record<string, unknown>>)[key]
    }
  }
}

/**
 * The fields of an audit record that its hash covers. `paramsText` and `violationsText` are the canonical texts of the
 * two JSON fields, since the payload holds them as strings.
 *
 * @internal
 */
export interface HashedFields {
  readonly actionId: string
  readonly agentId: string
  readonly tool: string
  readonly method: string
  readonly paramsText: string
  readonly requestedAt: string
  readonly decision: string
  readonly violationsText: string
  readonly severity: string
  readonly bundleRevision: string
  readonly prevHash: string
}

/**
 * The payload whose lower-case hex SHA-256 is the `record_hash` of an audit record (`GET /audit/log`): the eleven
 * hashed fields in the gateway's order. The result is ASCII, so its length is its length in bytes.
 *
 * @internal
 */
export const auditPayload = (record: HashedFields): string =>
  // Written out, since it stands on the way of every call.
  `{"action_id":${asciiString(record.actionId)},"agent_id":${asciiString(record.agentId)}` +
  `,"tool":${asciiString(record.tool)},"method":${asciiString(record.method)}` +
  `,"params":${asciiString(record.paramsText)},"requested_at":${asciiString(record.requestedAt)}` +
  `,"decision":${asciiString(record.decision)},"violations":${asciiString(record.violationsText)}` +
  `,"severity":${asciiString(record.severity)},"bundle_revision":${asciiString(record.bundleRevision)}` +
  `,"prev_hash":${asciiString(record.prevHash)}}`
