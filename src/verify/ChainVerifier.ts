/**
 * Verifies the audit log without trusting the gateway: every hash is recomputed from the very bytes that it sent.
 *
 * **When to use**
 *
 * `AuditLog.verify` asks the gateway whether the gateway is honest. This recomputes the answer: from
 * the network ({@link ChainVerifier}), from saved pages ({@link verifyPages}), or from a saved log of any length
 * ({@link verifyFile}). The last two need neither a gateway nor a key.
 *
 * **Details**
 *
 * The text is scanned, never parsed: number tokens (`1.0`, `1e16`, 30 digits), key order (`"10"` before `"2"`),
 * `__proto__` and repeated keys are hashed as they stand. Memory does not grow with the length of the log. What "valid"
 * says, and what it does not say, stands at `ChainReport`. SHA-256 comes from the `Hasher` in context: Web Crypto
 * everywhere, or `NodeHasher`, which is several times as fast. With `VerifierThreads` around them, {@link verifyPages}
 * and {@link verifyFile} use several threads.
 *
 * **Example** (A saved log, compared with your own checkpoint)
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Console, Effect, FileSystem } from "effect"
 * import { ChainVerifier, type Checkpoints } from "effect-vargate"
 * import * as NodeHasher from "effect-vargate/node/NodeHasher"
 *
 * const check = (path: string, kept: Checkpoints.Checkpoint) =>
 *   Effect.gen(function*() {
 *     const files = yield* FileSystem.FileSystem
 *     const report = yield* ChainVerifier.verifyFile(files.stream(path), { checkpoints: [kept] })
 *     yield* Console.log(report.valid ? "valid" : report.findings)
 *   }).pipe(Effect.provide([NodeFileSystem.layer, NodeHasher.layer]))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Checkpoint } from "../audit/Checkpoint.ts"
import type { OperationError, VargateError } from "../errors/VargateError.ts"
import { BadGzip, gunzip, TooLarge } from "../internal/gunzip.ts"
import * as Transport from "../transport/Transport.ts"
import type { ChainReport } from "./ChainReport.ts"
import { invalid, startCheck } from "./internal/chain/chainReport.ts"
import { chainReader, storedTrees } from "./internal/chain/readChain.ts"
import { MalformedJson } from "./internal/json/jsonReader.ts"
import { scanInParallel } from "./internal/scan/parallelScan.ts"
import { readBytes, type ReadPage, readPage, readStream } from "./internal/scan/readLog.ts"
import { inMemory, NotBytes, sizeLimits, textOf, type Unpacking, wordOf } from "./internal/scan/savedText.ts"
import type { MerkleTree } from "./MerkleProof.ts"

/**
 * What a log is compared with.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Checkpoints kept earlier. Those whose record is not in the log any more, or is another, are findings. */
  readonly checkpoints?: ReadonlyArray<Checkpoint> | undefined
  /** Stored Merkle trees to rebuild from the same records. */
  readonly trees?: ReadonlyArray<MerkleTree> | undefined
  /** The oldest so many findings are kept, the others counted. Default: 100. */
  readonly maxFindings?: number | undefined
}

/**
 * How much a saved log may hold. What holds more is refused with `InvalidRequest`: a gzip of a few kilobytes can unpack
 * to gigabytes.
 *
 * @category options
 * @since 0.1.0
 */
export interface SizeOptions {
  /**
   * Bytes of text, unpacked. Default: 64 GiB for {@link verifyFile}, which keeps no text; 256 MiB for a page of
   * {@link verifyPages} and for a file of evidence, which stay in memory.
   */
  readonly maxBytes?: number | undefined
  /** Bytes of text for each byte of gzip; 16 MiB of text are always permitted. Default: 100. */
  readonly maxExpansion?: number | undefined
}

/**
 * How to verify over the network.
 *
 * @category options
 * @since 0.1.0
 */
export interface VerifyOptions extends Omit<Options, "trees"> {
  /**
   * Reads down to this checkpoint only, and proves that its record is still there. What is older is fixed by its hash
   * and not read again.
   */
  readonly since?: Checkpoint | undefined
  /** Records per page, at most 1000. Default: 1000. */
  readonly pageSize?: number | undefined
  /** Rebuilds the stored Merkle trees (up to the newest 500) as well. Default: false. */
  readonly trees?: boolean | undefined
}

/**
 * Verifies the log of the key's tenant.
 *
 * @category services
 * @since 0.1.0
 */
export class ChainVerifier extends Context.Service<ChainVerifier, {
  /**
   * Reads the log newest first (GET /audit/log) and verifies it. A tampered log is a report that is not valid; an error
   * means that nothing could be found out.
   *
   * **Details**
   *
   * Records that are appended meanwhile belong to the next time. A page that answers 500 is narrowed down to the record
   * that cannot be shown, and the report names the gap; with more than 16 of them in one page the gateway is taken to
   * be down.
   */
  readonly verify: (options?: VerifyOptions) => Effect.Effect<ChainReport, OperationError>
}>()("effect-vargate/ChainVerifier") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const operation = "ChainVerifier.verify"

  const read = chainReader(transport, operation)

  const verify = Effect.fn("ChainVerifier.verify")(({ trees = false, ...options }: VerifyOptions = {}) =>
    read({ ...options, trees: trees ? storedTrees(transport, operation) : undefined })
  )

  return ChainVerifier.of({ verify })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ChainVerifier, never, Transport.Transport> = Layer.effect(ChainVerifier, make)

/**
 * `ChainVerifier.verify` of the service in context.
 *
 * @category accessors
 * @since 0.1.0
 */
export const verify = (options?: VerifyOptions): Effect.Effect<ChainReport, OperationError, ChainVerifier> =>
  ChainVerifier.use((verifier) => verifier.verify(options))

// --- what was saved --------------------------------------------------------------------------------------------------

/**
 * Verifies a log from saved pages: the answers to GET /audit/log, byte for byte, plain or gzipped, in any order. Pages
 * may overlap, and the log may have grown between them. Fails with `InvalidRequest` where a page is no page, naming the
 * byte, or where pages are of different tenants.
 *
 * **Gotchas**
 *
 * Each page stays in memory while it is read. For a single large file take {@link verifyFile}.
 *
 * Of pages that overlap, the versions of a record are compared where one of the two ends, and all over where they come one
 * after the other. A page that lies within an earlier one, with no end of a page in it, is checked by itself only.
 *
 * @category verifying
 * @since 0.1.0
 */
export const verifyPages: <E = never, R = never>(
  pages: Iterable<Uint8Array> | Stream.Stream<Uint8Array, E, R>,
  options?: Options & SizeOptions
) => Effect.Effect<ChainReport, VargateError | E, R> = Effect.fn("ChainVerifier.verifyPages")(function*<E, R>(
  pages: Iterable<Uint8Array> | Stream.Stream<Uint8Array, E, R>,
  options: Options & SizeOptions = {}
) {
  const operation = "ChainVerifier.verifyPages"
  const limits = yield* sizeLimits(operation, options, inMemory)
  const check = yield* startCheck(operation, options)
  let index = 0
  yield* scanInParallel<void, VargateError | E, R>(check.assembly.wantsLeaves, (push) =>
    Stream.runForEach(
      Stream.isStream(pages) ? pages as Stream.Stream<Uint8Array, E, R> : Stream.fromIterable(pages),
      (bytes) => {
        const path = ["pages", index++]
        return Effect.flatMap(
          Effect.mapError(textOf(bytes, limits), (error) => unreadable(operation, path, error)),
          (text) =>
            push(text, (text, run) =>
              readPage(check.assembly, text, check.hasher, run).pipe(
                Effect.mapError((error) => unreadable(operation, path, error)),
                Effect.flatMap(check.afterPage)
              ))
        )
      }
    ))
  return yield* check.finish
})

/**
 * Verifies a log from one saved answer to GET /audit/log of any length, plain or gzipped, as it streams in. Fails with
 * `InvalidRequest` where it is none, naming the byte.
 *
 * @category verifying
 * @since 0.1.0
 */
export const verifyFile: <E = never, R = never>(
  chunks: Uint8Array | Stream.Stream<Uint8Array, E, R>,
  options?: Options & SizeOptions
) => Effect.Effect<ChainReport, VargateError | E, R> = Effect.fn("ChainVerifier.verifyFile")(function*<E, R>(
  chunks: Uint8Array | Stream.Stream<Uint8Array, E, R>,
  options: Options & SizeOptions = {}
) {
  const operation = "ChainVerifier.verifyFile"
  const check = yield* startCheck(operation, options)
  const limits = yield* sizeLimits(operation, options, Stream.isStream(chunks) ? streamed : inMemory)
  const reading: Effect.Effect<ReadPage, Unreadable | E, R> = Stream.isStream(chunks)
    ? readStream(check.assembly, gunzip(chunks as Stream.Stream<Uint8Array, E, R>, limits), check.hasher)
    : Effect.flatMap(textOf(chunks, limits), (text) => readBytes(check.assembly, text, check.hasher))
  const page = yield* Effect.mapError(
    reading,
    (error) => isUnreadable(error) ? unreadable(operation, [], error) : error
  )
  yield* check.afterPage(page)
  return yield* check.finish
})

const streamed = 64 * 1024 ** 3

type Unreadable = MalformedJson | Unpacking

const isUnreadable = <E>(error: Unreadable | E): error is Unreadable =>
  error instanceof MalformedJson || error instanceof BadGzip || error instanceof TooLarge || error instanceof NotBytes

const unreadable = (operation: string, path: ReadonlyArray<string | number>, error: Unreadable) =>
  invalid(
    operation,
    path,
    error instanceof MalformedJson
      ? `is not a page of an audit log: ${error.expected} was expected at byte ${error.position}`
      : wordOf(error)
  )
