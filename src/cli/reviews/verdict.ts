/**
 * Whether ballots and log agree, in words.
 *
 * @internal
 */
import type { ReviewReport } from "../../reviews/ReviewVerifier.ts"
import { green, type Line, red } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

/** @internal */
export const verdictLine = ({ approvals, ballots, valid, votes }: ReviewReport): Line => [
  valid ? green("✓ ballots and log agree") : red("✗ ballots and log do not agree"),
  `: ${Words.count(ballots, "ballot")}, ${Words.count(votes, "vote")}, ${Words.count(approvals, "approval")} by votes`
]

/** @internal */
export const findingLines = ({ findings }: ReviewReport): ReadonlyArray<Line> =>
  findings.map(({ actionId, detail, fault }): Line => [red(fault), `  ${actionId}: ${detail}`])
