/**
 * `audit export`: the verified log into another system, once or on and on.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { join } from "node:path"
import * as AuditExport from "../../export/AuditExport.ts"
import * as CloudEventsSink from "../../export/CloudEventsSink.ts"
import type * as ExportSink from "../../export/ExportSink.ts"
import * as OtlpSink from "../../export/OtlpSink.ts"
import * as Redaction from "../../export/Redaction.ts"
import * as SplunkSink from "../../export/SplunkSink.ts"
import * as FileExportCursor from "../../node/FileExportCursor.ts"
import * as JsonlSink from "../../node/JsonlSink.ts"
import * as ParquetSink from "../../node/ParquetSink.ts"
import { connected } from "../core/connected.ts"
import { Concluded, Usage } from "../core/failure.ts"
import { duration } from "../core/flags.ts"
import { variable } from "../core/variables.ts"
import { AuditExported, ExitCode } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { dim, green, red, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

const kinds = ["jsonl", "parquet", "otlp", "cloudevents", "hec"] as const

interface Options {
  readonly to: typeof kinds[number]
  readonly out: Option.Option<string>
  readonly endpoint: Option.Option<string>
  readonly format: ExportSink.Format
  readonly protobuf: boolean
  readonly acknowledge: boolean
  readonly allowHttpSink: boolean
}

const transformer = "@opentelemetry/otlp-transformer"

const protobufLogs = Effect.tryPromise({
  try: async (): Promise<OtlpSink.ProtobufLogs> => (await import(transformer)).ProtobufLogsSerializer,
  catch: () => new Usage({ message: `--protobuf needs ${transformer}: npm install ${transformer}` })
})

/** A key is in the environment: on the command line every user of the machine could see it. */
const openSink = Effect.fnUntraced(function*(given: Options) {
  const { acknowledge, allowHttpSink, endpoint, format, out, to } = given
  if (given.protobuf && to !== "otlp") return yield* new Usage({ message: "--protobuf is for otlp." })
  if (to === "jsonl" || to === "parquet") {
    if (Option.isNone(out)) return yield* new Usage({ message: `--to ${to} needs --out FOLDER.` })
    if (to === "jsonl") return yield* JsonlSink.make({ folder: out.value, format })
    if (format !== "vargate") return yield* new Usage({ message: "--to parquet has columns of its own, no OCSF." })
    return yield* ParquetSink.make({ folder: out.value })
  }
  if (Option.isNone(endpoint)) return yield* new Usage({ message: `--to ${to} needs --endpoint URL.` })
  const token = yield* variable("VARGATE_EXPORT_TOKEN")
  const options = { url: endpoint.value, allowHttp: allowHttpSink }
  const headers = token === undefined
    ? {}
    : { authorization: Redacted.make(`Bearer ${Redacted.value(token).trim()}`) }
  if (to === "otlp") {
    return yield* OtlpSink.make({
      ...options,
      headers,
      format,
      protobuf: given.protobuf ? yield* protobufLogs : undefined
    })
  }
  if (to === "cloudevents") return yield* CloudEventsSink.make({ ...options, headers, format })
  if (token === undefined) {
    return yield* new Usage({ message: "--to hec needs the token of the collector in VARGATE_EXPORT_TOKEN." })
  }
  return yield* SplunkSink.make({
    ...options,
    token: Redacted.make(Redacted.value(token).trim()),
    acknowledge,
    format
  })
})

interface Rules {
  readonly params: "none" | "all"
  readonly only: ReadonlyArray<string>
  readonly redact: ReadonlyArray<string>
}

const redactionOf = Effect.fnUntraced(function*({ only, params, redact }: Rules) {
  if (params === "none" && only.length === 0 && redact.length > 0) {
    return yield* new Usage({ message: "--redact takes something out of the params: it needs --params all or --only." })
  }
  if (params === "none" && only.length === 0) return Redaction.withheld
  const rules = [
    ...only.length === 0 ? [] : [Redaction.only(only)],
    ...redact.length === 0 ? [] : [Redaction.paths(redact)]
  ]
  return rules.length === 0 ? Redaction.none : Redaction.all(...rules)
})

const run = Effect.fnUntraced(function*(
  options: Options,
  { everyOther, state }: { readonly state: string; readonly everyOther: AuditExport.EventsOptions }
) {
  const printer = yield* Printer
  const sink = yield* openSink(options)
  const cursor = yield* FileExportCursor.make(state)
  let isWaiting = false
  const summary = yield* AuditExport.run({
    ...everyOther,
    sink,
    cursor,
    onProgress: Effect.fnUntraced(function*({ count, records, total, waiting }) {
      if (waiting !== undefined && !isWaiting) {
        isWaiting = true
        const why = waiting._tag === "VargateError" ? waiting.reason.message : waiting.message
        yield* Effect.ignore(printer.warn(`${why} Waiting, and trying again.`))
      } else if (waiting === undefined && isWaiting) {
        isWaiting = false
        yield* Effect.ignore(printer.warn("It answers again."))
      }
      printer.progress([
        waiting === undefined ? "exporting " : yellow("waiting "),
        `${Words.count(records, "record")}  `,
        dim(`${count} of ${total}`)
      ])
    })
  }).pipe(Effect.ensuring(Effect.sync(() => printer.progress())))
  const { cursor: checkpoint, findings, gaps, records, refused, skipped } = summary
  const notes = [
    gaps > 0 ? `${Words.count(gaps, "record")} that the gateway cannot show` : "",
    findings > 0 ? Words.count(findings, "finding") : "",
    refused > 0 ? `${Words.count(refused, "record")} that the sink refused` : ""
  ].filter((note) => note !== "")
  yield* printer.print(AuditExported, { records, skipped, gaps, findings, refused, checkpoint }, () => [
    [
      findings > 0 ? red("✗ exported") : green("✓ exported"),
      ` ${Words.count(records, "record")}`,
      notes.length === 0 ? "" : `, ${notes.join(", ")}`,
      dim(checkpoint === undefined ? "; the log is empty" : `; the log is there up to record ${checkpoint.id}`)
    ]
  ])
  if (findings > 0) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
})

const isFiles = (to: Options["to"]) => to === "jsonl" || to === "parquet"

const text = (name: string, what: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(what), Flag.withDescription(description))

/** @internal */
export const command = Command.make(
  "export",
  {
    to: Flag.Literals("to", kinds).pipe(Flag.withDescription("Which kind of system")),
    out: text("out", "<folder>", "Of jsonl and parquet: where the files are written").pipe(Flag.optional),
    endpoint: text(
      "endpoint",
      "<url>",
      "Of the others: the whole URL to send to, of otlp with /v1/logs (a key is read from VARGATE_EXPORT_TOKEN)"
    ).pipe(
      Flag.optional
    ),
    state: text("state", "<file>", "How far the export is (with --out: cursor.json there)").pipe(Flag.optional),
    from: Flag.Literals("from", ["beginning", "end"]).pipe(
      Flag.withDescription("Where the first export begins"),
      Flag.withDefault("beginning" as const)
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("And continue with new records")
    ),
    every: duration("every").pipe(
      Flag.withDescription("How often to look for those (5s)"),
      Flag.withDefault(Duration.seconds(5))
    ),
    patience: duration("patience").pipe(
      Flag.withDescription("How long to wait for what is away (2h)"),
      Flag.withDefault(Duration.hours(2))
    ),
    params: Flag.Literals("params", ["none", "all"]).pipe(
      Flag.withDescription("Whether the params of the calls leave"),
      Flag.withDefault("none" as const)
    ),
    only: text("only", "<path>", "Lets only this place of the params out, like customer.id or items.*.sku").pipe(
      Flag.atLeast(0)
    ),
    redact: text("redact", "<path>", "Takes this place out of the params, like **.token").pipe(Flag.atLeast(0)),
    format: Flag.Literals("format", ["vargate", "ocsf"]).pipe(
      Flag.withDescription("The form of an event (parquet has its own)"),
      Flag.withDefault("vargate" as const)
    ),
    protobuf: Flag.Boolean("protobuf").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Of otlp: send protobuf, where @opentelemetry/otlp-transformer is installed")
    ),
    acknowledge: Flag.Boolean("acknowledge").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Of hec: wait for the indexer")
    ),
    allowHttpSink: Flag.Boolean("allow-http-endpoint").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Permit an endpoint with plain http on another machine")
    )
  },
  Effect.fnUntraced(function*({ every, follow, from, only, params, patience, redact, state, ...options }) {
    const path = Option.getOrUndefined(
      Option.orElse(
        state,
        () => isFiles(options.to) ? Option.map(options.out, (out) => join(out, "cursor.json")) : Option.none()
      )
    )
    if (path === undefined) {
      const needed = isFiles(options.to) ? "--out FOLDER" : "--state FILE, to continue where it ended"
      return yield* new Usage({ message: `--to ${options.to} needs ${needed}.` })
    }
    const everyOther: AuditExport.EventsOptions = {
      from,
      follow: follow ? every : undefined,
      redact: yield* redactionOf({ only, params, redact }),
      retry: AuditExport.patienceOf(patience)
    }
    const exporting = run(options, { state: path, everyOther }).pipe(Effect.scoped, Effect.provide(AuditExport.layer))
    yield* connected(exporting)
  })
).pipe(
  Command.withDescription("Export the log, verified record by record, into files or another system"),
  Command.withShortDescription("Export the log into another system"),
  Command.withExamples([
    { command: "effect-vargate audit export --to jsonl --out audit/" },
    {
      command:
        "effect-vargate audit export --to otlp --endpoint https://collector:4318/v1/logs --state otlp.json --follow"
    },
    { command: "effect-vargate audit export --to hec --endpoint https://splunk:8088 --state hec.json --acknowledge -f" }
  ])
)
