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
import { scanVerifiedRun, type VerifiedRun } from "../chain/verifiedRun.ts"
import { MalformedJson } from "../json/jsonReader.ts"
import { ArrivingRecords, type Stretch } from "./arrivingRecords.ts"
import {
  type AuditPage,
  type LastEnd,
  type Scan,
  scanAuditPage,
  scanRecords,
  type TakenRecords
} from "./auditScanner.ts"
import { RunScanner, scanInParallel } from "./parallelScan.ts"
import { RecordSplitter } from "./recordSplitter.ts"

const pieceSize = 256 * 1024

const noRecord = (): void => undefined

/**
 * Scans a text and checks its records: all at once, and one by one where anything is wrong or a closer look is wanted.
 * Where hashing takes time, the text is scanned twice as well: payloads first.
 */
const checkRecords = <A extends LastEnd>(
  page: PageChecks,
  { hash, hashAll }: HasherService,
  scan: Scan<A>
): Effect.Effect<A, MalformedJson> =>
  Effect.suspend(() => {
    if (hash !== undefined) {
      const hashes: Array<string> = []
      const run = page.wantsTimes ? undefined : scanVerifiedRun(scan, hash, page.wantsLeaves, hashes)
      if (run !== undefined && page.canTake(run)) {
        page.take(run)
        return Effect.succeed(run.page)
      }
      let row = 0
      const result = scan((record) => page.add(record, hashes[row++] ?? hash(record.payload)))
      if (Result.isSuccess(result)) page.endText(result.success)
      return Effect.fromResult(result)
    }
    const payloads: Array<Uint8Array<ArrayBuffer>> = []
    const first = scan((record) => void payloads.push(new Uint8Array(record.payload)))
    if (Result.isFailure(first)) return Effect.fail(first.failure)
    return Effect.flatMap(hashAll(payloads), (hashes) => {
      let row = 0
      const result = scan((record) => page.add(record, hashes[row++]!))
      page.endText(first.success)
      return Effect.fromResult(result)
    })
  })

const check = (page: PageChecks, bytes: Uint8Array, hasher: HasherService): Effect.Effect<AuditPage, MalformedJson> =>
  checkRecords(page, hasher, (onRecord) => scanAuditPage(bytes, onRecord))

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
  Effect.flatMap(RunScanner, (scanner) => {
    const page = assembly.page()
    const around = scanner === undefined
      ? readArriving(page, chunks, hasher)
      : readPieces(page, chunks, hasher, assembly.wantsLeaves)
    return around.pipe(
      Effect.flatMap((around) => Effect.fromResult(scanAuditPage(around, noRecord))),
      Effect.map((read) => endPage(assembly, page, read))
    )
  })

/** Reads the records here, as they arrive. Returns the text around them. */
const readArriving = <E, R>(
  page: PageChecks,
  chunks: Stream.Stream<Uint8Array, E, R>,
  hasher: HasherService
): Effect.Effect<Uint8Array, MalformedJson | E, R> => {
  const arriving = new ArrivingRecords(pieceSize)
  const read = Effect.fnUntraced(function*(stretches: Generator<Stretch, void, TakenRecords>) {
    let { done, value: stretch } = yield* splitting(() => stretches.next())
    while (done !== true) {
      const { bytes, offset } = stretch as Stretch
      const taken = yield* Effect.mapError(
        checkRecords(page, hasher, (onRecord) => scanRecords(bytes, onRecord, stretch as Stretch)),
        ({ expected, position }) => new MalformedJson(offset + position, expected)
      )
      ;({ done, value: stretch } = yield* splitting(() => stretches.next(taken)))
    }
  })
  return Stream.runForEach(chunks, (chunk) => read(arriving.push(chunk))).pipe(
    Effect.andThen(Effect.suspend(() => read(arriving.end()))),
    Effect.map(() => arriving.rest)
  )
}

/** Has the records read elsewhere, in pieces. Returns the text around them. */
const readPieces = <E, R>(
  page: PageChecks,
  chunks: Stream.Stream<Uint8Array, E, R>,
  hasher: HasherService,
  withLeaves: boolean
): Effect.Effect<Uint8Array, MalformedJson | E, R> => {
  const splitter = new RecordSplitter(pieceSize)
  const splitAndScan = scanInParallel<void, MalformedJson | E, R>(withLeaves, (push) =>
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
  return Effect.map(splitAndScan, () => splitter.end().bytes)
}

const splitting = <A>(split: () => A): Effect.Effect<A, MalformedJson> =>
  Effect.try({
    try: split,
    catch: (error) => {
      if (error instanceof MalformedJson) return error
      throw error
    }
  })
