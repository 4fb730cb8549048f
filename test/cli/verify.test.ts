import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { Failure, Notice, Verdict } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { answering, decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { seeded } from "../support/generateJson.ts"
import { assertMode } from "../support/mode.ts"
import { gateway, rawPage, submitSome, tenant } from "../support/rawLog.ts"

const verify = (...args: ReadonlyArray<string>) =>
  run(["verify", ...args], { env: { VARGATE_API_KEY: tenant.apiKey }, hasFiles: true })

const changeOne = (rehash = false) =>
  GatewayMemory.GatewayMemory.use((gateway) =>
    gateway.tamperWithLedger({
      edit: (records) =>
        records.map((record, index) => index === 2 ? new AuditRecord({ ...record, method: "other" }) : record),
      rehash
    })
  )

describe("verify", () => {
  it.effect("gives the gateway's word and ours", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(1), 20)
      const { code, out } = yield* verify()
      assert.match(out, /^Gateway says +✓ valid, 20 records$/m)
      assert.match(out, /^Recomputed +✓ valid, 20 records in /m)
      assert.strictEqual(code, 0)
      const json = yield* verify("--json", "--trees")
      const [theirs, ours] = decodeLines(Verdict, json.out)
      assert.deepInclude({ ...theirs }, { _tag: "Gateway" })
      assert.isTrue(ours?._tag === "Independent" && ours.report.valid && ours.report.records === 20)
    }).pipe(Effect.provide(gateway())))

  it.effect("only asks the gateway with --no-independent", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(1), 5)
      const { code, out } = yield* verify("--no-independent", "--json")
      assert.deepStrictEqual(decodeLines(Verdict, out).map(({ _tag }) => _tag), ["Gateway"])
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("goes on where the gateway has no word to give", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(1), 5)
      const { code, err, out } = yield* verify("--json")
      assert.match(decodeLines(Notice, err)[0]!.warning, /does not say whether its log is whole/)
      assert.deepStrictEqual(decodeLines(Verdict, out).map(({ _tag }) => _tag), ["Independent"])
      assert.deepStrictEqual([code, (yield* verify("--no-independent")).code], [0, 5])
    }).pipe(Effect.provide(Layer.provideMerge(
      answering("/audit/verify", () => Effect.sync(() => new Response("Internal Server Error", { status: 500 }))),
      gateway()
    ))))

  it.effect("names what was changed, and ends with 1", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(2), 9)
      yield* changeOne()
      const { code, out } = yield* verify()
      assert.match(out, /Gateway says +✗ broken: record_hash mismatch at/)
      assert.match(out, /✗ broken: 1 finding in 9 records[^]*HashMismatch +record 3[^]*it was changed/)
      assert.include(out, "effect-vargate evidence export")
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("finds with a checkpoint what the gateway hides, and keeps the old one", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "kept.json")
      yield* submitSome(seeded(3), 9)
      const first = yield* verify("--checkpoint", path)
      assert.match(first.out, /Checkpoints +none yet, so the log as it is now is taken as the first; 9 records kept/)
      assertMode(path, 0o600)
      yield* submitSome(seeded(4), 3)
      const second = yield* verify("--checkpoint", path, "--since-checkpoint")
      assert.match(
        second.out,
        /✓ valid, 12 records, back to the checkpoint at 9 in[^]*compared with 1, and it stands; 12 records kept/
      )
      const kept = readFileSync(path, "utf8")
      yield* changeOne(true)
      const third = yield* verify("--checkpoint", path)
      assert.match(third.out, /Gateway says +✓ valid/)
      assert.match(third.out, /RewrittenSince[^]*A kept checkpoint shows[^]*The gateway finds nothing wrong/)
      assert.deepStrictEqual([first.code, second.code, third.code], [0, 0, 1])
      assert.strictEqual(readFileSync(path, "utf8"), kept)
    }).pipe(Effect.provide(gateway())))

  it.effect("leaves the checkpoints as they are with --no-keep", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "kept.json")
      yield* submitSome(seeded(3), 2)
      yield* verify("--checkpoint", path)
      const kept = readFileSync(path, "utf8")
      yield* submitSome(seeded(4), 2)
      const { out } = yield* verify("--checkpoint", path, "--no-keep", "--json")
      assert.deepInclude({ ...decodeLines(Verdict, out)[1] }, { isKept: false })
      assert.strictEqual(readFileSync(path, "utf8"), kept)
    }).pipe(Effect.provide(gateway())))
})

describe("verify --file", () => {
  /** A saved log in all its forms. */
  const save = Effect.gen(function*() {
    const path = yield* folder
    yield* submitSome(seeded(6), 10)
    const page = yield* rawPage()
    const names = {
      whole: join(path, "log.json"),
      zipped: join(path, "log.json.gz"),
      newer: join(path, "newer.json"),
      older: join(path, "older.json"),
      broken: join(path, "broken.json"),
      other: join(path, "other.json"),
      kept: join(path, "kept.json")
    }
    writeFileSync(names.whole, page)
    writeFileSync(names.zipped, gzipSync(page))
    writeFileSync(names.newer, yield* rawPage(6, 0))
    writeFileSync(names.older, yield* rawPage(6, 4))
    writeFileSync(names.broken, new TextDecoder().decode(page).replace("\"create_charge\"", "\"create_change\""))
    writeFileSync(names.other, "{\"hello\": 1}")
    yield* verify("--checkpoint", names.kept)
    return names
  })

  /** Neither a gateway nor a key. */
  const offline = (...args: ReadonlyArray<string>) =>
    run(["verify", ...args], { env: { VARGATE_API_KEY: "", VARGATE_URL: "" }, hasFiles: true })

  it.effect("needs neither a gateway nor a key", () =>
    Effect.gen(function*() {
      const { broken, whole, zipped } = yield* save
      for (const path of [whole, zipped]) {
        const { code, err, out } = yield* offline("--file", path)
        assert.match(out, /✓ valid, 10 records/)
        assert.deepStrictEqual([code, err], [0, ""])
      }
      const { code, out } = yield* offline("--file", broken)
      assert.match(out, /✗ broken: 1 finding in 10 records\n {2}HashMismatch/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("takes several, and says of each how it is", () =>
    Effect.gen(function*() {
      const { broken, other, whole, zipped } = yield* save
      const { code, err, out } = yield* offline("--json", "--file", whole, broken, other, zipped)
      const verdicts = decodeLines(Verdict, out).map((verdict) =>
        verdict._tag === "Independent" && [verdict.source, verdict.report.valid]
      )
      assert.deepStrictEqual(verdicts, [[whole, true], [broken, false], [zipped, true]])
      assert.deepInclude(decodeLines(Failure, err)[0], { error: "Usage", exitCode: 2 })
      assert.include(err, "is not a page of an audit log")
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("takes pages as one log only where it is told to", () =>
    Effect.gen(function*() {
      const { newer, older } = yield* save
      const apart = yield* offline("--file", newer, "--file", older)
      assert.match(apart.err, /pass --pages/)
      const together = yield* offline("--pages", newer, older)
      assert.match(together.out, /✓ valid, 10 records/)
      assert.deepStrictEqual([apart.code, together.code], [1, 0])
    }).pipe(Effect.provide(gateway())))

  it.effect("holds files against checkpoints, and keeps none", () =>
    Effect.gen(function*() {
      const { kept, older, whole } = yield* save
      const before = readFileSync(kept, "utf8")
      assert.strictEqual((yield* offline("--file", whole, "--checkpoint", kept)).code, 0)
      const truncated = yield* offline("--file", older, "--checkpoint", kept)
      assert.strictEqual(truncated.code, 1)
      assert.strictEqual(readFileSync(kept, "utf8"), before)
    }).pipe(Effect.provide(gateway())))

  it.effect("has with --json every finding that it does not show", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "log.json")
      yield* submitSome(seeded(8), 120)
      writeFileSync(
        path,
        new TextDecoder().decode(yield* rawPage()).replaceAll("\"create_charge\"", "\"create_change\"")
      )
      const shown = yield* offline("--file", path)
      assert.match(shown.out, /✗ broken: 120 findings in 120 records[^]*\.\.\. and 110 findings more: --json has them/)
      const [verdict] = decodeLines(Verdict, (yield* offline("--file", path, "--json")).out)
      assert(verdict?._tag === "Independent")
      assert.deepStrictEqual([verdict.report.findings.length, verdict.report.omittedFindings], [120, 0])
    }).pipe(Effect.provide(gateway())))

  it.effect("refuses what unpacks to far more than a log, and says how to permit it", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "bomb.json.gz")
      const bombs = [
        gzipSync(Buffer.alloc(32 * 1024 ** 2, " ")),
        gzipSync(`{"records":[],"note":"${"a".repeat(32 * 1024 ** 2)}"}`),
        gzipSync(`{"records":[{"params":"${"a".repeat(32 * 1024 ** 2)}`)
      ]
      for (const bomb of bombs) {
        writeFileSync(path, bomb)
        const { code, err } = yield* offline("--file", path, "--max-bytes", "1000000")
        assert.match(err, /bomb\.json\.gz cannot be verified: it holds more than 1000000 bytes of text: .*--max-bytes/)
        assert.strictEqual(code, 2)
      }
      const { code, err } = yield* offline("--file", path)
      assert.match(err, /unpacks to more than 100 times its size: .*--max-expansion/)
      assert.strictEqual(code, 2)
    }).pipe(Effect.provide(gateway())))

  it.effect("names a file of checkpoints that holds none", () =>
    Effect.gen(function*() {
      const { kept, whole } = yield* save
      for (const [text, why] of [["", "it is empty"], ["{}", "it is no file of checkpoints"]] as const) {
        writeFileSync(kept, text)
        for (const args of [["--file", whole, "--checkpoint", kept], ["--checkpoint", kept]]) {
          const { code, err } = yield* verify(...args)
          assert.include(err, `${kept} holds no checkpoints: ${why}`)
          assert.strictEqual(code, 2)
        }
      }
    }).pipe(Effect.provide(gateway())))

  it.effect("ends with 11 where there is no such file, and with 2 where flags make no sense", () =>
    Effect.gen(function*() {
      const missing = yield* offline("--file", "/nowhere/log.json")
      assert.include(missing.err, "/nowhere/log.json cannot be read: there is no such file")
      assert.strictEqual(missing.code, 11)
      for (const args of [["--pages"], ["--since-checkpoint"]]) assert.strictEqual((yield* offline(...args)).code, 2)
    }).pipe(Effect.provide(gateway())))
})
