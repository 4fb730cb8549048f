/**
 * Takes gzip off a stream of bytes, where there is any.
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

/** @internal */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b

/** @internal */
export const gunzip = <E, R>(
  chunks: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Uint8Array, E | BadGzip, R> =>
  Stream.unwrap(Effect.map(
    Stream.peel(Stream.filter(chunks, ({ length }) => length > 0), Sink.head<Uint8Array>()),
    ([first, rest]) => {
      if (Option.isNone(first)) return Stream.empty
      const whole = Stream.concat(Stream.succeed(first.value), rest)
      return isGzip(first.value) ? inflate(whole) : whole
    }
  ))

const inflate = <E, R>(chunks: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | BadGzip, R> =>
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

/**
 * The same for bytes that are all there.
 *
 * @internal
 */
export const gunzipBytes = (bytes: Uint8Array): Effect.Effect<Uint8Array, BadGzip> =>
  isGzip(bytes)
    ? Stream.runFold(inflate(Stream.succeed(bytes)), () => [] as Array<Uint8Array>, (parts, part) => {
      parts.push(part)
      return parts
    }).pipe(Effect.map(concatBytes))
    : Effect.succeed(bytes)
