import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { decide } from "../../src/calls/ToolCalls.ts"
import { EvidenceVerdict, Exported } from "../../src/cli/Output.ts"
import { Evidence } from "../../src/verify/Evidence.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { seeded } from "../support/generateJson.ts"
import { assertMode } from "../support/mode.ts"
import { gateway, submitSome, tenant } from "../support/rawLog.ts"

const evidence = (...args: ReadonlyArray<string>) =>
  run(["evidence", ...args], { env: { VARGATE_API_KEY: tenant.apiKey }, hasFiles: true })

const prepare = Effect.gen(function*() {
  yield* submitSome(seeded(7), 12)
  yield* TestClock.adjust("61 minutes")
  return join(yield* folder, "evidence.json")
})

describe("evidence", () => {
  it.effect("is written whole for its owner, and holds", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      const exported = yield* evidence("export", path, "--json", "--proofs", "all")
      assert.deepStrictEqual(decodeLines(Exported, exported.out), [{ path, bytes: statSync(path).size }])
      assertMode(path, 0o600)
      assert.notInclude(readFileSync(path, "utf8"), tenant.apiKey)
      const verified = yield* evidence("verify", path)
      assert.match(verified.out, /✓ holds[^]*Covers +records 1 to 12, the whole log[^]*Proofs +✓ valid, 12 proofs/)
      assert.deepStrictEqual([exported.code, verified.code], [0, 0])
    }).pipe(Effect.provide(gateway())))

  it.effect("does not hold once it was changed", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      yield* evidence("export", path, "--from", "3", "--to", "9")
      writeFileSync(path, readFileSync(path, "utf8").replace("create_charge", "create_change"))
      const { code, out } = yield* evidence("verify", path)
      assert.match(out, /✗ does not hold[^]*HashMismatch[^]*Contradiction +valid is false, not true/)
      assert.strictEqual(code, 1)
      const [verdict] = decodeLines(EvidenceVerdict, (yield* evidence("verify", path, "--json")).out)
      assert.isFalse(verdict?.report.valid)
    }).pipe(Effect.provide(gateway())))

  it.effect("is not the whole log once a record was cut out, and ends with 1", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      const text = yield* Evidence.use((evidence) => evidence.export({ pageSize: 1, proofs: "none" }))
      const file = JSON.parse(text)
      file.pages.splice(4, 1)
      file.report.records -= 1
      file.report.gaps = [{ size: 1 }]
      writeFileSync(path, JSON.stringify({ ...file, unreadable: 1, trees: [] }))
      const { code, out } = yield* evidence("verify", path)
      assert.match(out, /✗ is not complete[^]*Covers +records 1 to 12 without 1 record; not the whole log/)
      assert.match(out, /Gap +1 record between 7 and 9\n +It could not be read/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("says of what is whole that newer records may have been cut off", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      yield* evidence("export", path)
      const { out } = yield* evidence("verify", path)
      assert.match(
        out,
        /the whole log as it was exported; that nothing newer was cut off, only --checkpoint can\s+show/
      )
    }).pipe(Effect.provide(gateway())))

  it.effect("is refused where it unpacks to far more than evidence", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      writeFileSync(path, gzipSync(Buffer.alloc(32 * 1024 ** 2, " ")))
      for (
        const [args, why] of [[[], /100 times.*--max-expansion/], [
          ["--max-bytes", "9"],
          /9 bytes.*--max-bytes/
        ]] as const
      ) {
        const { code, err } = yield* evidence("verify", path, ...args)
        assert.match(err, why)
        assert.strictEqual(code, 2)
      }
    }).pipe(Effect.provide(gateway())))

  it.effect("is held against checkpoints of one's own", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      const kept = join(path, "../kept.json")
      yield* run(["verify", "--checkpoint", kept], { env: { VARGATE_API_KEY: tenant.apiKey }, hasFiles: true })
      yield* evidence("export", path, "--checkpoint", kept)
      assert.strictEqual((yield* evidence("verify", path, "--checkpoint", kept)).code, 0)
      const other = readFileSync(kept, "utf8").replace(/"recordHash":"[0-9a-f]{8}/, "\"recordHash\":\"00000000")
      writeFileSync(kept, other)
      const { code, out } = yield* evidence("verify", path, "--checkpoint", kept)
      assert.match(out, /RewrittenSince/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("never takes the place of another file by a slip", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      writeFileSync(path, "precious")
      const { code, err } = yield* evidence("export", path)
      assert.match(err, /exists already/)
      assert.strictEqual(code, 2)
      assert.strictEqual(readFileSync(path, "utf8"), "precious")
      assert.strictEqual((yield* evidence("export", path, "--force")).code, 0)
      assert.strictEqual((yield* evidence("verify", path)).code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("goes to stdout where that is wished, and nowhere where it cannot be written", () =>
    Effect.gen(function*() {
      yield* prepare
      const { out } = yield* evidence("export", "-")
      assert.strictEqual(JSON.parse(out).format, "vargate-evidence")
      const { code, err } = yield* evidence("export", "/nowhere/evidence.json")
      assert.match(err, /\/nowhere\/evidence.json cannot be written/)
      assert.strictEqual(code, 11)
      assert.isFalse(existsSync("/nowhere"))
    }).pipe(Effect.provide(gateway())))

  it.effect("has nothing on stdout that a terminal obeys, and holds as it is", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      yield* decide({ tool: "t", method: "m", params: { note: "a\u009b2J\u202eb\u2028c\u2800d\u00a0e" } })
      const { out } = yield* evidence("export", "-")
      assert.include(out, "\\u009b2J\\u202eb\\u2028c\\u2800d\\u00a0e")
      assert.notMatch(out, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u2800\u00a0]/u)
      writeFileSync(path, out)
      assert.strictEqual((yield* evidence("verify", path)).code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("is no other file", () =>
    Effect.gen(function*() {
      const path = yield* prepare
      writeFileSync(path, "{}")
      const { code, err } = yield* evidence("verify", path)
      assert.match(err, /cannot be verified as evidence/)
      assert.strictEqual(code, 2)
    }).pipe(Effect.provide(gateway())))
})
