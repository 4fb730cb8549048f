/**
 * The version of this package, as `--version`, the agent of `call` and the clients of MCP servers state it.
 *
 * @internal
 */
export const version = "0.1.0"
