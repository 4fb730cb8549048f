/**
 * A channel by mail: each reviewer whom an action asks gets a mail with a link of their own. Needs `nodemailer`, an optional
 * peer.
 *
 * **Details**
 *
 * A mail has the name of the call and of the agent, what is needed, and the link; the params are on the page behind it
 * (`MailRoute`). It is plain text.
 *
 * @since 0.2.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { isLoopback } from "../internal/loopback.ts"
import { visible } from "../internal/visibleText.ts"
import { MailLinks, type MailReviewer } from "../reviews/MailLinks.ts"
import { ChannelFailed, type ReviewChannel, type ReviewNotice } from "../reviews/ReviewChannel.ts"
import { Reviewer } from "../reviews/Reviewer.ts"

/**
 * A mail, as `nodemailer` takes it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Mail {
  readonly from: { readonly name: string; readonly address: string }
  readonly to: { readonly name: string; readonly address: string }
  readonly subject: string
  readonly text: string
  readonly messageId: string
  readonly inReplyTo?: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly disableFileAccess: true
  readonly disableUrlAccess: true
}

/**
 * Sends mails: what is used of a transport of `nodemailer`.
 *
 * @category models
 * @since 0.2.0
 */
export interface MailTransport {
  readonly sendMail: (mail: Mail) => Promise<unknown>
}

/**
 * How mails are sent, and as whom.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** Part of the ids of its deliveries: the same over restarts, another one for each channel. */
  readonly name: string
  /** The address that mails come from. */
  readonly from: string
  /**
   * `smtps://user:password@host:465`, or `smtp://user:password@host:587`, which is encrypted before anything is said, but
   * on this machine.
   */
  readonly smtp?: Redacted.Redacted | string | undefined
  /** A transport of your own, instead of `smtp`. */
  readonly transport?: MailTransport | undefined
}

const packageName = "nodemailer"

interface Nodemailer {
  readonly createTransport: (options: object) => MailTransport
}

const address = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}$/

const max = { name: 120, line: 400, lines: 20 } as const

/** One line, in which nothing is a link. */
const line = (text: string, length: number) => {
  const shown = visible(text).replaceAll("://", ": //")
  return shown.length > length ? `${shown.slice(0, length).replace(/[\uD800-\uDBFF]$/, "")}...` : shown
}

const callOf = ({ method, tool }: ReviewNotice) => `${line(tool, max.name)}/${line(method, max.name)}`

const subjectOf = (notice: ReviewNotice) =>
  `${notice.kind === "reminder" ? "Still pending" : "Review needed"}: ${callOf(notice)}`

const textOf = (notice: ReviewNotice, url: string) =>
  [
    `${callOf(notice)} by ${line(notice.agentId, max.name)} needs a review.`,
    ...notice.violations.length === 0
      ? []
      : [`Pending because of ${line(notice.violations.slice(0, max.lines).join(", "), max.line)}.`],
    ...notice.needs.slice(0, max.lines).map((need) => line(need, max.line)),
    "",
    "Look at it, and decide:",
    url,
    "",
    "This link is yours alone, and takes one vote. Do not forward this mail.",
    ...notice.timeoutAt === null ? [] : [`The link is good until ${DateTime.formatIso(notice.timeoutAt)}.`]
  ].join("\n")

/** What went wrong, in words that hold neither the password nor an address. */
const detailOf = (cause: unknown) => {
  const { code, responseCode } = cause as { readonly code?: unknown; readonly responseCode?: unknown }
  const word = typeof code === "string" && /^[A-Z_]{1,40}$/.test(code) ? code : "no reason"
  return typeof responseCode === "number" ? `${word} ${responseCode}` : word
}

const makeTransport = Effect.fnUntraced(function*({ smtp, transport }: Options) {
  const invalid = (path: string, message: string) => invalidRequest("MailChannel.make", [{ path: [path], message }])
  if (transport !== undefined) return transport
  const url = smtp === undefined ? null : URL.parse(Redacted.isRedacted(smtp) ? Redacted.value(smtp) : smtp)
  if (url === null || !/^smtps?:$/.test(url.protocol) || url.hostname === "") {
    return yield* invalid("smtp", "Expected a URL like smtps://user:password@host:465")
  }
  const nodemailer = yield* Effect.tryPromise({
    try: async (): Promise<Nodemailer> => {
      const module: { readonly default: Nodemailer } = await import(packageName)
      return module.default
    },
    catch: () => invalid("transport", `${packageName} is not installed here: npm install ${packageName}`)
  })
  const isSecure = url.protocol === "smtps:"
  return nodemailer.createTransport({
    host: url.hostname.replaceAll(/^\[|\]$/g, ""),
    port: url.port === "" ? isSecure ? 465 : 587 : Number(url.port),
    secure: isSecure,
    requireTLS: !isSecure && !isLoopback(url.hostname),
    ignoreTLS: !isSecure && isLoopback(url.hostname),
    ...url.username === ""
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } },
    // Before the attempt at a delivery is given up, or a mail that has left comes twice.
    connectionTimeout: 4_000,
    greetingTimeout: 4_000,
    socketTimeout: 8_000,
    disableFileAccess: true,
    disableUrlAccess: true
  })
})

/**
 * Makes a channel for each reviewer of `MailLinks`. Fails with `InvalidRequest` where an option is not usable or
 * `nodemailer` is missing.
 *
 * **Details**
 *
 * A mail that a server took just before the process ended is sent again, with the same Message-ID, by which mail systems
 * tell duplicates; the links of both are good, until one of them is used.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ReadonlyArray<ReviewChannel>, VargateError, MailLinks> {
  const { from, name } = options
  const invalid = (path: string, message: string) => invalidRequest("MailChannel.make", [{ path: [path], message }])
  if (name === "") return yield* invalid("name", "Expected a name")
  if (!address.test(from)) return yield* invalid("from", "Expected one e-mail address, like panel@example.com")
  const transport = yield* makeTransport(options)
  const links = yield* MailLinks

  const channelOf = (entry: MailReviewer): ReviewChannel => {
    const reviewer = new Reviewer({ id: entry.id, name: entry.name, groups: entry.groups })
    const channel = `${name}/${entry.id}`
    return {
      name: channel,
      reviewer,
      hears: ["reminder"],
      deliver: Effect.fnUntraced(function*(notice, { onBehalfOf, receipt }) {
        if (notice.outcome !== null) return undefined
        const url = yield* links.create(notice, reviewer, onBehalfOf).pipe(
          Effect.mapError(() => new ChannelFailed({ channel, detail: "the store of links is not available" }))
        )
        const messageId = `<${notice.id}@${from.slice(from.indexOf("@") + 1)}>`
        yield* Effect.tryPromise({
          try: () =>
            transport.sendMail({
              from: { name: "", address: from },
              to: { name: line(entry.name, max.name), address: entry.address },
              subject: subjectOf(notice),
              text: textOf(notice, Redacted.value(url)),
              messageId,
              ...receipt === undefined ? {} : { inReplyTo: receipt },
              headers: { "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All" },
              disableFileAccess: true,
              disableUrlAccess: true
            }),
          catch: (cause) => new ChannelFailed({ channel, detail: detailOf(cause) })
        })
        return messageId
      })
    }
  }

  return links.reviewers.map(channelOf)
})
