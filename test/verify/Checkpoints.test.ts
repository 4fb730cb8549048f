import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { KeyValueStore } from "effect/persistence"
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Checkpoint } from "../../src/audit/Checkpoint.ts"
import { RecordHash } from "../../src/model/RecordHash.ts"
import * as FileCheckpoints from "../../src/node/FileCheckpoints.ts"
import * as Checkpoints from "../../src/verify/Checkpoints.ts"

const hashOf = (text: string) => RecordHash.make(text.repeat(64).slice(0, 64))

const checkpoint = (count: number, change: Partial<Checkpoint> = {}) =>
  new Checkpoint({
    tenantId: "t",
    id: 10 * count,
    actionId: `a-${count}`,
    recordHash: hashOf(String(count % 10)),
    count,
    at: DateTime.makeUnsafe(1000 * count),
    roots: [],
    ...change
  })

interface Store {
  readonly layer: Layer.Layer<Checkpoints.CheckpointStore>
  readonly end: () => void
}

const suite = (name: string, make: () => Store) => {
  const test = (title: string, effect: Effect.Effect<void, unknown, Checkpoints.CheckpointStore>) =>
    it.effect(title, () => {
      const { end, layer } = make()
      return Effect.ensuring(Effect.provide(effect, layer), Effect.sync(end))
    })

  describe(name, () => {
    test(
      "knows nothing at first",
      Effect.gen(function*() {
        const store = yield* Checkpoints.CheckpointStore
        assert.isUndefined(yield* store.latest("t"))
        assert.deepStrictEqual(yield* store.tenants, [])
        assert.deepStrictEqual(yield* Checkpoints.fromJson(yield* store.export), [])
      })
    )

    test(
      "keeps each tenant's, and gives the newest",
      Effect.gen(function*() {
        const store = yield* Checkpoints.CheckpointStore
        const other = checkpoint(9, { tenantId: "__proto__" })
        for (const kept of [checkpoint(1), checkpoint(3), other, checkpoint(3)]) yield* store.keep(kept)
        assert.deepStrictEqual(yield* store.latest("t"), checkpoint(3))
        assert.deepStrictEqual(yield* store.all("t"), [checkpoint(1), checkpoint(3)])
        assert.deepStrictEqual(yield* store.latest("__proto__"), other)
        assert.deepStrictEqual([...yield* store.tenants].sort(), ["__proto__", "t"])
      })
    )

    test(
      "does not go back, and does not contradict itself",
      Effect.gen(function*() {
        const store = yield* Checkpoints.CheckpointStore
        yield* store.keep(checkpoint(5, { roots: [{ index: 0, root: hashOf("a") }] }))
        const refused = [
          checkpoint(4),
          checkpoint(5, { recordHash: hashOf("f") }),
          checkpoint(6, { roots: [{ index: 0, root: hashOf("b") }] }),
          checkpoint(7, { id: 50 })
        ]
        for (const wrong of refused) {
          const error = yield* Effect.flip(store.keep(wrong))
          assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
        }
        assert.strictEqual((yield* store.latest("t"))?.count, 5)
      })
    )

    test(
      "exports and imports",
      Effect.gen(function*() {
        const store = yield* Checkpoints.CheckpointStore
        yield* store.keep(checkpoint(5))
        yield* store.import(Checkpoints.toJson([checkpoint(2), checkpoint(5), checkpoint(8)]))
        assert.deepStrictEqual((yield* store.all("t")).map(({ count }) => count), [2, 5, 8])
        const contradicting = Checkpoints.toJson([checkpoint(9), checkpoint(8, { recordHash: hashOf("f") })])
        assert.propertyVal(yield* Effect.flip(store.import(contradicting)), "_tag", "VargateError")
        assert.strictEqual((yield* store.latest("t"))?.count, 8)
        assert.deepStrictEqual(yield* Checkpoints.fromJson(yield* store.export), yield* store.all("t"))
      })
    )

    test(
      "loses none to writers at the same time",
      Effect.gen(function*() {
        const store = yield* Checkpoints.CheckpointStore
        const counts = Array.from({ length: 20 }, (_, i) => i + 1)
        yield* Effect.forEach(counts, (count) => store.import(Checkpoints.toJson([checkpoint(count)])), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual((yield* store.all("t")).map(({ count }) => count), counts)
      })
    )
  })
}

suite("layerMemory", () => ({ layer: Layer.fresh(Checkpoints.layerMemory), end: () => undefined }))

suite("layerKeyValueStore", () => ({
  layer: Layer.provide(Checkpoints.layerKeyValueStore(), Layer.fresh(KeyValueStore.layerMemory)),
  end: () => undefined
}))

const withFile = () => {
  const folder = mkdtempSync(join(tmpdir(), "checkpoints-"))
  const path = join(folder, "kept.json")
  return { folder, path, layer: FileCheckpoints.layer(path), end: () => rmSync(folder, { recursive: true }) }
}

suite("FileCheckpoints.layer", withFile)

describe("a checkpoint file", () => {
  it.effect("survives the process, and leaves nothing else behind", () => {
    const { end, folder, layer, path } = withFile()
    return Effect.gen(function*() {
      const keep = Checkpoints.CheckpointStore.use((store) => store.keep(checkpoint(1)))
      yield* Effect.provide(keep, layer)
      const latest = Checkpoints.CheckpointStore.use((store) => store.latest("t"))
      assert.deepStrictEqual(yield* Effect.provide(latest, FileCheckpoints.layer(path)), checkpoint(1))
      assert.deepStrictEqual(readdirSync(folder), ["kept.json"])
      assert.strictEqual(JSON.parse(readFileSync(path, "utf8")).format, "vargate-checkpoints")
    }).pipe(Effect.ensuring(Effect.sync(end)))
  })

  it.effect("that is damaged or out of reach is a typed error, and is not overwritten", () => {
    const { end, folder, layer, path } = withFile()
    return Effect.gen(function*() {
      writeFileSync(path, "{\"format\":")
      const keep = Checkpoints.CheckpointStore.use((store) => store.keep(checkpoint(1)))
      assert.propertyVal(yield* Effect.flip(Effect.provide(keep, layer)), "_tag", "VargateError")
      assert.strictEqual(readFileSync(path, "utf8"), "{\"format\":")
      const error = yield* Effect.flip(Effect.provide(keep, FileCheckpoints.layer(join(folder, "none", "x"))))
      assert.strictEqual(error._tag, "StorageFailed")
      assert.notInclude(error.message, folder)
    }).pipe(Effect.ensuring(Effect.sync(end)))
  })
})

const countsIn = (path: string, tenantId: string) =>
  Effect.map(
    Checkpoints.fromJson(readFileSync(path, "utf8")),
    (kept) => kept.filter((checkpoint) => checkpoint.tenantId === tenantId).map(({ count }) => count)
  )

describe("a checkpoint file of several processes", () => {
  it.effect("never writes through a link that somebody has put beside it, and keeps the one at its own path", () => {
    const { end, folder, path } = withFile()
    return Effect.gen(function*() {
      const victim = join(folder, "victim")
      writeFileSync(victim, "precious")
      symlinkSync(victim, `${path}.new`)
      const keep = (count: number) => Checkpoints.CheckpointStore.use((store) => store.keep(checkpoint(count)))
      yield* Effect.provide(keep(1), FileCheckpoints.layer(path))
      assert.strictEqual(readFileSync(victim, "utf8"), "precious")
      const link = join(folder, "link.json")
      symlinkSync("kept.json", link)
      yield* Effect.provide(keep(2), FileCheckpoints.layer(link))
      assert.isTrue(lstatSync(link).isSymbolicLink())
      assert.deepStrictEqual(yield* countsIn(path, "t"), [1, 2])
    }).pipe(Effect.ensuring(Effect.sync(end)))
  })
})

describe("fromJson", () => {
  it.effect("refuses what is no export", () =>
    Effect.gen(function*() {
      const bad = [
        "",
        "null",
        "{}",
        JSON.stringify({ format: "vargate-checkpoints", version: 2, checkpoints: [] }),
        Checkpoints.toJson([checkpoint(1)]).replace("1111", "111G"),
        Checkpoints.toJson([checkpoint(1)]).replace("\"count\":1", "\"count\":\"1\"")
      ]
      for (const text of bad) {
        assert.propertyVal((yield* Effect.flip(Checkpoints.fromJson(text))).reason, "_tag", "InvalidRequest")
      }
    }))
})

describe("compare", () => {
  it("counts what both were shown, and names what differs", () => {
    const ours = [checkpoint(1), checkpoint(2, { roots: [{ index: 4, root: hashOf("a") }] })]
    assert.deepStrictEqual(Checkpoints.compare(ours, [checkpoint(3)]), { agreed: 0, contradictions: [] })
    assert.strictEqual(Checkpoints.compare(ours, ours).contradictions.length, 0)
    assert.isAbove(Checkpoints.compare(ours, ours).agreed, 0)
    const { contradictions } = Checkpoints.compare(ours, [
      checkpoint(7, { roots: [{ index: 4, root: hashOf("b") }] }),
      checkpoint(1, { recordHash: hashOf("e") }),
      checkpoint(1, { tenantId: "another", recordHash: hashOf("e") })
    ])
    assert.deepStrictEqual(contradictions.map(({ at }) => at), [{ tree: 4 }, { id: 10 }, { id: 10 }])
  })

  it("sees two logs of the same length that end differently", () => {
    const theirs = [checkpoint(2, { id: 21, recordHash: hashOf("e") })]
    assert.strictEqual(Checkpoints.compare([checkpoint(2)], theirs).contradictions.length, 1)
  })
})
