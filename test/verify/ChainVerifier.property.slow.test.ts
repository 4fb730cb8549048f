import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import type { Checkpoint } from "../../src/audit/Checkpoint.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import { canonicalJsonBytes } from "../../src/verify/internal/json/jsonCopier.ts"
import { type Random, seeded } from "../support/generateJson.ts"
import { gateway, rawPage, submitSome } from "../support/rawLog.ts"

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Rows as they are spelled, so that a manipulation changes nothing else. */
interface Log {
  readonly rows: ReadonlyArray<string>
  readonly total: number
}

const parse = (bytes: Uint8Array): Log => {
  const text = decoder.decode(bytes)
  const { records, total } = JSON.parse(text)
  // The embedded gateway writes as JSON.stringify does, so a row's text is known.
  const rows = records.map((record: unknown) => JSON.stringify(record))
  assert.isTrue(text.includes(rows.join(",")))
  return { rows, total }
}

const pageOf = (rows: ReadonlyArray<string>, total: number, count = rows.length) =>
  encoder.encode(`{"records":[${rows.join(",")}],"count":${count},"offset":0,"total":${total},"tenant_id":"t"}`)

/** True where the verification says so or fails; false where it finds nothing wrong. */
const isFound = (bytes: Uint8Array, checkpoints: ReadonlyArray<Checkpoint> = []) =>
  Effect.match(Effect.provide(ChainVerifier.verifyFile(bytes, { checkpoints }), NodeHasher.layer), {
    onSuccess: ({ valid }) => !valid,
    onFailure: ({ reason }) => reason._tag === "InvalidRequest"
  })

const hashed = [
  "action_id",
  "agent_id",
  "tool",
  "method",
  "params",
  "requested_at",
  "decision",
  "violations",
  "severity",
  "bundle_revision",
  "prev_hash",
  "record_hash"
] as const

/** What the hash sees of a row, or undefined where the row is no JSON any more. */
const meaning = (row: Uint8Array) => {
  const result = canonicalJsonBytes(row)
  return Result.isSuccess(result) ? decoder.decode(result.success) : undefined
}

/** The row with one byte of one hashed field changed to another. Undefined where that changes only the spelling. */
const withByteChanged = (random: Random, row: string): Uint8Array | undefined => {
  const bytes = encoder.encode(row)
  const field = random.pick(hashed)
  const key = encoder.encode(`"${field}":`)
  const names = Object.keys(JSON.parse(row))
  const next = names[names.indexOf(field) + 1]!
  const start = Buffer.from(bytes).indexOf(key) + key.length
  const end = Buffer.from(bytes).lastIndexOf(encoder.encode(`,"${next}":`))
  const at = start + random.below(end - start)
  const before = meaning(bytes)
  bytes[at] = (bytes[at]! + 1 + random.below(255)) & 0xff
  return meaning(bytes) === before ? undefined : bytes
}

const logs = Effect.forEach([11, 12, 13], (seed) =>
  Effect.gen(function*() {
    yield* submitSome(seeded(seed), 40)
    return parse(yield* rawPage())
  }).pipe(Effect.provide(gateway())))

describe("random logs of the embedded gateway", () => {
  it.effect("are valid while untouched, in any pages", () =>
    Effect.gen(function*() {
      const random = seeded(20)
      for (const { rows, total } of yield* logs) {
        assert.isFalse(yield* isFound(pageOf(rows, total)))
        for (let trial = 0; trial < 50; trial++) {
          const pages: Array<Uint8Array> = []
          for (let offset = 0; offset < total;) {
            const page = rows.slice(offset, offset + 1 + random.below(15))
            pages.push(encoder.encode(
              `{"records":[${
                page.join(",")
              }],"count":${page.length},"offset":${offset},"total":${total},"tenant_id":"t"}`
            ))
            // Sometimes the next page begins with records that this one had.
            offset += Math.max(1, page.length - random.below(3))
          }
          pages.sort(() => random.below(3) - 1)
          const report = yield* ChainVerifier.verifyPages(Stream.fromIterable(pages))
          assert.deepStrictEqual(report.findings, [])
          assert.strictEqual(report.records, total)
        }
      }
    }))

  it.effect("show every changed byte of a hashed field, 6,000 times", () =>
    Effect.gen(function*() {
      const random = seeded(21)
      let changed = 0
      for (const { rows, total } of yield* logs) {
        for (let trial = 0; trial < 2000; trial++) {
          const place = random.below(rows.length)
          const row = withByteChanged(random, rows[place]!)
          if (row === undefined) continue
          changed++
          const before = encoder.encode(`{"records":[${rows.slice(0, place).map((text) => text + ",").join("")}`)
          const after = encoder.encode(
            `${
              rows.slice(place + 1).map((text) => "," + text).join("")
            }],"count":${total},"offset":0,"total":${total},"tenant_id":"t"}`
          )
          assert.isTrue(yield* isFound(Buffer.concat([before, row, after])), decoder.decode(row))
        }
      }
      assert.isAbove(changed, 5500)
    }))

  const manipulations: Readonly<
    Record<string, (rows: Array<string>, random: Random) => ReadonlyArray<string> | undefined>
  > = {
    "a dropped record": (rows, random) => rows.toSpliced(random.below(rows.length - 1) + 1, 1),
    "a dropped newest record, by its total": (rows) => rows.slice(1),
    "a doubled record": (rows, random) => {
      const place = random.below(rows.length)
      return rows.toSpliced(place + random.below(rows.length - place), 0, rows[place]!)
    },
    "a record doubled above itself": (rows, random) => {
      const place = 1 + random.below(rows.length - 1)
      return rows.toSpliced(random.below(place), 0, rows[place]!)
    },
    "two swapped records": (rows, random) => {
      const [a, b] = [random.below(rows.length), random.below(rows.length)]
      const swapped = rows.slice()
      swapped[a] = rows[b]!
      swapped[b] = rows[a]!
      return a === b ? undefined : swapped
    },
    "a missing beginning": (rows, random) => rows.slice(0, 1 + random.below(rows.length - 1)),
    "a reversed log": (rows) => rows.toReversed()
  }

  for (const [name, manipulate] of Object.entries(manipulations)) {
    it.effect(`show ${name}, with the old total and with a total that fits`, () =>
      Effect.gen(function*() {
        const random = seeded(22)
        for (const { rows, total } of yield* logs) {
          for (let trial = 0; trial < 60; trial++) {
            const manipulated = manipulate(rows.slice(), random)
            if (manipulated === undefined) continue
            assert.isTrue(yield* isFound(pageOf(manipulated, total, manipulated.length)))
            if (name.includes("newest")) continue
            assert.isTrue(yield* isFound(pageOf(manipulated, manipulated.length)), `trial ${trial}`)
          }
        }
      }))
  }

  it.effect("show cut-off newest records to whoever kept a checkpoint", () =>
    Effect.gen(function*() {
      for (const { rows, total } of yield* logs) {
        const { checkpoint } = yield* ChainVerifier.verifyFile(pageOf(rows, total))
        for (let cut = 1; cut < rows.length; cut += 7) {
          const bytes = pageOf(rows.slice(cut), total - cut)
          assert.isFalse(yield* isFound(bytes))
          assert.isTrue(yield* isFound(bytes, [checkpoint!]))
        }
      }
    }))

  it.effect("show wrong counts and totals", () =>
    Effect.gen(function*() {
      for (const { rows, total } of yield* logs) {
        for (const wrong of [-1, 0, total - 1, total + 1, 10 ** 9]) {
          assert.isTrue(yield* isFound(pageOf(rows, wrong)))
          assert.isTrue(yield* isFound(pageOf(rows, total, wrong)))
        }
      }
    }))
})
