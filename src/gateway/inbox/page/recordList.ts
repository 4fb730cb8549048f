/** The newest records of the audit log, with what was decided. */
import * as DateTime from "effect/DateTime"
import type { AuditPage, AuditRecord } from "../../../audit/AuditRecord.ts"
import { type Child, element, setText } from "./elements.ts"
import { clockTime } from "./times.ts"
import { visible } from "./visibleNodes.ts"

const decisions: Readonly<Record<string, string>> = {
  allow: "Allowed",
  deny: "Denied",
  pending_approval: "Pending",
  observed: "Observed"
}

/** Ids of calls are assigned by the gateway, so no agent can disguise its call as a reviewer's decision. */
const reviewOf = ({ actionId, params }: AuditRecord) => {
  const match = /^(approval|rejection)-(.+)$/.exec(actionId)
  if (match === null) return undefined
  const note = typeof params === "object" && params !== null && "note" in params ? params.note : undefined
  return { isApproval: match[1] === "approval", target: match[2]!, note: typeof note === "string" ? note : "" }
}

const badge = (kind: string, word: Child) => element("span", { class: `badge ${kind}` }, word)

const nameOf = ({ method, tool }: AuditRecord) => `${tool}/${method}`

const describe = (record: AuditRecord, all: ReadonlyArray<AuditRecord>): ReadonlyArray<Node> => {
  const review = reviewOf(record)
  if (review !== undefined) {
    const target = all.find(({ actionId }) => actionId === review.target)
    return [
      badge(review.isApproval ? "allow" : "deny", review.isApproval ? "Approved" : "Rejected"),
      element(
        "span",
        { class: "what" },
        element("code", { title: review.target }, visible(target === undefined ? review.target : nameOf(target))),
        " by a reviewer",
        ...(review.note === "" ? [] : [" ", element("q", {}, visible(review.note))])
      )
    ]
  }
  const word = Object.hasOwn(decisions, record.decision) ? decisions[record.decision]! : visible(record.decision)
  return [
    badge(Object.hasOwn(decisions, record.decision) ? record.decision : "other", word),
    element(
      "span",
      { class: "what" },
      element("code", {}, visible(nameOf(record))),
      " by ",
      visible(record.agentId),
      ...(record.violations.length === 0
        ? []
        : [element("span", { class: "because" }, visible(record.violations.join(", ")))])
    )
  ]
}

const rowOf = (record: AuditRecord, all: ReadonlyArray<AuditRecord>) => {
  const time = DateTime.toDateUtc(record.requestedAt)
  return element(
    "li",
    {},
    element("time", { datetime: time.toISOString() }, clockTime(time)),
    ...describe(record, all)
  )
}

export interface RecordList {
  readonly element: HTMLElement
  readonly update: (page: AuditPage) => void
}

export const makeRecordList = (): RecordList => {
  const list = element("ol", { class: "records" })
  const count = element("p", { class: "hint" })
  const heading = element("h2", { id: "records" }, "Latest records")
  let shown = ""
  return {
    element: element("section", { class: "panel", "aria-labelledby": heading.id }, heading, count, list),
    update: ({ records, total }) => {
      const next = records.map(({ id, recordHash }) => `${id}:${recordHash}`).join()
      setText(
        count,
        total === 0
          ? "Every decision will be recorded here."
          : `The newest ${records.length} of ${total.toLocaleString()}`
      )
      if (next === shown) return
      shown = next
      list.replaceChildren(...records.map((record) => rowOf(record, records)))
    }
  }
}
