/**
 * Reads the text of audit pages into an assembly.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { HasherService } from "../../Hasher.ts"
import type { ChainAssembly } from "../chain/chainAssembly.ts"
import type { PageChecks } from "../chain/pageChecks.ts"
import type { VerifiedRun } from "../chain/verifiedRun.ts"
import { MalformedJson } from "../json/jsonReader.ts"
import { type AuditPage, scanAuditPage } from "./auditScanner.ts"
import { RunScanner, scanInParallel } from "./parallelScan.ts"
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

/** The same, unless the text was found sound elsewhere. */
const take = (
  page: PageChecks,
  bytes: Uint8Array,
  run: VerifiedRun | undefined,
  hasher: HasherService
): Effect.Effect<AuditPage, MalformedJson> =>
  Effect.suspend(() => {
    if (run === undefined || !page.canTake(run)) return check(page, bytes, hasher)
    page.take(run)
    return Effect.succeed(run.page)
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
  hasher: HasherService,
  run?: VerifiedRun
): Effect.Effect<ReadPage, MalformedJson> => {
  const page = assembly.page()
  return Effect.map(take(page, bytes, run, hasher), (read) => endPage(assembly, page, read))
}

const endPage = (assembly: ChainAssembly, page: PageChecks, read: AuditPage): ReadPage => {
  page.end(read)
  assembly.add(page, read)
  return { ...read, rows: page.rows }
}

/**
 * Reads one page, or a whole log, that is in memory: cut into pieces where they are scanned elsewhere.
 *
 * @internal
 */
export const readBytes = (
  assembly: ChainAssembly,
  bytes: Uint8Array,
  hasher: HasherService
): Effect.Effect<ReadPage, MalformedJson> =>
  Effect.flatMap(RunScanner, (scanner) =>
    scanner === undefined
      ? readPage(assembly, bytes, hasher)
      : readStream(assembly, Stream.succeed(bytes), hasher))

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
    const splitAndScan = scanInParallel<void, MalformedJson | E, R>(assembly.wantsLeaves, (push) =>
      Stream.runForEach(
        chunks,
        Effect.fnUntraced(function*(chunk) {
          const pieces = splitter.push(chunk)
          for (;;) {
            // One at a time: the next piece takes the place of this one.
            const { done, value: piece } = yield* splitting(() => pieces.next())
            if (done === true) return
            const { bytes, offset } = piece
            yield* push(bytes, (text, run) =>
              Effect.mapError(
                Effect.asVoid(take(page, text, run, hasher)),
                ({ expected, position }) => new MalformedJson(offset + position, expected)
              ))
          }
        })
      ))
    return splitAndScan.pipe(
      Effect.andThen(Effect.suspend(() => Effect.fromResult(scanAuditPage(splitter.end().bytes, noRecord)))),
      Effect.map((read) => endPage(assembly, page, read))
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
