/** Export of an audit log into files, against its verification: both read the same pages through the same transport. */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as AuditExport from "../src/export/AuditExport.ts"
import * as Redaction from "../src/export/Redaction.ts"
import * as FileExportCursor from "../src/node/FileExportCursor.ts"
import * as JsonlSink from "../src/node/JsonlSink.ts"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import * as Vargate from "../src/Vargate.ts"
import * as ChainVerifier from "../src/verify/ChainVerifier.ts"
import { pageSize, recordAt, sha256 } from "./support/makeLog.ts"
import { atLeast, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { cpuSeconds, inTurns, median, medianRatio } from "./support/statistics.ts"

const records = thorough(100_000, 20_000)
const rounds = thorough(5, 2)
const encoder = new TextEncoder()

/** The records one after another, in one piece: as so many objects they would be in the way of every garbage collection. */
const { ends, log } = (() => {
  const texts: Array<Uint8Array> = []
  const ends = new Float64Array(records + 1)
  let previous = "GENESIS"
  for (let i = 0; i < records; i++) {
    const { fields, payload } = recordAt(i, previous)
    previous = sha256(payload)
    const text = encoder.encode(JSON.stringify(Object.fromEntries(fields(previous))))
    texts.push(text)
    ends[i + 1] = ends[i]! + text.length
  }
  return { ends, log: Buffer.concat(texts) }
})()
const textOf = (record: number) => log.subarray(ends[record], ends[record + 1])

/** The pages that are asked for, made once: what a gateway does for them is not measured. */
const pages = new Map<string, Uint8Array>()
const pageOf = (limit: number, offset: number): Uint8Array => {
  const key = `${limit} ${offset}`
  const known = pages.get(key)
  if (known !== undefined) return known
  const to = Math.max(0, records - offset)
  const slice = Array.from({ length: Math.min(limit, to) }, (_, index) => textOf(to - 1 - index))
  const before = encoder.encode("{\"records\":[")
  const after = encoder.encode(
    `],"count":${slice.length},"offset":${offset},"total":${records},"tenant_id":"bench"}`
  )
  const page = Buffer.concat([
    before,
    ...slice.flatMap((text, i) => i === 0 ? [text] : [encoder.encode(","), text]),
    after
  ])
  pages.set(key, page)
  return page
}

const client = HttpClient.make((request, url) =>
  Effect.sync(() =>
    HttpClientResponse.fromWeb(
      request,
      new Response(
        new Uint8Array(
          pageOf(Number(url.searchParams.get("limit") ?? 200), Number(url.searchParams.get("offset") ?? 0))
        ),
        { headers: { "content-type": "application/json" } }
      )
    )
  )
)

const services = AuditExport.layer.pipe(
  Layer.provideMerge(Vargate.layer({ apiKey: "bench-key" })),
  Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
  Layer.provideMerge(NodeHasher.layer)
)

const verify = () =>
  Effect.runPromise(Effect.provide(ChainVerifier.verify({ pageSize }), services)).then((report) => {
    if (!report.valid || report.records !== records) throw new Error("The log does not verify")
  })

const exported = (redact: Redaction.Redaction) => async () => {
  const folder = mkdtempSync(join(tmpdir(), "vargate-bench-"))
  try {
    const summary = await Effect.runPromise(
      Effect.gen(function*() {
        const sink = yield* JsonlSink.make({ folder })
        const cursor = yield* FileExportCursor.make(join(folder, "cursor.json"))
        return yield* AuditExport.run({ sink, cursor, redact })
      }).pipe(Effect.scoped, Effect.provide(services))
    )
    if (summary.records !== records) throw new Error("Not everything was exported")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const ways = {
  verification: verify,
  "export, params withheld": exported(Redaction.withheld),
  "export, as it is": exported(Redaction.none),
  "export, only some fields": exported(Redaction.only(["id", "subject", "n"]))
}
const times = await inTurns(
  rounds,
  Object.fromEntries(Object.entries(ways).map(([name, way]) => [name, cpuSeconds(way)]))
)
const share = (name: string) => 100 * medianRatio(times["verification"]!, times[name]!)

hand({
  title: "Export of an audit log",
  about: `${records.toLocaleString("en")} records in pages of ${
    pageSize.toLocaleString("en")
  }, from a client in the same process; files of JSON lines, forced to the disk for each batch; by the CPU time of the thread, medians of ${rounds} rounds in turns.`,
  tables: [{
    columns: ["what", "records/s", "% of verification"],
    rows: Object.keys(ways).map((name) => [name, records / median(times[name]!), share(name)])
  }],
  targets: [atLeast("AuditExport into JsonlSink", 55, "% of verification", share("export, params withheld"))]
})
