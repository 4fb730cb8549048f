/**
 * A page of the audit log as it is sent: read and written block by block, so that neither a thousand records of 64 KB nor a
 * client that reads them slowly takes more memory than a few.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import type * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Ledger } from "../ledger/Ledger.ts"
import { wireRecord } from "./wireRecord.ts"

/** Records that are read at a time. */
const block = 50

/** Up to here an answer is put together before it is sent: most are, and then its length is known. */
const startCharacters = 256 * 1024

/**
 * The answer to GET /audit/log, of which all readers read one block at a time. Records that are appended meanwhile do not
 * shift what is read.
 *
 * @category answers
 * @since 0.1.0
 */
export const logAnswer = Effect.fnUntraced(function*(
  ledger: Ledger["Service"],
  tenantId: string,
  limit: number,
  offset: number,
  reading: Semaphore.Semaphore
) {
  let known: number | undefined
  let start = 0
  let count = 0

  /** The next records as JSON, without brackets. Undefined where there are no more. */
  const next = Effect.gen(function*() {
    const wanted = Math.min(block, limit - count)
    if (known !== undefined && wanted <= 0) return undefined
    let page = yield* ledger.page(tenantId, wanted, offset + count + (known ?? start) - start)
    if (known === undefined) start = page.total
    // Newest first: what was appended since has moved the place.
    while (known !== undefined && page.total !== known) {
      known = page.total
      page = yield* ledger.page(tenantId, wanted, offset + count + known - start)
    }
    known = page.total
    if (page.records.length === 0) return undefined
    count += page.records.length
    return page.records.map((record) => JSON.stringify(wireRecord(record))).join(",")
  }).pipe(reading.withPermits(1))

  const end = () => `],"count":${count},"offset":${offset},"total":${start},"tenant_id":${JSON.stringify(tenantId)}}`

  const beginning: Array<string> = []
  let characters = 0
  while (characters <= startCharacters) {
    const text = yield* next
    if (text === undefined) {
      return HttpServerResponse.text(`{"records":[${beginning.join(",")}${end()}`, { contentType: "application/json" })
    }
    beginning.push(text)
    characters += text.length
  }
  // What else has arrived runs before the next block: a tool call waits for one block, not for every reader of a long log.
  const rest = Stream.paginate(undefined, () =>
    Effect.map(Effect.andThen(Effect.yieldNow, next), (text) =>
      [
        [text === undefined ? end() : `,${text}`],
        text === undefined ? Option.none() : Option.some(undefined)
      ] as const))
  return HttpServerResponse.stream(
    Stream.make(`{"records":[${beginning.join(",")}`).pipe(Stream.concat(rest), Stream.rechunk(1), Stream.encodeText),
    { contentType: "application/json" }
  )
})
