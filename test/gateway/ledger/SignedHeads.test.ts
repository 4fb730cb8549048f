import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import { ToolCalls } from "../../../src/calls/ToolCalls.ts"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import { readTilePath } from "../../../src/gateway/http/logTiles.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import * as SignedHeads from "../../../src/gateway/ledger/SignedHeads.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as Vargate from "../../../src/Vargate.ts"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import * as Note from "../../../src/verify/witness/Note.ts"
import { folder } from "../../support/folder.ts"

const apiKey = "a-long-random-key"

const call = ToolCalls.use((calls) => calls.decide({ tool: "files", method: "read" }))

const get = (path: string) =>
  Effect.gen(function*() {
    const response = yield* HttpClient.get(`http://gateway${path}`)
    const bytes = new Uint8Array(yield* response.arrayBuffer)
    return { status: response.status, bytes, text: new TextDecoder().decode(bytes), headers: response.headers }
  })

/** The signed head of so many records, verified by the key. Signing takes turns of the event loop, beside the clock. */
const headAt = Effect.fnUntraced(function*(prefix: string, key: Note.SignerKey, size: number) {
  let text = ""
  for (let turn = 0; turn < 1000 && text.split("\n")[1] !== String(size); turn++) {
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    yield* TestClock.adjust("1 second")
    text = (yield* get(`${prefix}/checkpoint`)).text
  }
  const note = yield* Note.parse(text)
  assert.strictEqual((yield* Note.verify(note, [key.verifier])).length, 1)
  return yield* LogHead.parse(note.text)
})

/** A ledger of its own with so many records, whose hashes are made up: what heads are made of, and nothing else. */
const ledgerOf = (hashes: Array<string>) =>
  Effect.map(Ledger, (ledger) =>
    Ledger.of({
      ...ledger,
      hashes: (_, after, limit) =>
        Effect.sync(() =>
          hashes.slice(after, after + limit).flatMap((recordHash, i) =>
            recordHash === "" ? [] : [{ place: after + i + 1, recordHash }]
          )
        )
    }))

const hashOf = (n: number) => n.toString(16).padStart(64, "0")

const parts = {
  memory: Effect.succeed(Gateway.layerParts()),
  sqlite: Effect.map(folder, (path) => Gateway.layerPartsSqlite({ filename: join(path, "vargate.db") }))
}

describe("a gateway whose tenant has opted in", () => {
  it.effect("serves a signed head and its tiles to those without a key, and of others nothing", () =>
    Effect.gen(function*() {
      const key = yield* Note.makeKey("log.example/1")
      const prefix = `/tlog/${key.verifier.id}`
      const tenants = [{ id: "acme", apiKey, burst: 10_000 }, { id: "other", apiKey: "another-long-key" }]
      yield* Effect.gen(function*() {
        for (let i = 0; i < 5; i++) yield* call
        yield* TestClock.adjust("10 seconds")
        const head = yield* headAt(prefix, key, 5)
        assert.deepStrictEqual([head.origin, head.size], ["log.example/1", 5])
        const records = yield* Ledger.use((ledger) => ledger.records("acme"))
        const hashes = records.map(({ recordHash }) => recordHash)
        assert.strictEqual(head.root, yield* Effect.flatMap(LogHead.grow(hashes), LogHead.rootOf))
        const entries = yield* get(`${prefix}/tile/entries/000.p/5`)
        assert.strictEqual(Buffer.from(entries.bytes).toString("hex"), hashes.map((hash) => `0020${hash}`).join(""))
        const tile = yield* get(`${prefix}/tile/0/000.p/5`)
        assert.strictEqual(tile.bytes.length, 160)
        assert.match(tile.headers["cache-control"]!, /immutable/)
        // What is not under the signed head is not there, though the ledger has it.
        yield* call
        for (const path of ["0/000", "0/000.p/6", "entries/000.p/6", "0/001.p/1", "1/000.p/1", "6/000", "0/000.p/0"]) {
          assert.strictEqual((yield* get(`${prefix}/tile/${path}`)).status, 404, path)
        }
        assert.strictEqual((yield* get("/tlog/00000000/checkpoint")).status, 404)
        assert.notInclude((yield* get(`${prefix}/checkpoint`)).text, "acme")
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual((yield* headAt(prefix, key, 6)).size, 6)
      }).pipe(
        Effect.provide(Vargate.layer({ apiKey })),
        Effect.provide(Gateway.layerMemory({ tenants, heads: { tenants: { acme: { key } } } }))
      )
      // Without the option there is no such route.
      const none = yield* Effect.provide(get(`${prefix}/checkpoint`), Gateway.layerMemory({ tenants }))
      assert.strictEqual(none.status, 404)
    }).pipe(Effect.provide(NodeHasher.layer)))

  it.effect("may stand at the root of the server", () =>
    Effect.gen(function*() {
      const key = yield* Note.makeKey("log.example/2")
      const gateway = Gateway.layerMemory({
        tenants: [{ id: "acme", apiKey }],
        heads: { tenants: { acme: { key, path: "" } }, every: "1 second" }
      })
      yield* Effect.gen(function*() {
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* headAt("", key, 0)).size, 0)
        assert.strictEqual((yield* get("/tile/0/000.p/1")).status, 404)
      }).pipe(Effect.provide(gateway))
    }))
})

it.effect("a key signs the log of one tenant, and is that of a log", () =>
  Effect.gen(function*() {
    const refusal = (tenants: SignedHeads.Options["tenants"]) =>
      Effect.map(
        Effect.flip(Layer.build(Gateway.layerMemory({ heads: { tenants } }))),
        (error) => error.message
      )
    const key = yield* Note.makeKey("log.example/5")
    const renewed = yield* Note.makeKey("log.example/5")
    for (const other of [key, renewed]) {
      assert.match(yield* refusal({ acme: { key }, other: { key: other, path: "/other" } }), /name of another tenant/)
    }
    const witness = yield* Note.makeKey("log.example/6", "witness")
    assert.match(yield* refusal({ acme: { key: witness } }), /key of a witness/)
  }).pipe(Effect.scoped))

describe.each(["memory", "sqlite"] as const)("signed heads over a ledger in %s", (kind) => {
  it.effect(
    "are those of the tree at every size, with the tiles that lead to them, and continue after a restart",
    () =>
      Effect.gen(function*() {
        const key = yield* Note.makeKey("log.example/3")
        const hashes: Array<string> = []
        const layer = yield* parts[kind]
        yield* Effect.gen(function*() {
          const ledger = yield* ledgerOf(hashes)
          const start = Effect.map(
            Layer.build(Layer.fresh(SignedHeads.layer({ tenants: { acme: { key } }, every: "1 hour" }))).pipe(
              Effect.provideService(Ledger, ledger)
            ),
            (context) => Effect.runSync(Effect.provide(SignedHeads.SignedHeads, context))
          )
          let heads = yield* start
          for (const size of [1, 2, 255, 256, 257, 511, 512, 700, 5000]) {
            for (let n = hashes.length; n < size; n++) hashes.push(hashOf(n))
            // Each time another process.
            if (size % 2 === 0) heads = yield* start
            yield* heads.sign("acme")
            const published = heads.published("acme")!
            const head = yield* LogHead.parse((yield* Note.parse(published.note)).text)
            assert.strictEqual(head.size, size)
            const root = yield* Effect.flatMap(LogHead.grow(hashes), LogHead.rootOf)
            assert.strictEqual(head.root, root, `${size} records`)
            // The tiles of the lowest level are the leaves, and each level is made of the one below.
            const levels = yield* tilesOf(heads, size)
            assert.strictEqual(levels[0]!.length, size)
            for (const [level, nodes] of levels.entries()) {
              const below = levels[level - 1]
              if (below === undefined) continue
              assert.strictEqual(nodes.length, Math.floor(size / 256 ** level))
            }
            const [first] = yield* LogHead.proveRecords(hashes, [0])
            assert.isTrue(yield* LogHead.isIncluded(hashes[0]!, 0, head, first!))
          }
          const entries = yield* heads.entries("acme", { index: 2, width: 256 })
          assert.deepStrictEqual(entries, hashes.slice(512, 768))
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped, Effect.provide(NodeHasher.layer))
  )

  it.effect("are not signed over a log that was changed, cut, or has a gap", () =>
    Effect.gen(function*() {
      const key = yield* Note.makeKey("log.example/4")
      const hashes = Array.from({ length: 600 }, (_, n) => hashOf(n))
      yield* Effect.gen(function*() {
        const ledger = yield* ledgerOf(hashes)
        const context = yield* Effect.provideService(
          Layer.build(Layer.fresh(SignedHeads.layer({ tenants: { acme: { key } }, every: "1 hour" }))),
          Ledger,
          ledger
        )
        const heads = yield* Effect.provide(SignedHeads.SignedHeads, context)
        yield* heads.sign("acme")
        const { note } = heads.published("acme")!
        const whole = [...hashes]
        const refused = Effect.fnUntraced(function*(name: string, change: () => void) {
          change()
          yield* heads.sign("acme")
          assert.strictEqual(heads.published("acme")!.note, note, name)
          hashes.splice(0, Infinity, ...whole)
        })
        yield* refused("cut", () => hashes.splice(590))
        yield* refused("rewritten at its end, and grown", () => {
          hashes[595] = hashOf(1e6)
          hashes.push(hashOf(600))
        })
        yield* refused("a gap", () => {
          hashes.push("", hashOf(601))
        })
        hashes.push(hashOf(600))
        yield* heads.sign("acme")
        assert.strictEqual(heads.published("acme")!.size, 601)
      }).pipe(Effect.provide(yield* parts[kind]))
    }).pipe(Effect.scoped))
})

/** All hashes of each level of tiles. */
const tilesOf = Effect.fnUntraced(function*(heads: SignedHeads.SignedHeads["Service"], size: number) {
  const levels: Array<ReadonlyArray<string>> = []
  for (let level = 0; Math.floor(size / 256 ** level) > 0; level++) {
    const count = Math.floor(size / 256 ** level)
    const nodes: Array<string> = []
    for (let index = 0; index * 256 < count; index++) {
      const width = Math.min(256, count - index * 256)
      const bytes = yield* heads.tile("acme", { level, index, width })
      assert.strictEqual(bytes?.length, 32 * width)
      for (let i = 0; i < width; i++) {
        nodes.push(Buffer.from(bytes!.subarray(32 * i, 32 * i + 32)).toString("hex"))
      }
    }
    levels.push(nodes)
  }
  return levels
})

describe("the path of a tile", () => {
  it("has one spelling", () => {
    assert.deepStrictEqual(readTilePath("0/000"), { level: 0, index: 0, width: 256 })
    assert.deepStrictEqual(readTilePath("1/x001/x234/067.p/5"), { level: 1, index: 1_234_067, width: 5 })
    assert.deepStrictEqual(readTilePath("entries/x001/000"), { level: "entries", index: 1000, width: 256 })
    for (
      const path of [
        "",
        "0/0",
        "0/1000",
        "0/x000/001",
        "0/001.p/256",
        "0/001.p/00",
        "0/001.p/",
        "6/000",
        "00/000",
        "data/000",
        "0/000/",
        "0/../../audit/log",
        "0/x001/x001/x001/x001/x001/001"
      ]
    ) assert.isUndefined(readTilePath(path), path)
  })
})
