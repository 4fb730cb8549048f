import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { ArrivingRecords } from "../../../../src/verify/internal/scan/arrivingRecords.ts"
import { scanAuditPage, scanRecords } from "../../../../src/verify/internal/scan/auditScanner.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const record = (id: number, params: string) =>
  `{"id":${id},"action_id":"a-${id}","agent_id":"a","tool":"t","method":"m","params":${params},"requested_at":"2026",` +
  `"decision":"allow","violations":[],"severity":"none","bundle_revision":null,"prev_hash":"${"0".repeat(64)}",` +
  `"record_hash":"${"1".repeat(64)}"}`

const page = (records: ReadonlyArray<string>) =>
  encoder.encode(`{"records":[${records.join(",")}],"count":1,"offset":0,"total":1,"tenant_id":"t"}`)

/** The payloads of a whole page, and where it ends. */
const scanWhole = (bytes: Uint8Array) => {
  const payloads: Array<string> = []
  const { lastActionId } = Result.getOrThrow(
    scanAuditPage(bytes, (record) => payloads.push(decoder.decode(record.payload)))
  )
  return { payloads, lastActionId }
}

/** The same of one that arrives in chunks; how many bytes were scanned for that, and at most at a time. */
const scanArriving = (bytes: Uint8Array, stretchSize: number, chunkSize: number) => {
  const arriving = new ArrivingRecords(stretchSize)
  const payloads: Array<string> = []
  let lastActionId: string | undefined
  let scanned = 0
  let largest = 0
  const read = (stretches: ReturnType<typeof arriving.push>) => {
    for (let turn = stretches.next(); turn.done !== true;) {
      scanned += turn.value.bytes.length
      largest = Math.max(largest, turn.value.bytes.length)
      const onRecord = (record: { readonly payload: Uint8Array }) => payloads.push(decoder.decode(record.payload))
      const taken = Result.getOrThrow(scanRecords(turn.value.bytes, onRecord, turn.value))
      lastActionId = taken.lastActionId ?? lastActionId
      turn = stretches.next(taken)
    }
  }
  for (let at = 0; at < bytes.length; at += chunkSize) read(arriving.push(bytes.subarray(at, at + chunkSize)))
  read(arriving.end())
  Result.getOrThrow(scanAuditPage(arriving.rest, () => assert.fail("a record beside the records")))
  return { payloads, lastActionId, scanned, largest }
}

describe("ArrivingRecords", () => {
  it("reads the records of a page, wherever it is cut", () => {
    const bytes = page([
      record(3, `{"a":"]},{\\"id\\":1","b":[{},{"id":1}],"c":"\u00e9\ud83d\ude00"}`),
      record(2, " [ 1.0 , null ] "),
      record(1, "{}")
    ])
    const expected = scanWhole(bytes)
    for (let chunkSize = 1; chunkSize < bytes.length; chunkSize += 3) {
      for (const stretchSize of [1, chunkSize, 500]) {
        const { lastActionId, payloads } = scanArriving(bytes, stretchSize, chunkSize)
        assert.deepStrictEqual({ lastActionId, payloads }, expected, `${stretchSize}, ${chunkSize}`)
      }
    }
  })

  it("reads a page without records", () => {
    const bytes = page([])
    for (const chunkSize of [1, 5, 1000]) {
      assert.deepStrictEqual(scanArriving(bytes, 1, chunkSize).payloads, [])
    }
  })

  it("reads records that are many times as long as a stretch, and looks at none of their bytes more than a few times", () => {
    const long = (size: number) => record(size, `{"text":"${"a".repeat(size)}"}`)
    const many = Array.from({ length: 5000 }, (_, id) => record(id, "{}"))
    const bytes = page([record(4, "{}"), long(100_000), record(3, "{}"), long(700_000), long(10), ...many])
    const { largest, lastActionId, payloads, scanned } = scanArriving(bytes, 4096, 1000)
    assert.deepStrictEqual({ lastActionId, payloads }, scanWhole(bytes))
    assert.isBelow(scanned, 4 * bytes.length)
    assert.isBelow(largest, 2.2 * 700_000)
  })
})
