import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { hash } from "node:crypto"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import { headOf, recordsOf } from "./heads.ts"

/** RFC 6962, word by word. */
const mth = (leaves: ReadonlyArray<string>): string => {
  if (leaves.length === 0) return hash("sha256", "", "hex")
  if (leaves.length === 1) return hash("sha256", Buffer.from(`00${leaves[0]}`, "hex"), "hex")
  let k = 1
  while (2 * k < leaves.length) k *= 2
  return hash("sha256", Buffer.from(`01${mth(leaves.slice(0, k))}${mth(leaves.slice(k))}`, "hex"), "hex")
}

describe("the root of a head", () => {
  it.effect("is that of RFC 6962, with either hasher, however it has grown", () =>
    Effect.gen(function*() {
      for (let size = 0; size <= 40; size++) {
        const records = recordsOf(size)
        const whole = yield* LogHead.grow(records)
        assert.strictEqual(yield* LogHead.rootOf(whole), mth(records))
        const cut = Math.floor(size / 3)
        const first = yield* LogHead.grow(records.slice(0, cut))
        const grown = yield* Effect.provide(LogHead.grow(records.slice(cut), first), NodeHasher.layer)
        assert.deepStrictEqual(grown, whole)
      }
    }))

  it.effect("is not computed over what is no hash", () =>
    Effect.gen(function*() {
      for (const bad of ["", "zz".repeat(32), "AB".repeat(32), "00"]) {
        const error = yield* Effect.flip(LogHead.grow([bad]))
        assert.strictEqual(error.reason._tag, "InvalidRequest")
      }
    }))
})

describe("growth", () => {
  it.effect("is proved from the peaks and the new records alone, for every pair of sizes up to 24", () =>
    Effect.gen(function*() {
      for (let size = 0; size <= 24; size++) {
        const records = recordsOf(size)
        const newer = yield* headOf("log", records)
        for (let old = 0; old <= size; old++) {
          const older = yield* headOf("log", records.slice(0, old))
          const path = yield* LogHead.proveGrowth(yield* LogHead.grow(records.slice(0, old)), records.slice(old))
          assert.isTrue(yield* LogHead.isContinuation(older, newer, path), `${old} to ${size}`)
          const other = { size: old, root: hash("sha256", "other", "hex") as LogHead.LogHead["root"] }
          assert.isFalse(yield* LogHead.isContinuation(other, newer, path))
        }
      }
    }).pipe(Effect.provide(NodeHasher.layer)))

  it.effect("of a log that was rewritten or cut cannot be proved", () =>
    Effect.gen(function*() {
      const records = recordsOf(20)
      const older = yield* headOf("log", records.slice(0, 13))
      const rewritten = records.map((record, i) => i === 4 ? hash("sha256", "rewritten", "hex") : record)
      const newer = yield* headOf("log", rewritten)
      for (const old of [records, rewritten]) {
        const path = yield* LogHead.proveGrowth(yield* LogHead.grow(old.slice(0, 13)), rewritten.slice(13))
        assert.isFalse(yield* LogHead.isContinuation(older, newer, path))
      }
      assert.isFalse(yield* LogHead.isContinuation(newer, older, []))
      assert.isFalse(yield* LogHead.isContinuation(older, newer, ["no hash"]))
    }).pipe(Effect.provide(NodeHasher.layer)))
})

describe("a record", () => {
  it.effect("is proved to be at its place, and at no other", () =>
    Effect.gen(function*() {
      for (const size of [1, 2, 3, 7, 8, 13, 21]) {
        const records = recordsOf(size)
        const head = yield* headOf("log", records)
        const paths = yield* LogHead.proveRecords(records, records.map((_, i) => i))
        for (const [index, path] of paths.entries()) {
          assert.isTrue(yield* LogHead.isIncluded(records[index]!, index, head, path))
          assert.isFalse(yield* LogHead.isIncluded(records[index]!, index + 1, head, path))
          assert.isFalse(yield* LogHead.isIncluded(hash("sha256", "other", "hex"), index, head, path))
          assert.isFalse(yield* LogHead.isIncluded(records[index]!, index, head, [...path, head.root]))
          if (path.length > 0) {
            assert.isFalse(yield* LogHead.isIncluded(records[index]!, index, head, path.slice(1)))
          }
        }
      }
      // The path of another size may end at the root as well.
      const [path] = yield* LogHead.proveRecords(recordsOf(2), [0])
      const { root } = yield* headOf("log", recordsOf(2))
      assert.isTrue(yield* LogHead.isIncluded(recordsOf(2)[0]!, 0, { root, size: 2 }, path!))
      assert.isFalse(yield* LogHead.isIncluded(recordsOf(2)[0]!, 0, { root, size: 4 }, path!))
      for (const place of [-1, 3, 0.5]) {
        assert.strictEqual(
          (yield* Effect.flip(LogHead.proveRecords(recordsOf(3), [place]))).reason._tag,
          "InvalidRequest"
        )
      }
    }).pipe(Effect.provide(NodeHasher.layer)))
})

describe("a checkpoint", () => {
  it.effect("is three lines, and what else stands below them", () =>
    Effect.gen(function*() {
      const head = new LogHead.LogHead({
        ...(yield* headOf("vargate.test/log", recordsOf(3))),
        extensions: ["more", "and more"]
      })
      const text = LogHead.format(head)
      assert.match(text, /^vargate\.test\/log\n3\n[A-Za-z0-9+/]{43}=\nmore\nand more\n$/)
      assert.deepStrictEqual({ ...(yield* LogHead.parse(text)) }, { ...head })
      const bad = [
        "",
        "a\n3\n",
        text.slice(0, -1),
        text.replace("\n3\n", "\n03\n"),
        text.replace("\n3\n", "\n-3\n"),
        text.replace("\n3\n", "\n9007199254740993\n"),
        text.replace("=\n", "\n"),
        `\n${text}`,
        `${text}\n`
      ]
      for (const text of bad) {
        assert.strictEqual((yield* Effect.flip(LogHead.parse(text))).reason._tag, "InvalidRequest", text)
      }
    }))
})
