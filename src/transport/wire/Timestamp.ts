/**
 * The gateway's ways of writing a time.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

const hasZone = /(?:Z|[+-]\d{2}:?\d{2})$/

const timestamp = (write: (iso: string) => string) =>
  Schema.String.pipe(Schema.decodeTo(
    Schema.DateTimeUtc,
    SchemaTransformation.transformEffect<DateTime.Utc, string>({
      decode: (text, options) => {
        // Without a zone a JavaScript date would be read as local time; the gateway means UTC.
        const time = DateTime.make(hasZone.test(text) ? text : `${text}Z`)
        return Option.isSome(time)
          ? Effect.succeed(DateTime.toUtc(time.value))
          : Effect.fail(new SchemaIssue.InvalidValue({ expected: "an ISO 8601 time" }, text, options))
      },
      encode: (time) => Effect.succeed(write(DateTime.formatIso(time)))
    })
  ))

/**
 * ISO 8601 with microseconds and `+00:00`, as most routes write it (the guide: `Z`). Both are read, and times without a
 * zone as UTC; what is finer than a millisecond is cut.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Timestamp = timestamp((iso) => iso.replace("Z", "000+00:00"))

/**
 * A time as {@link Timestamp} writes it.
 *
 * @category codecs
 * @since 0.2.0
 */
export const formatTimestamp = (time: DateTime.Utc): string => DateTime.formatIso(time).replace("Z", "000+00:00")

/**
 * A time without a zone, as the hours of the Merkle trees are written. UTC is meant.
 *
 * @category codecs
 * @since 0.1.0
 */
export const HourStamp = timestamp((iso) => iso.replace(/\.\d{3}Z$/, ""))
