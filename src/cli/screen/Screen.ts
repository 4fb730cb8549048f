/**
 * The two streams that a command writes to.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

/**
 * The reader has ended (`| head`). The program ends silently.
 *
 * @internal
 */
export class BrokenPipe extends Data.TaggedError("BrokenPipe") {}

/**
 * A stream cannot be written to: the disk is full, say.
 *
 * @internal
 */
export class WriteFailed extends Data.TaggedError("WriteFailed")<{ readonly detail: string }> {
  override get message() {
    return `The output cannot be written: ${this.detail}. What was done before stays done.`
  }
}

/** @internal */
export type WriteError = BrokenPipe | WriteFailed

/** @internal */
export interface Channel {
  readonly isTerminal: boolean
  readonly isColored: boolean
  /** Of the terminal, or what `COLUMNS` says; undefined where lines may be of any length. */
  readonly columns: () => number | undefined
  readonly rows: () => number | undefined
  readonly write: (text: string) => Effect.Effect<void, WriteError>
  /** For progress, from places where no effect can run. Errors are ignored. */
  readonly writeUnsafe: (text: string) => void
}

/** @internal */
export class Screen extends Context.Service<Screen, {
  readonly stdout: Channel
  readonly stderr: Channel
}>()("effect-vargate/cli/Screen") {}
