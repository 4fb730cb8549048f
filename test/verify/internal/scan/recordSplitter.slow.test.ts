import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { MalformedJson } from "../../../../src/verify/internal/json/jsonReader.ts"
import { ArrivingRecords } from "../../../../src/verify/internal/scan/arrivingRecords.ts"
import { scanAuditPage, scanRecords } from "../../../../src/verify/internal/scan/auditScanner.ts"
import { RecordSplitter } from "../../../../src/verify/internal/scan/recordSplitter.ts"
import { generateJson, mutate, type Random, seeded, spellJson } from "../../../support/generateJson.ts"

const encoder = new TextEncoder()

const scan = (bytes: Uint8Array) => {
  const records: Array<readonly [number, string]> = []
  const page = scanAuditPage(bytes, (record) => records.push([record.id, new TextDecoder().decode(record.payload)]))
  if (Result.isFailure(page)) throw page.failure
  return { records, count: page.success.count, offset: page.success.offset, total: page.success.total }
}

/** The same through pieces, or undefined where one of them, or cutting them, says that this is no page. */
const scanPieces = (bytes: Uint8Array, pieceSize: number, chunkSize: number) => {
  const splitter = new RecordSplitter(pieceSize)
  const records: Array<readonly [number, string]> = []
  for (let at = 0; at < bytes.length; at += chunkSize) {
    for (const piece of splitter.push(bytes.slice(at, at + chunkSize))) records.push(...scan(piece.bytes).records)
  }
  return { ...scan(splitter.end().bytes), records }
}

/** The same through stretches that the scanner reads as far as it can. */
const scanArriving = (bytes: Uint8Array, stretchSize: number, chunkSize: number) => {
  const arriving = new ArrivingRecords(stretchSize)
  const records: Array<readonly [number, string]> = []
  const read = (stretches: ReturnType<typeof arriving.push>) => {
    for (let turn = stretches.next(); turn.done !== true;) {
      const { bytes, offset } = turn.value
      const taken = scanRecords(
        bytes,
        (record) => records.push([record.id, new TextDecoder().decode(record.payload)]),
        turn.value
      )
      if (Result.isFailure(taken)) {
        const { expected, position } = taken.failure
        throw new MalformedJson(offset + position, expected)
      }
      turn = stretches.next(taken.success)
    }
  }
  for (let at = 0; at < bytes.length; at += chunkSize) read(arriving.push(bytes.slice(at, at + chunkSize)))
  read(arriving.end())
  return { ...scan(arriving.rest), records }
}

const ways = { scanPieces, scanArriving }

const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch (error) {
    if (error instanceof MalformedJson) return undefined
    throw error
  }
}

const hex = "0".repeat(64)

const recordText = (random: Random, id: number) =>
  "{" + [
    `"id":${id}`,
    `"action_id":"a-${id}"`,
    "\"agent_id\":\"a\"",
    "\"tool\":\"]},{\\\\\"",
    "\"method\":\"m\"",
    `"params":${spellJson(random, { "records": [generateJson(random)], "\\\"": "\\" })}`,
    "\"requested_at\":\"2026\"",
    "\"decision\":\"allow\"",
    "\"violations\":[]",
    "\"severity\":\"none\"",
    "\"bundle_revision\":\"v\"",
    `"prev_hash":"${hex}"`,
    `"record_hash":"${hex}"`
  ].join(random.pick([",", ", ", " ,\n"])) + "}"

const pageText = (random: Random) => {
  const records = Array.from({ length: random.below(5) }, (_, i) => recordText(random, i)).join(
    random.pick([",", " , "])
  )
  const key = random.pick(["\"records\"", "\"\\u0072ecords\""])
  const members = [`${key} : [${records}]`, "\"count\":1", "\"offset\":0", "\"total\":9", "\"tenant_id\":\"records\""]
  if (random.below(2) === 0) members.push("\"x\":{\"records\":[1,2]}", "\"y\":[[{}],\"records\"]")
  for (let i = members.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const other = members[j]!
    members[j] = members[i]!
    members[i] = other
  }
  return `${random.pick(["", "\ufeff", " \n"])}{${members.join(",")}}${random.pick(["", "\n"])}`
}

describe("RecordSplitter", () => {
  it("finds the records of 1,000 pages, whatever the size of chunks and pieces", () => {
    const random = seeded(81)
    for (let i = 0; i < 1000; i++) {
      const bytes = encoder.encode(pageText(random))
      const expected = scan(bytes)
      for (
        const [pieceSize, chunkSize] of [[1, 1], [1, 1000], [200, 7], [1e9, 50], [
          1 + random.below(900),
          1 + random.below(900)
        ]]
      ) {
        for (const way of Object.values(ways)) assert.deepStrictEqual(way(bytes, pieceSize!, chunkSize!), expected)
      }
    }
  })

  it("refuses a comma without a record after it, or before it", () => {
    const record = recordText(seeded(83), 1)
    for (const records of [`${record},`, `${record}, `, `,${record}`, `${record},,${record}`, ",", " , "]) {
      const bytes = encoder.encode(`{"records":[${records}],"count":1,"offset":0,"total":9,"tenant_id":"t"}`)
      for (const pieceSize of [1, 1000]) {
        for (const [name, way] of Object.entries(ways)) {
          assert.isUndefined(attempt(() => way(bytes, pieceSize, 64)), `${name}, ${pieceSize}: ${records}`)
        }
      }
    }
  })

  it("accepts exactly what the scanner accepts, on 30,000 mutations", () => {
    const random = seeded(82)
    let accepted = 0
    for (let i = 0; i < 30_000; i++) {
      const bytes = encoder.encode(mutate(random, pageText(random)))
      const expected = attempt(() => scan(bytes))
      for (const way of Object.values(ways)) {
        const found = attempt(() => way(bytes, 1 + random.below(300), 1 + random.below(300)))
        assert.deepStrictEqual(found, expected, new TextDecoder().decode(bytes))
      }
      if (expected !== undefined) accepted++
    }
    assert.isAbove(accepted, 2000)
  })
})

describe("ArrivingRecords", () => {
  it("names the byte of a record that the scanner of the whole text names", () => {
    const random = seeded(84)
    const positionOf = (run: () => unknown) => {
      try {
        run()
        return undefined
      } catch (error) {
        return (error as MalformedJson).position
      }
    }
    for (let i = 0; i < 1000; i++) {
      const records = [1, 2, 3].map((id) => recordText(random, id)).join(",")
      const bytes = encoder.encode(`{"records":[${records}],"count":3,"offset":0,"total":3,"tenant_id":"t"}`)
      // Allowed neither in a string nor outside of one.
      bytes[12 + random.below(records.length)] = 1
      const expected = positionOf(() => scan(bytes))
      const found = positionOf(() => scanArriving(bytes, 1 + random.below(900), 1 + random.below(900)))
      assert.isNumber(expected)
      assert.strictEqual(found, expected)
    }
  })
})

describe("a text that would fill the memory", () => {
  const mebi = 1024 * 1024

  /** Pushes more and more of it both ways, and says how many bytes it took until it was refused. */
  const taken = (beginning: string, chunk: Uint8Array) => {
    const splitter = new RecordSplitter(1024)
    const arriving = new ArrivingRecords(1024)
    return Math.max(
      takenBy(beginning, chunk, (bytes) => {
        for (const _ of splitter.push(bytes)) assert.fail("no piece yet")
      }),
      takenBy(beginning, chunk, (bytes) => {
        const stretches = arriving.push(bytes)
        for (let turn = stretches.next(); turn.done !== true;) {
          const taken = scanRecords(turn.value.bytes, () => assert.fail("no record yet"), turn.value)
          turn = stretches.next(Result.getOrThrow(taken))
        }
      })
    )
  }

  const takenBy = (beginning: string, chunk: Uint8Array, push: (bytes: Uint8Array) => void) => {
    push(encoder.encode(beginning))
    for (let bytes = 0; bytes < 256 * mebi; bytes += chunk.length) {
      try {
        push(chunk)
      } catch (error) {
        if (error instanceof MalformedJson) return bytes
        throw error
      }
    }
    return Infinity
  }

  it("is refused after a mebibyte beside the records, wherever that stands", () => {
    const blanks = encoder.encode(" ".repeat(mebi / 4))
    assert.isAtMost(taken("", blanks), mebi)
    assert.isAtMost(taken("{\"note\":\"", encoder.encode("a".repeat(mebi / 4))), mebi)
    assert.isAtMost(taken("{\"records\":[],\"note\":", blanks), mebi)
  })

  it("is refused after 64 mebibytes of one record", () => {
    assert.isAtMost(taken("{\"records\":[{\"params\":\"", encoder.encode("a".repeat(mebi))), 64 * mebi)
  })
})
