/**
 * What every error of this package says about itself: what may have happened, and whether to try again.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * Whether the action that was asked for may have been done, or may yet be done, although the operation failed.
 *
 * @category models
 * @since 0.1.0
 */
export const SideEffect = Schema.Literals(["none", "possible"])

/**
 * The type of {@link SideEffect}.
 *
 * @category models
 * @since 0.1.0
 */
export type SideEffect = typeof SideEffect.Type

/**
 * What every error of this package says about itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly _tag: string
  /** May the action have been done, or may it yet be done? */
  readonly sideEffect: SideEffect
  /** Could the same operation succeed if it were tried again, with nothing done twice? */
  readonly isRetryable: boolean
  /** How long to keep silent first, where that is known. */
  readonly retryAfter: Duration.Duration | undefined
}
