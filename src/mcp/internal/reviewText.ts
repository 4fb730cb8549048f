/**
 * A pending action as text for a reviewer, in which everything is visible, and the digest of what it says.
 *
 * @internal
 */
import type { PendingAction } from "../../approvals/Approval.ts"
import { canonicalJson } from "../../internal/canonicalJson.ts"
import { sha256 } from "../../internal/sha256.ts"
import { piecesOf, visible, visibleJson } from "../../internal/visibleText.ts"

/**
 * How many characters of an action a question shows at most. What a reviewer scrolls past is not seen.
 *
 * @internal
 */
export const maxShown = 20_000

/** Around words that run from right to left, so that they reorder nothing of what stands beside them. */
const isolated = (text: string): string =>
  text.split("\n").map((line) =>
    piecesOf(line).map((piece) =>
      typeof piece === "string"
        ? piece
        : "text" in piece
        ? `\u2067${piece.text}\u2069`
        : String.fromCodePoint(piece.codePoint).repeat(piece.times)
    ).join("")
  ).join("\n")

/**
 * A name or a sentence of unknown origin, on one line.
 *
 * @internal
 */
export const shown = (text: string): string => isolated(visible(text))

/**
 * Params as JSON over several lines. A line of theirs cannot look like a line of the question: JSON has no line end inside
 * a string.
 *
 * @internal
 */
export const shownJson = (value: unknown): string =>
  isolated(visibleJson(JSON.stringify(value, undefined, 2) ?? "null"))

/** Names that could be mistaken for something else stand in quotes. */
const named = (name: string): string => /^[\w.@:-]{1,200}$/.test(name) ? name : shown(JSON.stringify(name))

/** @internal */
export const headOf = ({ agentId, method, tool }: PendingAction): string =>
  `${named(tool)}/${named(method)} for agent ${named(agentId)}`

/**
 * The whole action.
 *
 * @internal
 */
export const wholeOf = (action: PendingAction): string =>
  [
    `Action: ${action.actionId}`,
    `Tool: ${named(action.tool)}`,
    `Method: ${named(action.method)}`,
    `Agent: ${named(action.agentId)}`,
    `Severity: ${named(action.severity)}`,
    `Violations: ${action.violations.length === 0 ? "none" : action.violations.map(named).join(", ")}`,
    "Params:",
    shownJson(action.params).replaceAll(/^/gm, "    ")
  ].join("\n")

/**
 * The digest of everything that is shown, in hex.
 *
 * @internal
 */
export const digestOf = ({ actionId, agentId, method, params, severity, tool, violations }: PendingAction): string =>
  sha256(canonicalJson([actionId, agentId, tool, method, severity, violations, params]))
