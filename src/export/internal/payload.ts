/**
 * An event as a plain object, with the names that all of our sinks share.
 *
 * @internal
 */
import type { ExportEvent } from "../ExportEvent.ts"

/** @internal */
export const payloadOf = (event: ExportEvent): Readonly<Record<string, unknown>> => {
  const { count, id, tenantId: tenant } = event
  switch (event._tag) {
    case "Record":
      return { type: "record", id, tenant, count, redacted: event.isRedacted, record: event.fields }
    case "Gap":
      return { type: "gap", id, tenant, count, recordHash: event.recordHash ?? null }
    case "Finding":
      return { type: "finding", id, tenant, count, finding: { ...event.finding } }
    case "Refused": {
      const { byteLength, detail, refused } = event
      return { type: "refused", id, tenant, count, refused, byteLength, detail }
    }
  }
}

/**
 * A field of a record that should be a text. The gateway's word is not trusted: anything else becomes one.
 *
 * @internal
 */
export const textOf = (value: unknown): string =>
  typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value)

/**
 * Nanoseconds since 1970 of a time of the gateway, which has microseconds and may lack a zone. Undefined where it is none.
 *
 * @internal
 */
export const nanosOf = (value: unknown): bigint | undefined => {
  if (typeof value !== "string" || value.length > 64) return undefined
  const hasZone = /(?:Z|[+-]\d\d:\d\d)$/.test(value)
  const millis = Date.parse(hasZone ? value : `${value}Z`)
  if (!Number.isFinite(millis)) return undefined
  const dot = value.indexOf(".")
  const digits = dot === -1 ? "" : /^\d{0,9}/.exec(value.slice(dot + 1))![0]
  return BigInt(Math.floor(millis / 1000)) * 1_000_000_000n + BigInt(digits.padEnd(9, "0"))
}
