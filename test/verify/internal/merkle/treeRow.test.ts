import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { hash } from "node:crypto"
import * as NodeHasher from "../../../../src/node/NodeHasher.ts"
import { SharedTreeRow, type TreeRow, treeRow } from "../../../../src/verify/internal/merkle/treeRow.ts"
import { treeRowBinary } from "../../../../src/verify/internal/merkle/treeRowBinary.ts"
import { plainRecordsBinary } from "../../../../src/verify/internal/scan/plainRecordsBinary.ts"
import { wasmExports } from "../../../../src/verify/internal/wasmExports.ts"
import * as Merkle from "../../../../src/verify/Merkle.ts"
import * as LogHead from "../../../../src/verify/witness/LogHead.ts"

const sha256 = (text: string) => hash("sha256", Buffer.from(text, "hex"), "hex")
const hashesOf = (count: number, seed = "") =>
  Array.from({ length: count }, (_, i) => hash("sha256", `${seed}${i}`, "hex"))

const shared = Effect.map(Effect.service(SharedTreeRow), (row) => {
  assert.isDefined(row)
  return row!
})

/** Anything up to a full row, and counts that leave lanes free. */
const counts = [...Array.from({ length: 101 }, (_, count) => count), 255, 256, 257, 511, 789, 1021, 1022, 1023, 1024]

const nodesOf = (row: TreeRow) =>
  Array.from({ length: row.size }, (_, i) => Buffer.from(row.bytes.subarray(32 * i, 32 * i + 32)).toString("hex"))

/** Two by two; what is left without a sibling is given to `last`. */
const parentsOf = (nodes: ReadonlyArray<string>, prefix: string, last: (node: string) => string) =>
  Array.from({ length: Math.ceil(nodes.length / 2) }, (_, i) => {
    const [left, right] = nodes.slice(2 * i, 2 * i + 2)
    return right === undefined ? last(left!) : sha256(`${prefix}${left}${right}`)
  })

describe("a row of a tree", () => {
  it.effect("has the hashes that node:crypto has, in every lane, for every count", () =>
    Effect.gen(function*() {
      const row = yield* shared
      assert.strictEqual(row.capacity, 1024)
      for (const count of counts) {
        const hashes = hashesOf(count)
        assert.isTrue(row.take(hashes))
        assert.deepStrictEqual(nodesOf(row), hashes)
        row.hashLeaves()
        assert.deepStrictEqual(nodesOf(row), hashes.map((node) => sha256(`00${node}`)), `${count} leaves`)
        if (count === 0) continue
        row.take(hashes)
        row.hashNodes()
        assert.deepStrictEqual(nodesOf(row), parentsOf(hashes, "01", (node) => node), `${count} nodes`)
        row.take(hashes)
        row.hashPairs()
        assert.deepStrictEqual(nodesOf(row), parentsOf(hashes, "", (node) => sha256(node + node)), `${count} pairs`)
      }
    }))

  it.effect("has the second block of every node right, whatever its first byte is", () =>
    Effect.gen(function*() {
      const row = yield* shared
      const hashes = hashesOf(1024).map((node, i) => node.slice(0, 62) + ((i >> 1) % 256).toString(16).padStart(2, "0"))
      row.take(hashes)
      row.hashNodes()
      assert.deepStrictEqual(nodesOf(row), parentsOf(hashes, "01", (node) => node))
    }))

  it.effect("takes lower-case hex of 64 digits alone, and no more than there is room for", () =>
    Effect.gen(function*() {
      const row = yield* shared
      const hashes = hashesOf(20)
      const digits = "0123456789abcdef"
      for (const place of [0, 1, 15, 16, 31, 32, 62, 63]) {
        for (let code = 0; code < 0x100; code++) {
          const character = String.fromCharCode(code)
          const text = hashes[7]!.slice(0, place) + character + hashes[7]!.slice(place + 1)
          assert.strictEqual(row.take(hashes.with(7, text)), digits.includes(character), `${code} at ${place}`)
        }
      }
      const [first, second] = hashes as [string, string]
      for (const bad of ["", "00", "é".repeat(64), "\u{10ffff}".repeat(32), first.slice(1), `${first}0`]) {
        assert.isFalse(row.take(hashes.with(7, bad)), bad)
      }
      assert.isFalse(row.take([first.slice(1), `${second}0`]))
      assert.isTrue(row.take(hashesOf(row.capacity)))
      assert.isFalse(row.take(hashesOf(row.capacity + 1)))
      assert.strictEqual(row.size, 0)
    }))

  it.effect("is for many", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* treeRow(1))
      assert.isDefined(yield* treeRow(100))
      assert.isUndefined(yield* Effect.provideService(treeRow(100), SharedTreeRow, undefined))
    }))
})

describe("trees", () => {
  /** In rows, hash by hash without waiting, and, where there are few, with Web Crypto. */
  const inEveryWay = Effect.fnUntraced(function*<A, E>(size: number, effect: Effect.Effect<A, E>) {
    const expected = yield* effect
    const oneByOne = Effect.provideService(effect, SharedTreeRow, undefined)
    assert.deepStrictEqual(yield* Effect.provide(oneByOne, NodeHasher.layer), expected)
    if (size <= 40) assert.deepStrictEqual(yield* oneByOne, expected)
    return expected
  })

  /** Word by word, of RFC 6962. */
  const headRoot = (records: ReadonlyArray<string>): string => {
    if (records.length === 1) return sha256(`00${records[0]}`)
    const half = 2 ** Math.floor(Math.log2(records.length - 1))
    return sha256(`01${headRoot(records.slice(0, half))}${headRoot(records.slice(half))}`)
  }

  const pairRoot = (leaves: ReadonlyArray<string>): string => {
    const parents = parentsOf(leaves, "", (node) => sha256(node + node))
    return parents.length === 1 ? parents[0]! : pairRoot(parents)
  }

  const sizes = [
    ...Array.from({ length: 40 }, (_, i) => i + 1),
    63,
    64,
    65,
    100,
    789,
    1023,
    1024,
    1025,
    1030,
    2048,
    3000
  ]

  it.effect("are the same in rows and one by one: heads", () =>
    Effect.gen(function*() {
      for (const size of sizes) {
        const records = hashesOf(size)
        const peaks = yield* inEveryWay(size, LogHead.grow(records))
        assert.strictEqual(yield* LogHead.rootOf(peaks), headRoot(records), `${size}`)
        const older = yield* LogHead.grow(records.slice(0, size / 3))
        assert.deepStrictEqual(yield* inEveryWay(size, LogHead.grow(records.slice(size / 3), older)), peaks)
        yield* inEveryWay(size, LogHead.proveGrowth(older, records.slice(size / 3)))
        yield* inEveryWay(size, LogHead.proveRecords(records, [Math.floor(size / 2)]))
      }
    }))

  it.effect("are the same in rows and one by one: those of an hour", () =>
    Effect.gen(function*() {
      for (const size of sizes) {
        const leaves = hashesOf(size)
        assert.strictEqual(yield* inEveryWay(size, Merkle.rootOf(leaves)), pairRoot(leaves), `${size}`)
      }
    }))

  it.effect("are not built over what is no hash, wherever it is", () =>
    Effect.gen(function*() {
      for (const [size, place] of [[3, 1], [20, 0], [20, 19], [3000, 0], [3000, 2999], [3000, 1024]] as const) {
        for (const bad of ["", "zz".repeat(32), "AB".repeat(32)]) {
          const hashes = hashesOf(size).with(place, bad)
          yield* inEveryWay(
            size,
            Effect.gen(function*() {
              assert.strictEqual((yield* Effect.flip(LogHead.grow(hashes))).reason._tag, "InvalidRequest")
              assert.strictEqual((yield* Effect.flip(Merkle.rootOf(hashes))).reason._tag, "InvalidRequest")
            })
          )
        }
      }
    }))
})

describe("a module", () => {
  it("is done without where it cannot be compiled", () => {
    assert.isUndefined(wasmExports(treeRowBinary.slice(0, 400)))
    assert.isUndefined(wasmExports("no base64"))
  })

  it("is small enough to be compiled without waiting in every browser", () => {
    for (const binary of [treeRowBinary, plainRecordsBinary]) assert.isBelow(Buffer.from(binary, "base64").length, 4096)
  })
})
