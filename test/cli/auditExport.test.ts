import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { decide } from "../../src/calls/ToolCalls.ts"
import { AuditExported } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const gateway = () => GatewayMemory.layer({ tenants: [{ id: "local", apiKey: "vargate-local-key", burst: 1000 }] })

const submit = (count: number) =>
  Effect.repeat(decide({ tool: "http", method: "GET", params: { url: "https://example.org", token: "t-1" } }), {
    times: count - 1
  })

const linesIn = (path: string) =>
  readdirSync(path).filter((name) => name.endsWith(".jsonl")).sort()
    .flatMap((name) => readFileSync(join(path, name), "utf8").split("\n").slice(0, -1))
    .map((line) => JSON.parse(line))

describe("audit export", () => {
  it.effect("writes the log into files, and continues where it ended", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "out")
      yield* submit(5)
      const first = yield* run(["audit", "export", "--to", "jsonl", "--out", path], { hasFiles: true })
      assert.strictEqual(first.code, 0, first.err)
      assert.include(first.out, "exported 5 records")
      yield* submit(2)
      const second = yield* run(["audit", "export", "--to", "jsonl", "--out", path, "--json"], { hasFiles: true })
      const [summary] = decodeLines(AuditExported, second.out)
      assert.deepInclude({ ...summary }, { records: 2, skipped: 0, gaps: 0, findings: 0, refused: 0 })
      assert.strictEqual(summary!.checkpoint?.count, 7)
      assert.deepStrictEqual(linesIn(path).map(({ count }) => count), [1, 2, 3, 4, 5, 6, 7])
      assert.isTrue(linesIn(path).every(({ record }) => record.params === null))
      assert.isTrue(existsSync(join(path, "cursor.json")))
    }).pipe(Effect.provide(gateway())))

  it.effect("writes OCSF, and continues behind it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* submit(2)
      const args = ["audit", "export", "--to", "jsonl", "--out", path, "--format", "ocsf"]
      assert.strictEqual((yield* run(args, { hasFiles: true })).code, 0)
      yield* submit(1)
      assert.strictEqual((yield* run(args, { hasFiles: true })).code, 0)
      assert.deepStrictEqual(
        linesIn(path).map(({ class_uid, metadata }) => [class_uid, metadata.sequence]),
        [[6003, 1], [6003, 2], [6003, 3]]
      )
    }).pipe(Effect.provide(gateway())))

  it.effect("lets out of the params what it is told to", () =>
    Effect.gen(function*() {
      yield* submit(1)
      const params = (args: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const path = yield* folder
          const { code, err } = yield* run(["audit", "export", "--to", "jsonl", "--out", path, ...args], {
            hasFiles: true
          })
          assert.strictEqual(code, 0, err)
          return linesIn(path)[0].record.params
        })
      assert.deepStrictEqual(yield* params(["--params", "all"]), { url: "https://example.org", token: "t-1" })
      assert.deepStrictEqual(yield* params(["--params", "all", "--redact", "token"]), {
        url: "https://example.org",
        token: "<redacted>"
      })
      assert.deepStrictEqual(yield* params(["--only", "url"]), { url: "https://example.org", token: "<redacted>" })
    }).pipe(Effect.provide(gateway())))

  it.effect("ends with 3 where the log does not hold, and says what was found", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* submit(6)
      const memory = yield* GatewayMemory.GatewayMemory
      yield* memory.tamperWithLedger({ edit: (records) => records.filter((_, place) => place !== 3) })
      const { code, err } = yield* run(["audit", "export", "--to", "jsonl", "--out", path], { hasFiles: true })
      const verdict = yield* run(["verify"], { hasFiles: true })
      assert.strictEqual(code, verdict.code)
      assert.include(err, "BrokenLink behind 3 verified records")
      assert.deepStrictEqual(linesIn(path).map(({ type }) => type), ["record", "record", "record", "finding"])
    }).pipe(Effect.provide(gateway())))

  it.effect("says what is missing or cannot be used", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const cursor = join(path, "cursor.json")
      writeFileSync(cursor, "{}")
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
        [["--to", "jsonl"], "--to jsonl needs --out FOLDER"],
        [["--to", "otlp", "--endpoint", "https://example.org"], "needs --state FILE"],
        [["--to", "otlp", "--state", join(path, "a.json")], "needs --endpoint URL"],
        [["--to", "hec", "--endpoint", "https://example.org", "--state", join(path, "b.json")], "VARGATE_EXPORT_TOKEN"],
        [["--to", "otlp", "--endpoint", "http://example.org", "--state", join(path, "c.json")], "must be https"],
        [["--to", "jsonl", "--out", path, "--redact", "a"], "needs --params all or --only"],
        [["--to", "parquet", "--out", path, "--format", "ocsf"], "has columns of its own"],
        [["--to", "jsonl", "--out", path, "--protobuf"], "--protobuf is for otlp"],
        [
          ["--to", "otlp", "--endpoint", "http://127.0.0.1:4318/v1/logs", "--state", join(path, "s"), "--protobuf"],
          "npm install @opentelemetry/otlp-transformer"
        ],
        [["--to", "jsonl", "--out", path], "not the cursor of an export"],
        [["--to", "nothing"], "nothing"]
      ]
      for (const [args, said] of cases) {
        const { code, err } = yield* run(["audit", "export", ...args], { hasFiles: true })
        assert.notStrictEqual(code, 0)
        assert.include(err.replaceAll(/\s+/g, " "), said)
      }
    }).pipe(Effect.provide(gateway())))

  it.effect("shows no key, whatever a receiver answers", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* submit(1)
      // The client of the tests knows one server only, the gateway, which answers 404 or the like to such a path.
      const { code, err, out } = yield* run(
        [
          "audit",
          "export",
          "--to",
          "otlp",
          "--endpoint",
          "https://example.org/v1/logs",
          "--state",
          join(path, "s.json")
        ],
        { hasFiles: true, env: { VARGATE_EXPORT_TOKEN: "secret-of-the-sink" } }
      )
      assert.notStrictEqual(code, 0)
      assert.include(err, "The sink otlp did not take the events")
      assert.notInclude(err + out, "secret-of-the-sink")
    }).pipe(Effect.provide(gateway())))
})
