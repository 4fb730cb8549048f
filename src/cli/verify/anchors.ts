/**
 * `--anchors`: what is pinned about a chain, from a file, and what was found there.
 *
 * @internal
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import type { AnchorFinding, AnchorsReport } from "../../verify/anchors/AnchorsReport.ts"
import type { Node, Options } from "../../verify/anchors/AnchorVerifier.ts"
import { FileFailed, Usage } from "../core/failure.ts"
import { parseDuration } from "../core/flags.ts"
import { readText } from "../core/readText.ts"
import { dim, green, type Line, red, wrap, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

/** A secret stands in the environment, and the file names the variable. */
const Secret = Schema.Union([Schema.String, Schema.Struct({ env: Schema.String })])

const File = Schema.fromJsonString(Schema.Struct({
  chainId: Schema.Int,
  contract: Schema.String,
  owner: Schema.optionalKey(Schema.String),
  ownerSince: Schema.optionalKey(Schema.Int),
  codeHash: Schema.optionalKey(Schema.String),
  systemId: Schema.optionalKey(Schema.String),
  finality: Schema.Union([Schema.Literal("finalized"), Schema.Struct({ confirmations: Schema.Int })]),
  maxDelay: Schema.String,
  maxLag: Schema.optionalKey(Schema.String),
  fromTree: Schema.optionalKey(Schema.Int),
  minNodes: Schema.optionalKey(Schema.Int),
  logRange: Schema.optionalKey(Schema.Int),
  nodes: Schema.Array(Schema.Struct({
    label: Schema.String,
    url: Secret,
    headers: Schema.optionalKey(Schema.Record(Schema.String, Secret)),
    allowInsecure: Schema.optionalKey(Schema.Boolean)
  }))
}))

const decode = Schema.decodeEffect(File, { errors: "all", onExcessProperty: "error" })

const secretOf = (path: string, secret: typeof Secret.Type): Effect.Effect<string | Redacted.Redacted, Usage> =>
  typeof secret === "string" ? Effect.succeed(secret) : Effect.mapError(
    Config.Redacted(secret.env),
    () => new Usage({ message: `${path} names the variable ${secret.env}, which is not set.` })
  )

/**
 * Reads the file before anything is asked.
 *
 * @internal
 */
export const readAnchors = Effect.fnUntraced(function*(file: Option.Option<string>) {
  if (Option.isNone(file)) return undefined
  const path = file.value
  const text = yield* Effect.mapError(readText(path), FileFailed.of("read", path))
  const { maxDelay, maxLag, nodes, ...rest } = yield* Effect.mapError(decode(text), ({ issue }) => {
    const issues = fieldIssues(issue, []).slice(0, 5).map(({ message, path }) => [...path, message].join(": "))
    return new Usage({ message: `${path} does not say where anchors are: ${issues.join("; ")}.` })
  })
  const durationOf = (name: string, text: string) =>
    Effect.mapError(
      Effect.fromOption(parseDuration(text)),
      () => new Usage({ message: `${path}: ${name} must be a duration like 90s, 5m or 2h.` })
    )
  const options: Options = {
    ...rest,
    maxDelay: yield* durationOf("maxDelay", maxDelay),
    maxLag: maxLag === undefined ? undefined : yield* durationOf("maxLag", maxLag),
    nodes: yield* Effect.forEach(nodes, ({ headers = {}, url, ...node }) =>
      Effect.gen(function*() {
        const secrets = yield* Effect.forEach(
          Object.entries(headers),
          ([name, secret]) => Effect.map(secretOf(path, secret), (value) => [name, value] as const)
        )
        const whole: Node = { ...node, url: yield* secretOf(path, url), headers: Object.fromEntries(secrets) }
        return whole
      }))
  }
  return { path, options }
})

/**
 * What the library says about the options is here said about the file.
 *
 * @internal
 */
export const aboutAnchors = (path: string) => <E>(error: E | VargateError): E | VargateError | Usage => {
  const isOurs = typeof error === "object" && error !== null && "operation" in error && "reason" in error
  if (!isOurs) return error
  const { operation, reason } = error
  return operation.startsWith("AnchorVerifier.") && reason._tag === "InvalidRequest" && isAboutFile(reason.issues)
    ? new Usage({
      message: `${path} does not say where anchors are: ${
        reason.issues.map(({ message, path }) => [...path, message].join(": ")).join("; ")
      }.`
    })
    : error
}

const fileFields = [
  "nodes",
  "chainId",
  "contract",
  "owner",
  "ownerSince",
  "codeHash",
  "finality",
  "fromTree",
  "minNodes",
  "logRange",
  "systemId"
]

const isAboutFile = (issues: ReadonlyArray<{ readonly path: ReadonlyArray<PropertyKey> }>) =>
  issues.every(({ path: [field] }) => typeof field === "string" && fileFields.includes(field))

const shown = 10

/** @internal */
export const anchorsWord = (report: AnchorsReport): Line => {
  const { chainId, findings, isChecked, nodes, omittedFindings, trees } = report
  const heard = nodes.filter(({ isChecked }) => isChecked).length
  const on = trees.filter(({ state }) => state === "anchored").length
  const waiting = trees.filter(({ state }) => state === "pending").length
  const asked = dim(` by ${heard} of ${Words.count(nodes.length, "node")}`)
  const count = findings.length + omittedFindings
  if (count > 0) return [red("✗ not as they should be"), `: ${Words.count(count, "finding")}`, asked]
  if (!isChecked) return [yellow("? not checked"), asked]
  return [
    green("✓ valid"),
    `, ${Words.count(on, "tree")} on chain ${chainId}`,
    waiting === 0 ? "" : `, ${waiting} may still be in time`,
    asked
  ]
}

/** @internal */
export const anchorLines = (
  { findings, gaps, omittedFindings }: AnchorsReport,
  width: number | undefined
): ReadonlyArray<Line> => {
  const hidden = Math.max(0, findings.length - shown) + omittedFindings
  return [
    ...gaps.map((gap): Line => [yellow("NotChecked"), `  ${gap}`]),
    ...findings.slice(0, shown).flatMap((finding): ReadonlyArray<Line> => [
      [red(finding._tag), "tree" in finding && finding.tree !== undefined ? `  tree ${finding.tree}` : ""],
      ...indented(meaningOf(finding), width)
    ]),
    ...hidden > 0 ? [dim(`... and ${Words.count(hidden, "finding")} more: --json has them`)] : []
  ]
}

const indented = (text: string, width: number | undefined): ReadonlyArray<Line> =>
  (width === undefined ? [text] : wrap(text, width - 2)).map((line) => ["  ", ...[line].flat()] as Line)

const brief = (hash: string) => hash.length > 16 ? `${hash.slice(0, 12)}...` : hash

const meaningOf = (finding: AnchorFinding): string => {
  switch (finding._tag) {
    case "ForeignChain":
      return `Node ${finding.node} is on chain ${finding.found}, not on ${finding.expected}.`
    case "NoContract":
      return `At ${finding.contract} there is no contract that keeps anchors.`
    case "WrongCode":
      return `The contract's code hashes to ${brief(finding.found)}, not to ${brief(finding.expected)}.`
    case "WrongOwner":
      return `The contract belongs to ${finding.found ?? "an unknown account"}, not to ${finding.expected}.`
    case "OwnershipTransferred":
      return `The contract went from ${finding.from} to ${finding.to} in block ${finding.block}.`
    case "AnchoredByAnother":
      return `Entry ${finding.anchorIndex} was written while the contract belonged to ${finding.owner}.`
    case "MalformedTransaction":
      return "What the gateway names as its transaction is no transaction hash."
    case "TransactionMissing":
      return `The chain does not have its transaction ${brief(finding.tx)}.`
    case "Reverted":
      return `Its transaction ${brief(finding.tx)} failed, so it wrote nothing.`
    case "ForeignContract":
      return `Its transaction ${brief(finding.tx)} wrote to another contract, ${finding.found}.`
    case "NoAnchorWritten":
      return `Its transaction ${brief(finding.tx)} wrote no anchor.`
    case "AnchoredOtherRoot":
      return `Its transaction anchored ${brief(finding.found)}, and the gateway shows ${brief(finding.expected)} now.`
    case "WrongBlock":
      return `Its transaction is in block ${finding.found}, not in ${finding.expected}.`
    case "NotOnChain":
      return `The block of its transaction, ${finding.block}, is not on the chain.`
    case "EntryDiffers":
      return `Entry ${finding.anchorIndex} has its root, and differs in ${finding.field}: ${
        brief(finding.found)
      }, not ${brief(finding.expected)}.`
    case "MissingAnchor":
      return "It is not on the chain, and should be."
    case "LateAnchor":
      return `It was anchored ${Words.stretch(1000 * finding.seconds)} after its hour; ${
        Words.stretch(1000 * finding.permitted)
      } are permitted.`
    case "AnchoredTooEarly":
      return `It was anchored ${Words.stretch(1000 * finding.seconds)} before its hour was over.`
    case "RecordAfterAnchor":
      return "One of its records claims to be younger than its anchor."
    case "RewrittenAfterAnchoring":
      return `Entry ${finding.anchorIndex} has its root, and its records do not lead to that any more.`
    case "ForkedTree":
      return `Entry ${finding.anchorIndex} has ${brief(finding.anchored)} in its place${
        finding.stored === undefined
          ? ", which the gateway does not show"
          : `, and the gateway shows ${brief(finding.stored)}`
      }.`
    case "NodesDisagree":
      return `Nodes do not answer alike about the ${finding.about}: ${
        finding.answers.map(({ answer, node }) => `${node}: ${answer}`).join("; ")
      }.`
  }
}
