/**
 * Reads OTLP logs as JSON by their schema (opentelemetry-proto v1, `ExportLogsServiceRequest`, in the JSON of its
 * specification): a field that is not there, or of another type, is refused.
 */
import { Schema } from "effect"

const Int64 = Schema.Union([Schema.Int, Schema.String.check(Schema.isPattern(/^-?\d{1,19}$/))])
const Fixed64 = Schema.String.check(Schema.isPattern(/^\d{1,20}$/))

interface AnyValue {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: number | string
  readonly doubleValue?: number
  readonly arrayValue?: { readonly values: ReadonlyArray<AnyValue> }
}

const AnyValue: Schema.Codec<AnyValue> = Schema.Union([
  Schema.Struct({ stringValue: Schema.String }),
  Schema.Struct({ boolValue: Schema.Boolean }),
  Schema.Struct({ intValue: Int64 }),
  Schema.Struct({ doubleValue: Schema.Finite }),
  Schema.Struct({
    arrayValue: Schema.Struct({ values: Schema.Array(Schema.suspend((): Schema.Codec<AnyValue> => AnyValue)) })
  })
])

const Attributes = Schema.Array(Schema.Struct({ key: Schema.NonEmptyString, value: AnyValue }))

const LogRecord = Schema.Struct({
  timeUnixNano: Schema.optionalKey(Fixed64),
  observedTimeUnixNano: Fixed64,
  severityNumber: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 24 })),
  severityText: Schema.String,
  eventName: Schema.NonEmptyString,
  body: AnyValue,
  attributes: Attributes,
  droppedAttributesCount: Schema.optionalKey(Schema.Int),
  flags: Schema.optionalKey(Schema.Int),
  traceId: Schema.optionalKey(Schema.String),
  spanId: Schema.optionalKey(Schema.String)
})

const Request = Schema.Struct({
  resourceLogs: Schema.Array(Schema.Struct({
    resource: Schema.Struct({ attributes: Attributes, droppedAttributesCount: Schema.optionalKey(Schema.Int) }),
    scopeLogs: Schema.Array(Schema.Struct({
      scope: Schema.Struct({ name: Schema.String, version: Schema.optionalKey(Schema.String) }),
      logRecords: Schema.Array(LogRecord)
    }))
  }))
})

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Request), { onExcessProperty: "error" })

const valueOf = (value: AnyValue): unknown =>
  value.arrayValue?.values.map(valueOf) ?? value.stringValue ?? value.boolValue ?? value.doubleValue ??
    Number(value.intValue)

/** The log records of a request, with their attributes as an object. */
export const logsOf = (body: string) =>
  decode(body).resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map(({ attributes, ...record }) => ({
        ...record,
        attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]))
      }))
    )
  )
