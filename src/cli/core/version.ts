/**
 * The version of this package, as `--version` and the agent of `call` state it.
 *
 * @internal
 */
export const version = "0.1.0"
