/** Whether the audit log is what it was: verified here, from the bytes that the gateway sent. */
import * as Effect from "effect/Effect"
import type { Checkpoint } from "../../../audit/Checkpoint.ts"
import type { OperationError } from "../../../errors/VargateError.ts"
import type { ChainReport } from "../../../verify/ChainReport.ts"
import type { VerifyOptions } from "../../../verify/ChainVerifier.ts"
import { Hasher } from "../../../verify/Hasher.ts"
import { button, element, setText } from "./elements.ts"
import { sentenceOf } from "./findings.ts"
import type { Session } from "./session.ts"
import { clockTime } from "./times.ts"
import { visible } from "./visibleNodes.ts"

export interface Options {
  readonly verifier: Session["verifier"]
  readonly onVerify: () => void
  /** The chain was found broken, with the first finding, or sound again. */
  readonly onTurn: (finding: string | undefined) => void
}

export interface ChainPanel {
  readonly element: HTMLElement
  /** Reads the whole log again, and shows how far it has come. */
  readonly verifyAll: Effect.Effect<void>
  /** Brings the verdict up to date with a log of so many records. */
  readonly keepUp: (total: number) => Effect.Effect<void, OperationError>
}

type State = "unknown" | "empty" | "valid" | "broken" | "failed"

/** So many are read again whenever something is new; of longer logs, what is newer than the last verdict. */
const alwaysAll = 500
/** Longer logs are verified on request only. */
const longestUnasked = 20_000
const shownFindings = 5

const hashOf = (hash: string) =>
  element("p", { class: "hint" }, "Newest hash ", element("code", { title: hash }, visible(hash.slice(0, 16))))

export const makeChainPanel = ({ onTurn, onVerify, verifier }: Options): ChainPanel => {
  const heading = element("h2", { id: "chain" }, "Audit chain")
  const verdict = element("p", { class: "verdict" }, "Not verified yet.")
  const details = element("div", { class: "details" })
  const progress = element("progress", { "aria-label": "Records verified", hidden: true })
  const again = button(["Verify again"], onVerify, { class: "quiet" })
  const panel = element(
    "section",
    { class: "panel chain", "aria-labelledby": heading.id, "data-state": "unknown" },
    heading,
    verdict,
    progress,
    details,
    again
  )
  let total = 0
  let isBroken = false
  let checkpoint: Checkpoint | undefined

  const show = (state: State, sentence: string, ...more: ReadonlyArray<Node>) => {
    panel.dataset["state"] = state
    setText(verdict, sentence)
    details.replaceChildren(...more)
  }

  const showReport = (report: ChainReport, records: number) => {
    const at = clockTime(new Date())
    if (report.valid) {
      if (isBroken) onTurn(undefined)
      isBroken = false
      checkpoint = report.checkpoint ?? checkpoint
      if (records === 0) {
        return show("empty", "Nothing recorded yet", element("p", {}, "The first record begins the chain."))
      }
      const { gaps, head } = report
      return show(
        "valid",
        "Unbroken",
        element(
          "p",
          {},
          `${records.toLocaleString()} ${records === 1 ? "record" : "records"}, verified in this browser at ${at}.`
        ),
        ...(gaps.length === 0
          ? []
          : [element("p", {}, `Records that the gateway could not show leave ${gaps.length} gaps.`)]),
        ...(head === undefined ? [] : [hashOf(head.recordHash)])
      )
    }
    const sentences = report.findings.map(sentenceOf)
    const others = report.omittedFindings + sentences.length - shownFindings
    show(
      "broken",
      "Broken",
      element("ul", {}, ...sentences.slice(0, shownFindings).map((sentence) => element("li", {}, visible(sentence)))),
      ...(others > 0 ? [element("p", {}, `And ${others.toLocaleString()} more.`)] : []),
      element(
        "p",
        { class: "hint" },
        `Found in this browser at ${at}. Trust no record from there on until it is explained.`
      )
    )
    if (!isBroken) onTurn(sentences[0] ?? "")
    isBroken = true
  }

  /** Counts the records whose hashes are computed, which is how far the verification has come. */
  const counting = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Hasher, (hasher) => {
      let done = 0
      return Effect.provideService(effect, Hasher, {
        hashAll: (texts) =>
          Effect.tap(hasher.hashAll(texts), () =>
            Effect.sync(() => {
              done += texts.length
              progress.max = Math.max(total, done, 1)
              progress.value = done
              setText(details, `${done.toLocaleString()} of ${progress.max.toLocaleString()} records`)
            }))
      })
    })

  /** A log that was rewritten from end to end still differs from what this page saw of it before. */
  const everything = (): VerifyOptions => checkpoint === undefined ? {} : { checkpoints: [checkpoint] }

  const verify = (options: VerifyOptions) =>
    Effect.map(verifier.verify(options), (report) => showReport(report, report.checkpoint?.count ?? report.records))

  const isPossible = globalThis.crypto.subtle !== undefined
  if (!isPossible) {
    again.hidden = true
    show(
      "unknown",
      "Not verified",
      element("p", {}, "A browser computes hashes only on pages that came over https or from this machine.")
    )
  }

  const verifyAll = Effect.suspend(() => {
    if (!isPossible) return Effect.void
    show("unknown", "Verifying …")
    progress.hidden = false
    progress.removeAttribute("value")
    setText(again, "Verify again")
    again.setAttribute("aria-disabled", "true")
    return counting(verify(everything())).pipe(
      Effect.catch((error) =>
        Effect.sync(() => show("failed", "Not verified", element("p", {}, visible(error.message))))
      ),
      Effect.ensuring(Effect.sync(() => {
        progress.hidden = true
        again.removeAttribute("aria-disabled")
      }))
    )
  })

  return {
    element: panel,
    verifyAll,
    keepUp: (records) =>
      Effect.suspend((): Effect.Effect<void, OperationError> => {
        total = records
        if (!isPossible) return Effect.void
        if (panel.dataset["state"] === "unknown" || panel.dataset["state"] === "failed") {
          if (records <= longestUnasked) return verifyAll
          return Effect.sync(() => {
            setText(again, "Verify now")
            show(
              "unknown",
              "Not verified yet",
              element("p", {}, `${records.toLocaleString()} records are a long read.`)
            )
          })
        }
        if (records <= alwaysAll || checkpoint === undefined) return verify(everything())
        // What is newer than a break may well be unbroken.
        return isBroken ? Effect.void : verify({ since: checkpoint })
      })
  }
}
