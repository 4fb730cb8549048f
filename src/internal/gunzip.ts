/**
 * Takes gzip off a stream of bytes, where there is any, up to a limit: a few bytes of gzip can hold gigabytes.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { concatBytes } from "./concatBytes.ts"

/**
 * The bytes are not what gzip writes, or end too early.
 *
 * @internal
 */
export class BadGzip {
  readonly _tag = "BadGzip"
}

/**
 * There is more text than the limits permit.
 *
 * @internal
 */
export class TooLarge {
  readonly _tag = "TooLarge"
  /** What is too large, and by which option it may be permitted. */
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

/** @internal */
export interface SizeLimits {
  /** Bytes of text, unpacked. */
  readonly maxBytes: number
  /** Bytes of text for each byte of gzip. */
  readonly maxExpansion: number
}

/** Genuine logs reach 10 to 15: half of a short record are hashes, which nothing compresses. */
export const defaultExpansion = 100

/** So much text is small whatever it was packed into. */
const alwaysPermitted = 16 * 1024 * 1024

/** @internal */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b

/** @internal */
export const gunzip = <E, R>(
  chunks: Stream.Stream<Uint8Array, E, R>,
  limits: SizeLimits
): Stream.Stream<Uint8Array, E | BadGzip | TooLarge, R> =>
  Stream.unwrap(Effect.map(
    Stream.peel(Stream.filter(chunks, ({ length }) => length > 0), Sink.head<Uint8Array>()),
    ([first, rest]) => {
      if (Option.isNone(first)) return Stream.empty
      const whole = Stream.concat(Stream.succeed(first.value), rest)
      return isGzip(first.value) ? inflate(whole, limits) : bounded(whole, limits, () => Infinity)
    }
  ))

/** Counts what comes out, and fails at the first byte too many. */
const bounded = <E, R>(
  text: Stream.Stream<Uint8Array, E, R>,
  { maxBytes, maxExpansion }: SizeLimits,
  packed: () => number
): Stream.Stream<Uint8Array, E | TooLarge, R> => {
  let bytes = 0
  return Stream.mapEffect(text, (chunk) => {
    bytes += chunk.length
    if (bytes > maxBytes) {
      return Effect.fail(new TooLarge(`holds more than ${maxBytes} bytes of text: permit more by maxBytes`))
    }
    if (bytes > Math.max(alwaysPermitted, maxExpansion * packed())) {
      const detail =
        `unpacks to more than ${maxExpansion} times its size: if it is meant to, permit more by maxExpansion`
      return Effect.fail(new TooLarge(detail))
    }
    return Effect.succeed(chunk)
  })
}

const inflate = <E, R>(
  chunks: Stream.Stream<Uint8Array, E, R>,
  limits: SizeLimits
): Stream.Stream<Uint8Array, E | BadGzip | TooLarge, R> =>
  Stream.suspend(() => {
    let packed = 0
    const counted = Stream.map(chunks, (chunk) => {
      packed += chunk.length
      return chunk
    })
    return bounded(decompress(counted), limits, () => packed)
  })

const decompress = <E, R>(chunks: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | BadGzip, R> =>
  Stream.unwrap(Effect.map(
    Stream.toReadableStreamEffect(chunks),
    (source) =>
      Stream.fromReadableStream<Uint8Array, E | BadGzip>({
        evaluate: () =>
          source.pipeThrough(new DecompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>),
        // Web streams pass an error of the source on as it is; their own are plain errors of the platform.
        onError: (error) => error instanceof Error && !("_tag" in error) ? new BadGzip() : error as E
      })
  ))

/** A decompressor keeps what it was given, so that a large file in one piece would be unpacked far ahead of its reader. */
const pieceSize = 64 * 1024

const piecesOf = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.range(0, Math.ceil(bytes.length / pieceSize) - 1).pipe(
    Stream.map((piece) => bytes.subarray(piece * pieceSize, (piece + 1) * pieceSize))
  )

/**
 * The same for bytes that are all there.
 *
 * @internal
 */
export const gunzipBytes = (bytes: Uint8Array, limits: SizeLimits): Effect.Effect<Uint8Array, BadGzip | TooLarge> => {
  if (isGzip(bytes)) {
    return Stream.runFold(inflate(piecesOf(bytes), limits), () => [] as Array<Uint8Array>, (parts, part) => {
      parts.push(part)
      return parts
    }).pipe(Effect.map(concatBytes))
  }
  return bytes.length <= limits.maxBytes
    ? Effect.succeed(bytes)
    : Effect.fail(new TooLarge(`holds more than ${limits.maxBytes} bytes of text: permit more by maxBytes`))
}
