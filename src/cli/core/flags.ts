/**
 * Flags that all commands share, and kinds of values that several take.
 *
 * @internal
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads `90s`, `5m`, `1.5h`, `2d`, or what `Duration` reads.
 *
 * @internal
 */
export const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const short = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)$/.exec(text.trim())
  if (short !== null) return Option.some(Duration.millis(Number(short[1]) * units[short[2]!]!))
  return Option.filter(Duration.fromInput(text.trim() as Duration.Input), Duration.isFinite)
}

/**
 * A stretch of time.
 *
 * @internal
 */
export const duration = (name: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.withMetavar("<duration>"),
    Flag.filterMap(parseDuration, () => "a duration like 90s, 5m or 2h")
  )

const hasZone = (text: string) => text.includes("T") && /(?:Z|[+-]\d\d:?\d\d)$/.test(text.slice(text.indexOf("T")))

/**
 * A moment: ISO 8601 (UTC where it names no zone), or a duration before now.
 *
 * @internal
 */
export const moment = (name: string): Flag.Flag<DateTime.Utc> =>
  Flag.String(name).pipe(
    Flag.withMetavar("<time>"),
    Flag.mapEffect((text) =>
      Option.match(parseDuration(text), {
        onSome: (ago) => Effect.map(DateTime.now, (now) => DateTime.subtractDuration(now, ago)),
        onNone: () =>
          Effect.mapError(
            Effect.fromOption(DateTime.make(hasZone(text) ? text : `${text}Z`)),
            () =>
              new CliError.InvalidValue({
                option: name,
                value: text,
                expected: "a time like 2026-11-23T10:00:00Z, or how long ago, like 2h",
                kind: "flag"
              })
          )
      })
    )
  )

/**
 * A whole number from 1 on.
 *
 * @internal
 */
export const positive = (name: string): Flag.Flag<number> =>
  Flag.Int(name).pipe(Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))))

// --- of all commands -------------------------------------------------------------------------------------------------

/** @internal */
export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("One JSON object per line, for scripts")
  )
})

/** @internal */
export const Url = GlobalFlag.Setting("url")({
  flag: Flag.String("url").pipe(
    Flag.withMetavar("<url>"),
    Flag.withDescription("The gateway (VARGATE_URL)"),
    Flag.optional
  )
})

/** @internal */
export const ConfigFile = GlobalFlag.Setting("config")({
  flag: Flag.String("config").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("Instead of ~/.vargate/config.json"),
    Flag.optional
  )
})

/** @internal */
export const KeyFile = GlobalFlag.Setting("key-file")({
  flag: Flag.String("key-file").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("The file with the API key; - is stdin (VARGATE_API_KEY)"),
    Flag.optional
  )
})

/** @internal */
export const Timeout = GlobalFlag.Setting("timeout")({
  flag: duration("timeout").pipe(
    Flag.withDescription("For one request to the gateway (30s)"),
    Flag.withDefault(Duration.seconds(30))
  )
})

/** @internal */
export const AllowHttp = GlobalFlag.Setting("allow-http")({
  flag: Flag.Boolean("allow-http").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Permit plain http to other machines")
  )
})

const keysDoNotGoHere = (name: string) =>
  Flag.Redacted(name).pipe(
    Flag.withHidden,
    Flag.optional,
    Flag.mapEffect((key) =>
      Option.isNone(key) ? Effect.void : Effect.fail(
        new CliError.UserError({
          cause: undefined,
          userMessage: `A key on the command line can be seen by every user of this machine, and stays in the shell's \
history. Put it into VARGATE_API_KEY, or give --key-file a file or - for stdin, or run \`effect-vargate init\`. \
Consider the one just given as known to others.`
        })
      )
    )
  )

/**
 * Flags of no command, declared so that a key which is given to one of them is neither taken nor repeated in an error.
 */
const Key = GlobalFlag.Setting("key")({ flag: keysDoNotGoHere("key") })
const ApiKey = GlobalFlag.Setting("api-key")({ flag: keysDoNotGoHere("api-key") })

/** @internal */
export const all = [Url, KeyFile, ConfigFile, Timeout, AllowHttp, Json, Key, ApiKey] as const
