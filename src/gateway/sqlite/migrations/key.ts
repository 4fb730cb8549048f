/**
 * A text that is encrypted under the gateway's key, so that a wrong key is known for one.
 *
 * @since 0.1.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const key: ReadonlyArray<string> = [`CREATE TABLE key_probe (sealed BLOB NOT NULL) STRICT`]
