/**
 * The name of one governed action. Every answer to a tool call, every audit record and every approval carries it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Id of an action: a UUID for a tool call, `approval-{uuid}` or `rejection-{uuid}` for a reviewer's decision.
 *
 * **Details**
 *
 * The pattern admits what can stand safely in a URL path (letters, digits, `.`, `_`, `:`, `-`, beginning with a letter
 * or digit, at most 256 characters), so that an id never turns into a dot segment.
 *
 * @category ids
 * @since 0.1.0
 */
export const ActionId = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,255}$/, { expected: "an action id" })
).pipe(Schema.brand("effect-vargate/ActionId"))

/**
 * The type of {@link ActionId}.
 *
 * @category ids
 * @since 0.1.0
 */
export type ActionId = typeof ActionId.Type
