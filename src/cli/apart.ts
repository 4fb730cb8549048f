/**
 * Which command lines a published package starts from its bundle. Loading the modules that a command needs one by one
 * takes longer than all else that it does, so they are bundled, with `effect`; see `.ci/cli.ts`.
 *
 * @internal
 */

/**
 * Commands that are not in the bundle: they need other packages, files of this one, or the gateway.
 *
 * @internal
 */
export const apart: ReadonlyArray<string> = [
  "init",
  "inbox",
  "reviews",
  "grants",
  "suspension",
  "shadow",
  "workflows",
  "mcp-proxy",
  "mcp-reviews",
  "policy",
  "dev",
  "backup",
  "restore",
  "archive"
]

/**
 * Whether none of those may be meant. A completion script is about all commands, and a file of data is read by a database.
 *
 * @internal
 */
export const isBundled = (args: ReadonlyArray<string>): boolean =>
  !args.some((arg) =>
    apart.includes(arg) || arg.startsWith("--completions") || arg === "--data" || arg.startsWith("--data=")
  )
