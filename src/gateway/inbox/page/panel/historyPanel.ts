/** What was decided lately, and how long it took: by hour as a chart, and one by one. */
import * as DateTime from "effect/DateTime"
import type { History, HistoryEntry, HistoryHour } from "../../../../http/ReviewPageGroup.ts"
import { element, setText } from "../elements.ts"
import { clockTime } from "../times.ts"
import { visible } from "../visibleNodes.ts"

export interface HistoryPanel {
  readonly element: HTMLElement
  readonly update: (history: History) => void
}

// --- words -----------------------------------------------------------------------------------------------------------

/** A stretch of time in one figure. */
export const wait = (millis: number): string => {
  const seconds = Math.round(millis / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

const hourWord = ({ hour }: HistoryHour) =>
  DateTime.toDateUtc(hour).toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" })

const summaryOf = (hours: ReadonlyArray<HistoryHour>): string => {
  const sum = (of: (hour: HistoryHour) => number) => hours.reduce((total, hour) => total + of(hour), 0)
  const counts = [
    `${sum(({ approved }) => approved)} approved`,
    `${sum(({ rejected }) => rejected)} rejected`,
    `${sum(({ other }) => other)} not decided`
  ]
  return `Last 24 hours: ${counts.join(", ")}.`
}

// --- the chart -------------------------------------------------------------------------------------------------------

const space = "http://www.w3.org/2000/svg"

const shape = (tag: string, attributes: Readonly<Record<string, string | number>>, text = "") => {
  const created = document.createElementNS(space, tag)
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, String(value))
  created.textContent = text
  return created
}

const step = 13
const bar = 9
const high = 56
const width = 24 * step
const waitsTop = high + 14
const waitsHigh = 28
const axis = waitsTop + waitsHigh + 12

const barsOf = (hours: ReadonlyArray<HistoryHour>) => {
  const most = Math.max(1, ...hours.map(({ approved, other, rejected }) => approved + rejected + other))
  return hours.flatMap((hour, index) => {
    let bottom = high
    return (["approved", "rejected", "other"] as const).flatMap((kind) => {
      if (hour[kind] === 0) return []
      const height = Math.max(2, (hour[kind] / most) * (high - 2))
      bottom -= height
      return [shape("rect", { class: kind, x: index * step + 2, y: bottom, width: bar, height })]
    })
  })
}

const waitsOf = (hours: ReadonlyArray<HistoryHour>) => {
  const longest = Math.max(1, ...hours.map(({ medianWaitMillis }) => medianWaitMillis ?? 0))
  return hours.flatMap(({ medianWaitMillis }, index) =>
    medianWaitMillis === null ? [] : [
      shape("circle", {
        class: "wait",
        cx: index * step + 2 + bar / 2,
        cy: waitsTop + waitsHigh - 3 - (medianWaitMillis / longest) * (waitsHigh - 6),
        r: 2.5
      })
    ]
  )
}

const chartOf = (hours: ReadonlyArray<HistoryHour>): Node => {
  const label = (index: number, anchor: string) =>
    shape("text", {
      x: anchor === "end" ? width : index * step + (anchor === "middle" ? bar / 2 + 2 : 2),
      y: axis,
      "text-anchor": anchor
    }, index === 23 ? "now" : hourWord(hours[index]!))
  const chart = shape("svg", { viewBox: `0 0 ${width} ${axis + 4}`, "aria-hidden": "true", focusable: "false" })
  chart.append(
    shape("line", { class: "axis", x1: 0, x2: width, y1: high, y2: high }),
    ...barsOf(hours),
    shape("line", { class: "axis", x1: 0, x2: width, y1: waitsTop + waitsHigh, y2: waitsTop + waitsHigh }),
    ...waitsOf(hours),
    label(0, "start"),
    label(12, "middle"),
    label(23, "end")
  )
  return chart
}

/** The same for those who cannot see it. */
const tableOf = (hours: ReadonlyArray<HistoryHour>): Node =>
  element(
    "div",
    { class: "unseen" },
    element(
      "table",
      {},
      element("caption", {}, "Decisions and waiting times by hour"),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          ...["Hour", "Approved", "Rejected", "Not decided", "Median wait"].map((word) =>
            element("th", { scope: "col" }, word)
          )
        )
      ),
      element(
        "tbody",
        {},
        ...hours.filter(({ approved, other, rejected }) => approved + other + rejected > 0).map((hour) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, hourWord(hour)),
            ...[hour.approved, hour.rejected, hour.other].map((count) => element("td", {}, String(count))),
            element("td", {}, hour.medianWaitMillis === null ? "none" : wait(hour.medianWaitMillis))
          )
        )
      )
    )
  )

const longestOf = (hours: ReadonlyArray<HistoryHour>) =>
  Math.max(0, ...hours.map(({ medianWaitMillis }) => medianWaitMillis ?? 0))

const legend = (hours: ReadonlyArray<HistoryHour>) =>
  element(
    "ul",
    { class: "legend", "aria-hidden": "true" },
    ...[["approved", "approved"], ["rejected", "rejected"], ["other", "not decided"], [
      "wait",
      `median wait, up to ${wait(longestOf(hours))}`
    ]].map(
      ([kind, word]) => element("li", { class: kind! }, word!)
    )
  )

// --- the list --------------------------------------------------------------------------------------------------------

const badges: Readonly<Record<HistoryEntry["outcome"]["result"], readonly [kind: string, word: string]>> = {
  approved: ["allow", "Approved"],
  rejected: ["deny", "Rejected"],
  expired: ["pending_approval", "Expired"],
  changed: ["other", "Changed"],
  lost: ["other", "Lost"]
}

const votersOf = ({ outcome, votes }: HistoryEntry): ReadonlyArray<Node | string> => {
  const choice = outcome.result === "approved" ? "approve" : "reject"
  const names = new Set(votes.filter((vote) => vote.choice === choice).map(({ reviewerName }) => reviewerName))
  if (outcome.result !== "approved" && outcome.result !== "rejected") return []
  if (!outcome.byPanel) return ["by a key, past the panel"]
  return names.size === 0 ? ["by its deadline"] : ["by ", visible([...names].join(", "))]
}

const rowOf = (entry: HistoryEntry) => {
  const [kind, word] = badges[entry.outcome.result]
  const time = DateTime.toDateUtc(entry.outcome.at)
  const waited = DateTime.toEpochMillis(entry.outcome.at) - DateTime.toEpochMillis(entry.createdAt)
  const voters = votersOf(entry)
  return element(
    "li",
    {},
    element("time", { datetime: time.toISOString() }, clockTime(time)),
    element("span", { class: `badge ${kind}` }, word),
    element(
      "span",
      { class: "what" },
      element("code", {}, visible(`${entry.tool}/${entry.method}`)),
      " for ",
      visible(entry.agentId),
      element(
        "span",
        { class: entry.outcome.byPanel || voters.length === 0 ? "because" : "because past" },
        ...voters,
        ...voters.length === 0 ? [] : [", "],
        `after ${wait(Math.max(0, waited))}`
      )
    )
  )
}

export const makeHistoryPanel = (): HistoryPanel => {
  const heading = element("h2", { id: "history" }, "History")
  const summary = element("p", { class: "hint" }, "Nothing was decided yet.")
  const chart = element("div", { class: "chart", hidden: true })
  const list = element("ol", { class: "records" })
  let shown = ""
  return {
    element: element(
      "section",
      { class: "panel history", "aria-labelledby": heading.id },
      heading,
      summary,
      chart,
      list
    ),
    update: ({ entries, hours }) => {
      const next = JSON.stringify([hours, entries.map(({ actionId, outcome }) => [actionId, outcome.at])])
      if (next === shown) return
      shown = next
      const isIdle = hours.every(({ approved, other, rejected }) => approved + other + rejected === 0)
      setText(summary, entries.length === 0 ? "Nothing was decided yet." : summaryOf(hours))
      chart.hidden = isIdle
      if (!isIdle) chart.replaceChildren(chartOf(hours), legend(hours), tableOf(hours))
      list.replaceChildren(...entries.map(rowOf))
    }
  }
}
