/**
 * A response body on its way: chunks come in from a connection and go out to a reader, who slows the connection down
 * when it falls behind.
 *
 * @internal
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

/**
 * The connection that a body comes from.
 *
 * @internal
 */
export interface Connection {
  readonly pause: () => void
  readonly resume: () => void
  readonly abort: (reason: Error) => void
}

/** What may wait in memory for a reader before the connection is told to pause. */
const highWaterMark = 64 * 1024

type Pulled = Effect.Effect<Arr.NonEmptyReadonlyArray<Uint8Array>, unknown>

/** @internal */
export class ArrivingBody {
  private readonly connection: Connection
  private chunks: Array<Uint8Array> = []
  private waiting = 0
  private isPaused = false
  private ending: Pulled | undefined
  private reader: ((pulled: Pulled) => void) | undefined

  constructor(connection: Connection) {
    this.connection = connection
  }

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk)
    this.waiting += chunk.byteLength
    if (this.reader !== undefined) return this.hand(this.take()!)
    if (this.waiting >= highWaterMark && !this.isPaused) {
      this.isPaused = true
      this.connection.pause()
    }
  }

  end(): void {
    this.finish(Cause.done())
  }

  fail(error: unknown): void {
    this.finish(Effect.fail(error))
  }

  /** Ends the reading of a body whose rest is not wanted; the connection cannot be used again then. */
  cancel(): void {
    if (this.ending !== undefined) return
    this.fail(new Error("the response body was abandoned"))
    this.chunks = []
    this.connection.abort(new Error("the response body was abandoned"))
  }

  /** Everything that has arrived since the last pull; waits for something, ends with `Done`. */
  readonly pull: Pulled = Effect.suspend(() =>
    this.take() ?? this.ending ?? Effect.callback<Arr.NonEmptyReadonlyArray<Uint8Array>, unknown>((resume) => {
      this.reader = resume
      return Effect.sync(() => {
        this.reader = undefined
      })
    })
  )

  private take(): Pulled | undefined {
    if (this.chunks.length === 0) return undefined
    const taken = this.chunks
    this.chunks = []
    this.waiting = 0
    if (this.isPaused) {
      this.isPaused = false
      this.connection.resume()
    }
    return Effect.succeed(taken as unknown as Arr.NonEmptyReadonlyArray<Uint8Array>)
  }

  private finish(ending: Pulled): void {
    this.ending ??= ending
    if (this.reader !== undefined) this.hand(this.ending)
  }

  private hand(pulled: Pulled): void {
    const reader = this.reader
    this.reader = undefined
    reader?.(pulled)
  }
}
