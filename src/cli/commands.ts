/**
 * All commands. The module of each is loaded when the command line names it: to load all of them takes several times as
 * long as to run one.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"

/**
 * In the order of the help: what its list says of a command, and where that is.
 *
 * @internal
 */
export const commands = {
  "init": {
    summary: "Write ~/.vargate/config.json, or a project",
    load: () => import("./init.ts").then(({ command }) => command)
  },
  "status": {
    summary: "The gateway, the queue and the log at a glance",
    load: () => import("./status.ts").then(({ command }) => command)
  },
  "doctor": {
    summary: "Prove that the gateway does its work",
    load: () => import("./doctor.ts").then(({ command }) => command)
  },
  "call": {
    summary: "Ask for one tool call",
    load: () => import("./call.ts").then(({ command }) => command)
  },
  "approvals": {
    summary: "Pending actions, and decisions about them",
    load: () => import("./approvals.ts").then(({ command }) => command)
  },
  "reviews": {
    summary: "A review panel: vote, and list, show and verify its ballots",
    load: () => import("./reviews.ts").then(({ command }) => command)
  },
  "inbox": {
    summary: "The page of a review panel over a gateway, whose key stays on this side",
    load: () => import("./inbox.ts").then(({ command }) => command)
  },
  "grants": {
    summary: "Standing approvals of a review panel: list, show and revoke them",
    load: () => import("./grants.ts").then(({ command }) => command)
  },
  "suspension": {
    summary: "Stop an agent, a tool or everything, at once",
    load: () => import("./suspension.ts").then(({ command }) => command)
  },
  "shadow": {
    summary: "What a policy would have stopped, before it is switched on",
    load: () => import("./shadow.ts").then(({ command }) => command)
  },
  "audit": {
    summary: "The records of the log, the newest last",
    load: () => import("./audit.ts").then(({ command }) => command)
  },
  "verify": {
    summary: "Verify the audit log, here or in files",
    load: () => import("./verify.ts").then(({ command }) => command)
  },
  "proof": {
    summary: "Prove that a record is in its Merkle tree",
    load: () => import("./proof.ts").then(({ command }) => command)
  },
  "replay": {
    summary: "Take decisions again, to find drift",
    load: () => import("./replay.ts").then(({ command }) => command)
  },
  "policy": {
    summary: "Try a policy on the past, and explain decisions",
    load: () => import("./policy.ts").then(({ command }) => command)
  },
  "evidence": {
    summary: "A part of the log in a file that others can verify",
    load: () => import("./evidence.ts").then(({ command }) => command)
  },
  "head": {
    summary: "Signed heads of the log, which witnesses cosign",
    load: () => import("./head.ts").then(({ command }) => command)
  },
  "settings": {
    summary: "The tenant's policy, switches and webhook, as a file",
    load: () => import("./settings.ts").then(({ command }) => command)
  },
  "credentials": {
    summary: "What the gateway needs to execute tools itself",
    load: () => import("./credentials.ts").then(({ command }) => command)
  },
  "session": {
    summary: "Open a session, whose token can be used in place of the key",
    load: () => import("./session.ts").then(({ command }) => command)
  },
  "workflows": {
    summary: "Durable calls: list, show, interrupt and resume them",
    load: () => import("./workflows.ts").then(({ command }) => command)
  },
  "mcp-proxy": {
    summary: "Govern an MCP server: ask before each call",
    load: () => import("./mcpProxy.ts").then(({ command }) => command)
  },
  "mcp-pins": {
    summary: "Tools of MCP servers that have changed: show and accept them",
    load: () => import("./mcpPins.ts").then(({ command }) => command)
  },
  "mcp-reviews": {
    summary: "The approval queue as an MCP server, for a reviewer's client",
    load: () => import("./mcpReviews.ts").then(({ command }) => command)
  },
  "dev": {
    summary: "Serve a gateway on this machine, with its ledger in a file",
    load: () => import("./dev.ts").then(({ command }) => command)
  },
  "backup": {
    summary: "Back up a gateway's ledger, also while the gateway runs",
    load: () => import("./ledger.ts").then(({ backup }) => backup)
  },
  "restore": {
    summary: "Put a gateway's ledger back from a backup",
    load: () => import("./ledger.ts").then(({ restore }) => restore)
  },
  "archive": {
    summary: "Take old records out of the ledger of a gateway that is stopped",
    load: () => import("./ledger.ts").then(({ archive }) => archive)
  }
} as const

type Entry = (typeof commands)[keyof typeof commands]
type Loaded = Awaited<ReturnType<Entry["load"]>>

/**
 * The commands for a command line: those whose names are in it, wherever they stand, and of the others what the help and the
 * parser need to know. A completion script is about all of them.
 *
 * @internal
 */
export const commandsFor = (
  args: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Loaded | ReturnType<typeof listed>>> => {
  const isWhole = args.some((arg) => arg.startsWith("--completions"))
  return Effect.promise(() =>
    Promise.all(
      Object.entries(commands).map(([name, { load, summary }]) =>
        isWhole || args.includes(name) ? load() : listed(name, summary)
      )
    )
  )
}

const listed = (name: string, summary: string) => Command.make(name).pipe(Command.withDescription(summary))
