/**
 * Reads the text of audit pages into an assembly.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { HasherService } from "../Hasher.ts"
import { type AuditPage, scanAuditPage } from "./auditScanner.ts"
import type { ChainAssembly } from "./chainAssembly.ts"
import { MalformedJson } from "./jsonReader.ts"
import type { PageChecks } from "./pageChecks.ts"
import { RecordSplitter } from "./recordSplitter.ts"

const pieceSize = 256 * 1024

const noRecord = (): void => undefined

/** Scans a text and checks its records. Where hashing takes time, the text is scanned twice: payloads first. */
const check = (
  page: PageChecks,
  bytes: Uint8Array,
  hasher: HasherService
): Effect.Effect<AuditPage, MalformedJson> =>
  Effect.suspend(() => {
    const { hash } = hasher
    if (hash !== undefined) {
      const result = scanAuditPage(bytes, (record) => page.add(record, hash(record.payload)))
      if (Result.isSuccess(result)) page.endText(result.success)
      return Effect.fromResult(result)
    }
    const payloads: Array<Uint8Array<ArrayBuffer>> = []
    const first = scanAuditPage(bytes, (record) => void payloads.push(new Uint8Array(record.payload)))
    if (Result.isFailure(first)) return Effect.fail(first.failure)
    return Effect.flatMap(hasher.hashAll(payloads), (hashes) => {
      let row = 0
      const result = scanAuditPage(bytes, (record) => page.add(record, hashes[row++]!))
      page.endText(first.success)
      return Effect.fromResult(result)
    })
  })

/**
 * What a page says about itself, and how many records were really in it.
 *
 * @internal
 */
export interface ReadPage extends AuditPage {
  readonly rows: number
}

/**
 * Reads one page, or a whole log, that is in memory.
 *
 * @internal
 */
export const readPage = (
  assembly: ChainAssembly,
  bytes: Uint8Array,
  hasher: HasherService
): Effect.Effect<ReadPage, MalformedJson> => {
  const page = assembly.page()
  return Effect.map(check(page, bytes, hasher), (read) => {
    page.end(read)
    assembly.add(page, read)
    return { ...read, rows: page.rows }
  })
}

/**
 * Reads one page, or a whole log, as it streams in: memory does not grow with its length.
 *
 * @internal
 */
export const readStream = <E, R>(
  assembly: ChainAssembly,
  chunks: Stream.Stream<Uint8Array, E, R>,
  hasher: HasherService
): Effect.Effect<ReadPage, MalformedJson | E, R> =>
  Effect.suspend(() => {
    const page = assembly.page()
    const splitter = new RecordSplitter(pieceSize)
    const checkPieces = Effect.fnUntraced(function*(chunk: Uint8Array) {
      const pieces = splitter.push(chunk)
      for (;;) {
        // One at a time: the next piece takes the place of this one.
        const { done, value: piece } = yield* splitting(() => pieces.next())
        if (done === true) return
        yield* Effect.mapError(
          check(page, piece.bytes, hasher),
          ({ expected, position }) => new MalformedJson(piece.offset + position, expected)
        )
      }
    })
    return Stream.runForEach(chunks, checkPieces).pipe(
      Effect.andThen(Effect.suspend(() => Effect.fromResult(scanAuditPage(splitter.end().bytes, noRecord)))),
      Effect.map((read) => {
        page.end(read)
        assembly.add(page, read)
        return { ...read, rows: page.rows }
      })
    )
  })

const splitting = <A>(split: () => A): Effect.Effect<A, MalformedJson> =>
  Effect.try({
    try: split,
    catch: (error) => {
      if (error instanceof MalformedJson) return error
      throw error
    }
  })
