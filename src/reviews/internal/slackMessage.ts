/**
 * How a notice looks in Slack. Texts of agents stand in rich text, which has no markup, no mentions and no links.
 *
 * @internal
 */
import { visible, visibleJson } from "../../internal/visibleText.ts"
import type { ReviewNotice } from "../ReviewChannel.ts"

/** @internal */
export const approveAction = "vargate_approve"
/** @internal */
export const rejectAction = "vargate_reject"
/** @internal */
export const rejectView = "vargate_reject"
/** @internal */
export const metadataType = "vargate_review"

/** Within what Slack takes of one message. */
const max = { params: 1_800, line: 150, lines: 6, name: 120 } as const

/** Never half of a pair: Slack takes no text that is no Unicode. */
const cut = (text: string, length: number, end: string) =>
  text.length > length ? `${text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "")}${end}` : text

/** Slack takes no empty text. */
const short = (text: string, length: number) => cut(visible(text), length, "...") || "(empty)"

interface TextElement {
  readonly type: "text"
  readonly text: string
  readonly style?: { readonly bold: true }
}

const run = (text: string, isBold = false): TextElement => ({
  type: "text",
  text,
  ...isBold ? { style: { bold: true } } : {}
})

const section = (...elements: ReadonlyArray<TextElement>) => ({ type: "rich_text_section", elements })

const paramsText = (params: unknown) =>
  cut(visibleJson(JSON.stringify(params, undefined, 2) ?? ""), max.params, "\n...")

const paramsOf = ({ outcome, params }: ReviewNotice) =>
  params === null
    ? [section(run("Params are not shown here."))]
    : params === undefined
    ? outcome === null ? [section(run("Params are not listed any more."))] : []
    : [{ type: "rich_text_preformatted", elements: [run(paramsText(params))] }]

const titles: { readonly [K in NonNullable<ReviewNotice["outcome"]>]: string } = {
  approved: "Approved",
  rejected: "Rejected",
  expired: "Expired: no decision in time",
  changed: "Replaced: other params are pending now",
  lost: "Not known at the gateway any more"
}

/** Slack reads three characters of a notification's text as markup. */
const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const titleOf = ({ outcome }: ReviewNotice) => outcome === null ? "Review needed" : titles[outcome]

const callOf = ({ agentId, method, tool }: ReviewNotice) =>
  `${short(tool, max.name)}/${short(method, max.name)} by ${short(agentId, max.name)}`

const lines = (texts: ReadonlyArray<string>) => [
  ...texts.slice(0, max.lines).map((text) => short(text, max.line)),
  ...texts.length > max.lines ? [`... and ${texts.length - max.lines} more`] : []
]

const voteWords = { approve: "approved", reject: "rejected" } as const

/**
 * What a button stands for: the action, and what was shown of it.
 *
 * @internal
 */
export const buttonValue = ({ actionId, digest }: Pick<ReviewNotice, "actionId" | "digest">) => `${digest} ${actionId}`

const buttonsOf = (notice: ReviewNotice, reviewUrl: string | undefined) => ({
  type: "actions",
  block_id: "vargate_vote",
  elements: [
    {
      type: "button",
      action_id: approveAction,
      text: { type: "plain_text", text: "Approve" },
      style: "primary",
      value: buttonValue(notice)
    },
    {
      type: "button",
      action_id: rejectAction,
      text: { type: "plain_text", text: "Reject" },
      style: "danger",
      value: buttonValue(notice)
    },
    ...reviewUrl === undefined
      ? []
      : [{ type: "button", action_id: "vargate_open", text: { type: "plain_text", text: "Open" }, url: reviewUrl }]
  ]
})

/**
 * The message of an action, as it stands.
 *
 * @internal
 */
export const messageOf = (notice: ReviewNotice, reviewUrl: string | undefined) => ({
  text: escaped(`${titleOf(notice)}: ${callOf(notice)}`),
  blocks: [
    {
      type: "rich_text",
      elements: [
        section(run(titleOf(notice), true), run(`\n${callOf(notice)}`)),
        ...paramsOf(notice),
        ...notice.violations.length === 0
          ? []
          : [section(run("Pending because of ", true), run(lines(notice.violations).join(", ")))],
        ...notice.votes.length === 0
          ? []
          : [
            section(
              run("Votes\n", true),
              run(lines(notice.votes.map(({ choice, reviewerId }) => `${reviewerId} ${voteWords[choice]}`)).join("\n"))
            )
          ],
        ...notice.needs.length === 0 ? [] : [section(run(lines(notice.needs).join("\n")))]
      ]
    },
    ...notice.outcome === null ? [buttonsOf(notice, reviewUrl)] : []
  ]
})

/**
 * A reminder, in the thread of the message.
 *
 * @internal
 */
export const reminderOf = (notice: ReviewNotice) => ({
  text: escaped(`Still pending: ${callOf(notice)}`),
  blocks: [{
    type: "rich_text",
    elements: [section(run("Still pending", true), run(`\n${lines(notice.needs).join("\n")}`))]
  }]
})

/**
 * Asks for a note before a rejection is cast.
 *
 * @internal
 */
export const rejectionView = (value: string, responseUrl: string | undefined, channelId: string | undefined) => ({
  type: "modal",
  callback_id: rejectView,
  private_metadata: JSON.stringify({ value, responseUrl, channelId }),
  title: { type: "plain_text", text: "Reject" },
  submit: { type: "plain_text", text: "Reject" },
  close: { type: "plain_text", text: "Cancel" },
  blocks: [
    {
      type: "input",
      block_id: "note",
      optional: true,
      label: { type: "plain_text", text: "Why, for the record" },
      element: { type: "plain_text_input", action_id: "note", multiline: true, max_length: 2_000 }
    }
  ]
})
