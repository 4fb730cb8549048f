import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runInNewContext } from "node:vm"
import { gzipSync } from "node:zlib"
import { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { GatewayMemory } from "../../src/testing/GatewayMemory.ts"
import * as Transport from "../../src/transport/Transport.ts"
import { ChainReport } from "../../src/verify/ChainReport.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import * as Evidence from "../../src/verify/Evidence.ts"
import { seeded } from "../support/generateJson.ts"
import { gateway, submitSome, tenant } from "../support/rawLog.ts"

const tags = (findings: ReadonlyArray<{ readonly _tag: string }>) => findings.map(({ _tag }) => _tag)

/** Two full hours and the beginning of a third. */
const prepare = Effect.gen(function*() {
  yield* submitSome(seeded(61), 30, 400_000)
  yield* TestClock.adjust("1 hour")
  yield* submitSome(seeded(62), 3)
})

const exported = (range?: Evidence.Range) => Evidence.Evidence.use((evidence) => evidence.export(range))

/** Gathered at a gateway that is gone when the file is read. */
const file = (range?: Evidence.Range) => Effect.provide(Effect.andThen(prepare, exported(range)), gateway())

const changed = (text: string, change: (file: Record<string, never>) => unknown) => {
  const file = JSON.parse(text)
  change(file)
  return JSON.stringify(file)
}

describe("evidence of a whole log", () => {
  it.effect("holds without a gateway, as text, as bytes and gzipped", () =>
    Effect.gen(function*() {
      const text = yield* file()
      for (const content of [text, new TextEncoder().encode(text), new Uint8Array(gzipSync(text))]) {
        const report = yield* Evidence.verify(content)
        assert.deepStrictEqual(report.chain.findings, [])
        assert.isTrue(report.valid && report.isWhole)
        assert.strictEqual(report.chain.records, 33)
        assert.isAtLeast(report.chain.trees!.rebuilt, 2)
        assert.deepStrictEqual(report.proofs.map(({ inclusion, isInPages }) => [inclusion.valid, isInPages]), [[
          true,
          true
        ]])
      }
      assert.notInclude(text, "test-key")
    }))

  it.effect("holds every proof that was asked for", () =>
    Effect.gen(function*() {
      const report = yield* Evidence.verify(yield* file({ proofs: "all", pageSize: 7 }))
      assert.strictEqual(report.proofs.length, 30)
      assert.isTrue(report.valid && report.proofs.every(({ inclusion }) => inclusion.valid))
    }))

  it.effect("of nothing is a file too", () =>
    Effect.gen(function*() {
      const report = yield* Evidence.verify(yield* Effect.provide(exported(), gateway()))
      assert.isTrue(report.valid)
      assert.strictEqual(report.chain.records, 0)
    }))

  it.effect("shows what is wrong with the log", () =>
    Effect.gen(function*() {
      const text = yield* Effect.gen(function*() {
        yield* prepare
        const { checkpoint } = yield* ChainVerifier.verify({ trees: true })
        const memory = yield* GatewayMemory
        yield* memory.tamperWithLedger({
          rehash: true,
          edit: (records) => records.map((record, i) => i === 4 ? new AuditRecord({ ...record, tool: "x" }) : record)
        })
        return yield* exported({ checkpoint: checkpoint! })
      }).pipe(Effect.provide(gateway()))
      const report = yield* Evidence.verify(text)
      assert.isFalse(report.valid)
      assert.deepStrictEqual(tags(report.chain.findings), ["RewrittenSince"])
      assert.include(tags(report.chain.trees!.findings), "Tampered")
      assert.deepStrictEqual(report.contradictions, [])
    }))

  it.effect("does not hold when somebody changed the file", () =>
    Effect.gen(function*() {
      const text = yield* file({ proofs: "all" })
      const forgeries: ReadonlyArray<(file: Record<string, never>) => unknown> = [
        (file) => Reflect.set(file, "pages", [(file["pages"]![0]! as string).replace("\"EUR\"", "\"USD\"")]),
        (file) => Reflect.set(file, "pages", []),
        (file) => Reflect.set(file["trees"]![0]!, "merkle_root", "0".repeat(64)),
        (file) => Reflect.set(file["proofs"]![3]!, "leaf_index", 0),
        (file) => Reflect.set(file["proofs"]![3]!, "record_hash", "0".repeat(64)),
        (file) => Reflect.set(file["report"]!, "records", 32),
        (file) => Reflect.set(file["report"]!, "valid", false)
      ]
      for (const forge of forgeries) {
        assert.isFalse((yield* Evidence.verify(changed(text, forge))).valid, String(forge))
      }
    }))

  it.effect("is held against what the reader trusts", () =>
    Effect.gen(function*() {
      const [text, trusted] = yield* Effect.gen(function*() {
        yield* prepare
        const { checkpoint } = yield* ChainVerifier.verify({ trees: true })
        const memory = yield* GatewayMemory
        yield* memory.tamperWithLedger({ rehash: true, edit: (records) => records.slice(0, -1) })
        return [yield* exported(), checkpoint!] as const
      }).pipe(Effect.provide(gateway()))
      assert.isTrue((yield* Evidence.verify(text)).valid)
      const report = yield* Evidence.verify(text, { checkpoints: [trusted] })
      assert.deepStrictEqual(tags(report.chain.findings), ["TruncatedSince"])
    }))

  it.effect("does not let a checkpoint of its own take the place of the reader's", () =>
    Effect.gen(function*() {
      const [text, trusted] = yield* Effect.gen(function*() {
        yield* prepare
        const { checkpoint: trusted } = yield* ChainVerifier.verify()
        const memory = yield* GatewayMemory
        const edit = (records: ReadonlyArray<AuditRecord>) =>
          records.map((record) => new AuditRecord({ ...record, tool: "forged" }))
        yield* memory.tamperWithLedger({ rehash: true, edit })
        const { checkpoint: forged } = yield* ChainVerifier.verify()
        return [yield* exported({ checkpoint: forged! }), trusted!] as const
      }).pipe(Effect.provide(gateway()))
      const report = yield* Evidence.verify(text, { checkpoints: [trusted] })
      assert.deepStrictEqual(tags(report.chain.findings), ["RewrittenSince"])
      assert.isFalse(report.valid)
    }))
})

describe("evidence from which records were cut", () => {
  interface Exported {
    pages: Array<string>
    unreadable: number
    readonly report: { records: number }
  }
  type Forgery = (file: Exported) => unknown

  const cut = (at: number, count = 1): Forgery => (file) => {
    file.pages.splice(at, count)
    file.unreadable = count
    file.report.records -= count
  }

  /** One record a page, so that a page can be cut out without touching a byte of the others. */
  const forge = Effect.fnUntraced(function*(text: string, forgery: Forgery) {
    const forged = changed(text, (file) => {
      // Neither is signed, and both would give the cut away.
      Object.assign(file, { trees: [], proofs: [] })
      forgery(file as unknown as Exported)
    })
    const { chain } = yield* Evidence.verify(forged)
    const report = Schema.encodeSync(ChainReport)(chain)
    return yield* Evidence.verify(changed(forged, (file) => Reflect.set(file, "report", report)))
  })

  const whole: ReadonlyArray<readonly [string, Forgery]> = [
    ["in the middle", cut(10)],
    ["two in the middle", cut(10, 2)],
    ["the newest", cut(0)],
    ["the oldest", cut(32)],
    ["all", (file) => Object.assign(file, { pages: [], unreadable: 0 })],
    ["all, as if they could not be read", (file) => Object.assign(file, { pages: [], unreadable: 33 })]
  ]
  it.effect.each(whole)(
    "is never the whole log, whatever its report says: %s",
    ([, forgery]) =>
      Effect.gen(function*() {
        const report = yield* forge(yield* file({ pageSize: 1 }), forgery)
        assert.isFalse(report.valid)
        assert.isFalse(report.isWhole)
      })
  )

  it.effect("is not the whole log where stored trees go further, though every count was corrected", () =>
    Effect.gen(function*() {
      const text = yield* file({ pageSize: 1, proofs: "none" })
      const report = yield* Evidence.verify(changed(text, (file) => {
        const pages = file["pages"]! as ReadonlyArray<string>
        const older = pages.slice(5).map((page, offset) =>
          page.replace(/"offset":\d+/, `"offset":${offset}`).replace(/"total":33/, "\"total\":28")
        )
        Object.assign(file, { pages: older })
      }))
      assert.include(report.contradictions.join(), "stored trees hold records that are not here")
      assert.deepStrictEqual([report.valid, report.isWhole], [false, false])
    }))

  it.effect("is not valid as a part either", () =>
    Effect.gen(function*() {
      const report = yield* forge(yield* file({ pageSize: 1, fromId: 5, toId: 25 }), cut(10))
      assert.isFalse(report.valid)
      assert.strictEqual(report.chain.gaps.length, 1)
    }))

  it.effect("contradicts the report of its exporter, which knew of none missing", () =>
    Effect.gen(function*() {
      const text = yield* file({ pageSize: 1, proofs: "none" })
      const { contradictions } = yield* Evidence.verify(
        changed(text, (file) => cut(10)(Object.assign(file as unknown as Exported, { trees: [] })))
      )
      assert.deepStrictEqual(contradictions, ["missing is 1, not 0"])
    }))

  it.effect("is a page that is longer than any gateway's, too", () =>
    Effect.gen(function*() {
      const text = yield* file({ pageSize: 1, proofs: "none" })
      const { contradictions } = yield* Evidence.verify(changed(text, (file) => {
        const [page, ...others] = file["pages"]! as ReadonlyArray<string>
        const record = /"records":\[(.*)\],"count"/s.exec(page!)![1]!
        const long = page!.replace(record, () => Array(1001).fill(record).join(","))
        Reflect.set(file, "pages", [long, ...others])
      }))
      assert.include(contradictions, "page 0 holds 1001 records, and no gateway sends more than 1000")
    }))

  it.effect("says so where the gateway itself could not show a record", () =>
    Effect.gen(function*() {
      const text = yield* Effect.gen(function*() {
        yield* prepare
        const client = yield* HttpClient.HttpClient
        const hiding = HttpClient.transform(client, (send, request) => {
          const query = new URL(request.url, "http://localhost").searchParams
          const params = new Map([...query, ...request.urlParams.params])
          const offset = Number(params.get("offset") ?? 0)
          const isHidden = request.url.includes("/audit/log") && offset <= 1 &&
            1 < offset + Number(params.get("limit"))
          return isHidden
            ? Effect.succeed(HttpClientResponse.fromWeb(request, new Response("no", { status: 500 })))
            : send
        })
        return yield* Effect.provide(
          exported(),
          Evidence.layer.pipe(
            Layer.provide(Transport.layer({ apiKey: tenant.apiKey, url: "http://localhost" })),
            Layer.provide(Layer.succeed(HttpClient.HttpClient, hiding))
          )
        )
      }).pipe(Effect.provide(gateway()))
      const report = yield* Evidence.verify(text)
      assert.deepStrictEqual(report.contradictions, [])
      assert.isTrue(report.chain.valid)
      assert.deepStrictEqual([report.valid, report.isWhole], [false, false])
    }))
})

describe("evidence of a range", () => {
  it.effect("holds the range, and says that it is a part", () =>
    Effect.gen(function*() {
      const report = yield* Evidence.verify(yield* file({ fromId: 5, toId: 12, pageSize: 4 }))
      assert.deepStrictEqual(report.chain.findings, [])
      assert.isTrue(report.valid)
      assert.isFalse(report.isWhole)
      assert.isAtMost(report.chain.firstId!, 5)
      assert.isAtLeast(report.chain.lastId!, 12)
      assert.isAtMost(report.chain.records, 16)
      assert.isUndefined(report.chain.checkpoint)
      assert.isTrue(
        report.proofs.length > 0 && report.proofs.every(({ inclusion, isInPages }) => inclusion.valid && isInPages)
      )
    }))

  it.effect("does not count a proof of a record that it does not hold", () =>
    Effect.gen(function*() {
      const [part, whole] = yield* Effect.provide(
        Effect.gen(function*() {
          yield* prepare
          return [yield* exported({ fromId: 5, toId: 8, pageSize: 4 }), yield* exported({ proofs: "all" })]
        }),
        gateway()
      )
      const held = new Set((yield* Evidence.verify(part!)).proofs.map(({ recordHash }) => recordHash as string))
      const proofs = JSON.parse(whole!).proofs as ReadonlyArray<{ readonly record_hash: string }>
      const stranger = proofs.filter(({ record_hash }) => !held.has(record_hash)).at(-1)
      const report = yield* Evidence.verify(changed(part!, (file) => Reflect.set(file, "proofs", [stranger])))
      assert.isTrue(report.proofs[0]!.inclusion.valid)
      assert.isFalse(report.proofs[0]!.isInPages)
      assert.isFalse(report.valid)
    }))

  it.effect("without records is refused", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(file({ fromId: 1000 }))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
    }))
})

describe("the size of evidence", () => {
  const mebi = 1024 * 1024
  const refusal = (content: string | Uint8Array, trusted?: Evidence.Trusted) =>
    Effect.map(Effect.flip(Evidence.verify(content, trusted)), ({ reason }) => reason.message)

  it.effect("is bounded before it is unpacked", () =>
    Effect.gen(function*() {
      const bomb = new Uint8Array(gzipSync(new Uint8Array(32 * mebi).fill(0x20)))
      assert.match(yield* refusal(bomb), /more than 100 times its size: .*maxExpansion/)
      assert.match(yield* refusal(bomb, { maxExpansion: 1000 }), /more than 1000 times/)
      assert.match(yield* refusal(bomb, { maxExpansion: 2000, maxBytes: mebi }), /more than 1048576 bytes .*maxBytes/)
      assert.match(yield* refusal(new Uint8Array(mebi + 1), { maxBytes: mebi }), /more than 1048576 bytes/)
    }))

  it.effect("may be permitted, and is refused where it is no number", () =>
    Effect.gen(function*() {
      const text = yield* file()
      const report = yield* Evidence.verify(new Uint8Array(gzipSync(text + " ".repeat(20 * mebi))), {
        maxExpansion: 2000
      })
      assert.isTrue(report.valid)
      for (const bad of [{ maxExpansion: NaN }, { maxExpansion: 0 }, { maxBytes: -1 }]) {
        assert.match(yield* refusal(text, bad), /must be more than 0/)
      }
    }))

  it.effect("comes from bytes of any realm, and from nothing else", () =>
    Effect.gen(function*() {
      const text = yield* file()
      const foreign: Uint8Array = runInNewContext("Uint8Array.from(bytes)", {
        bytes: [...new TextEncoder().encode(text)]
      })
      assert.notInstanceOf(foreign, Uint8Array)
      assert.isTrue((yield* Evidence.verify(foreign)).valid)
      assert.match(yield* refusal(5 as never), /not bytes/)
    }))
})

describe("exportFile", () => {
  it.effect("writes what verify reads", () => {
    const folder = mkdtempSync(join(tmpdir(), "evidence-"))
    const path = join(folder, "evidence.json")
    return Effect.gen(function*() {
      yield* prepare
      yield* Evidence.exportFile(path)
      assert.isTrue((yield* Evidence.verify(new Uint8Array(readFileSync(path)))).valid)
    }).pipe(
      Effect.provide([gateway(), NodeFileSystem.layer]),
      Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true })))
    )
  })
})

describe("what is no evidence", () => {
  it.effect("is a typed error", () =>
    Effect.gen(function*() {
      const text = yield* file()
      const bad = [
        "",
        "null",
        "[]",
        "{\"format\":\"vargate-evidence\"}",
        changed(text, (file) => Reflect.set(file, "pages", ["{}"])),
        changed(text, (file) => Reflect.set(file, "version", 3)),
        new Uint8Array([0x1f, 0x8b, 0]),
        new Uint8Array([0xff])
      ]
      for (const content of bad) {
        assert.strictEqual((yield* Effect.flip(Evidence.verify(content))).reason._tag, "InvalidRequest")
      }
    }))
})
