/**
 * What has to happen between a call's last wait and its first byte: a durable call claims there that it is the one to be
 * sent.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { VargateError } from "../../errors/VargateError.ts"

/**
 * Runs when a call has its turn and its key, and keeps it from being sent by a failure.
 *
 * @internal
 */
export const BeforeSending = Context.Reference<Effect.Effect<void, VargateError> | undefined>(
  "effect-vargate/internal/BeforeSending",
  { defaultValue: () => undefined }
)

/** The services of this package. Another implementation of `ToolCalls` sends when it likes. */
const minding = new WeakSet<object>()

/** @internal */
export const mindsBeforeSending = <S extends object>(toolCalls: S): S => {
  minding.add(toolCalls)
  return toolCalls
}

/**
 * Whether a service runs {@link BeforeSending} by itself.
 *
 * @internal
 */
export const isMinding = (toolCalls: object): boolean => minding.has(toolCalls)
