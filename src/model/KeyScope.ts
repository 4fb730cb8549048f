/**
 * What a key of the embedded gateway may do.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A scope of keys: `agent` submits tool calls, `reviewer` decides over them and opens the inbox, `operator` configures.
 * Every key reads. A tenant's first key has all three.
 *
 * **Gotchas**
 *
 * The hosted gateway has one key per tenant, and it has no scopes: a client that submits there can also approve, change
 * the settings and clear its own history.
 *
 * @category models
 * @since 0.1.0
 */
export const KeyScope = Schema.Literals(["agent", "reviewer", "operator"])

/**
 * The type of {@link KeyScope}.
 *
 * @category models
 * @since 0.1.0
 */
export type KeyScope = typeof KeyScope.Type
