/**
 * The page behind a one-time link: it shows an action, and takes one vote on it by a click.
 *
 * | request | answer |
 * | --- | --- |
 * | `GET`, `HEAD` | the page: 200, 404 where the link is not known, 410 where it takes no vote any more. Nothing is decided. |
 * | `POST` of its form | 200 where the vote counts; 409 where it does not, 410 where the link takes none |
 *
 * The page has no script, connects to nothing, is not stored, and sends no referrer. The token is the parameter `sig` of its
 * URL, which Effect's traces and errors leave out, and the route logs nothing: let no proxy log it.
 *
 * @since 0.2.0
 */
import * as ByteSize from "effect/ByteSize"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { sha256Of } from "../internal/sha256.ts"
import { nameOf, piecesOf } from "../internal/visibleText.ts"
import { Choice } from "../reviews/Ballots.ts"
import { type LinkView, MailLinks, tokenParam } from "../reviews/MailLinks.ts"
import type { BallotStatus } from "../reviews/ReviewPanel.ts"

// --- text as HTML ----------------------------------------------------------------------------------------------------

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;"
}

const escaped = (text: string) => text.replaceAll(/[&<>"']/g, (character) => entities[character]!)

/** Text of an agent: without markup, what shows nothing by its name, what runs from right to left apart. */
const shown = (text: string): string =>
  piecesOf(text).map((piece) =>
    typeof piece === "string"
      ? escaped(piece)
      : "codePoint" in piece
      ? `<span class="invisible">${escaped(nameOf(piece))}</span>`
      : `<bdi>${escaped(piece.text)}</bdi>`
  ).join("")

/** The line ends of pretty JSON are its own: those of texts are escaped. */
const shownJson = (value: unknown): string =>
  (JSON.stringify(value, undefined, 2) ?? "").split("\n").map(shown).join("\n")

const style = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:44rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.4rem}dt{font-weight:600;margin-top:.75rem}dd{margin:0}
pre{white-space:pre-wrap;border:1px solid;border-radius:.4rem;padding:.75rem;font-size:.9rem;max-height:40rem;overflow:auto}
.invisible{border:1px solid;border-radius:.2rem;padding:0 .2rem;font-size:.75em}
label,textarea{display:block;width:100%;box-sizing:border-box}textarea{font:inherit;min-height:4rem;margin:.25rem 0 1rem}
button{font:inherit;padding:.6rem 1.4rem;margin-right:.75rem;border-radius:.4rem;border:1px solid;cursor:pointer}`

const headers = {
  "content-security-policy": [
    "default-src 'none'",
    `style-src 'sha256-${Base64.encode(sha256Of(new TextEncoder().encode(style)))}'`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'"
  ].join("; "),
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "x-robots-tag": "noindex, nofollow",
  "cross-origin-opener-policy": "same-origin"
}

const page = (status: number, title: string, body: string) =>
  HttpServerResponse.text(
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>` +
      `<meta name="viewport" content="width=device-width"><style>${style}</style></head>` +
      `<body><main><h1>${escaped(title)}</h1>${body}</main></body></html>\n`,
    { status, contentType: "text/html; charset=utf-8", headers }
  )

// --- pages -----------------------------------------------------------------------------------------------------------

const paragraph = (text: string) => `<p>${shown(text)}</p>`

const facts = (rows: ReadonlyArray<readonly [string, string] | undefined>) =>
  `<dl>${rows.flatMap((row) => row === undefined ? [] : [`<dt>${row[0]}</dt><dd>${row[1]}</dd>`]).join("")}</dl>`

const list = (texts: ReadonlyArray<string>) => texts.map(shown).join("<br>")

const voteWords = { approve: "approved", reject: "rejected" } as const

const openPage = (view: Extract<LinkView, { _tag: "Open" }>) =>
  page(
    200,
    "Review needed",
    paragraph(
      view.onBehalfOf === null
        ? `${view.reviewer.name}, this link is yours alone. Nothing is decided before you press a button.`
        : `${view.reviewer.name}, this link is yours alone, for ${view.onBehalfOf}. Nothing is decided before you press a button.`
    ) + facts([
      ["Call", shown(`${view.tool}/${view.method}`)],
      ["Agent", shown(view.agentId)],
      view.violations.length === 0 ? undefined : ["Pending because of", list(view.violations)],
      ["Pending since", escaped(DateTime.formatIso(view.createdAt))],
      view.timeoutAt === null ? undefined : ["Expires", escaped(DateTime.formatIso(view.timeoutAt))],
      view.votes.length === 0
        ? undefined
        : ["Votes", list(view.votes.map(({ choice, reviewerId }) => `${reviewerId} ${voteWords[choice]}`))],
      ["Needed", list(view.needs)],
      [
        "Params",
        view.params === null
          ? "not shown here"
          : view.params === undefined
          ? "not listed any more"
          : `<pre tabindex="0">${shownJson(view.params)}</pre>`
      ]
    ]) +
      `<form method="post" autocomplete="off"><input type="hidden" name="digest" value="${escaped(view.digest)}">` +
      `<label for="note">Why, for the record (optional)</label><textarea id="note" name="note" maxlength="2000"></textarea>` +
      `<button name="choice" value="approve">Approve</button><button name="choice" value="reject">Reject</button></form>`
  )

const standsOf = (status: BallotStatus | undefined) => {
  if (status === undefined) return "The action is not known any more, or has other params now."
  const { outcome, state } = status.ballot
  return outcome !== null
    ? outcome.result === "changed" ? "The action has other params now." : `The action is ${outcome.result}.`
    : state === "deciding"
    ? "The decision is on its way to the gateway."
    : "The action is still pending."
}

const reasons = {
  Used: "This link was used",
  Expired: "This link has expired",
  Ended: "There is nothing to decide any more"
} as const

const unknownPage = page(404, "This link is not known", paragraph("Open it as it stands in the mail, in one piece."))

const viewPage = (view: LinkView) => {
  switch (view._tag) {
    case "Unknown":
      return unknownPage
    case "Over":
      return page(410, reasons[view.reason], paragraph(standsOf(view.status)))
    case "Open":
      return openPage(view)
  }
}

const unavailablePage = page(
  503,
  "Not available now",
  paragraph("The panel cannot reach the gateway or its store now. Nothing was decided. Load this page again later.")
)

// --- requests --------------------------------------------------------------------------------------------------------

const maxBodyBytes = 32 * 1024

const isChoice = Schema.is(Choice)

const refusedPage = (status: number, detail: string) => page(status, "Nothing was voted", paragraph(detail))

const voteFrom = Effect.fnUntraced(function*(
  { vote }: MailLinks["Service"],
  token: Redacted.Redacted,
  form: URLSearchParams
) {
  const [choice, digest, note = ""] = [form.get("choice"), form.get("digest") ?? "", form.get("note") ?? ""]
  if (!isChoice(choice)) return refusedPage(400, "Press one of the two buttons of the page.")
  const status = yield* vote(token, { choice, digest, note: note.trim() === "" ? undefined : note })
  return status && page(200, `Your vote to ${choice} counts`, paragraph(standsOf(status)))
})

const answerWith = (links: MailLinks["Service"]) =>
  Effect.gen(function*() {
    const { headers: given, method, text: body, url } = yield* HttpServerRequest.HttpServerRequest
    const token = Redacted.make(URL.parse(url, "http://panel")?.searchParams.get(tokenParam) ?? "")
    const current = Effect.suspend(() => Effect.map(links.look(token), viewPage))
    if (method === "GET" || method === "HEAD") return yield* current
    if (method !== "POST") {
      return HttpServerResponse.setHeader(refusedPage(405, "Open the link in a browser."), "allow", "GET, HEAD, POST")
    }
    const from = given["sec-fetch-site"]
    if (from !== undefined && from !== "same-origin") {
      return refusedPage(403, "The form was sent by another page. Open the link from the mail.")
    }
    if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(given["content-type"] ?? "")) {
      return refusedPage(415, "Press one of the two buttons of the page.")
    }
    const form = yield* Effect.option(body)
    if (form._tag === "None") return refusedPage(413, "The form is too long, or did not arrive in one piece.")
    return (yield* voteFrom(links, token, new URLSearchParams(form.value))) ?? (yield* current)
  }).pipe(
    Effect.catch((error) =>
      error._tag === "VoteRefused"
        ? Effect.succeed(refusedPage(409, error.message))
        : error._tag === "VargateError" && error.reason._tag === "InvalidRequest"
        ? Effect.succeed(refusedPage(400, "The note has more than 2,000 characters."))
        : Effect.as(Effect.logWarning(`A page of a link is not available: ${error.message}`), unavailablePage)
    ),
    HttpMiddleware.withLoggerDisabled,
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(maxBodyBytes))
  )

/**
 * The page, at a path of an HTTP router: `MailLinks` has the URL of that path.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  path: HttpRouter.PathInput
): Layer.Layer<never, never, HttpRouter.HttpRouter | MailLinks> =>
  HttpRouter.use((router) =>
    Effect.flatMap(
      MailLinks,
      (links) => router.add("*", path, answerWith(links))
    )
  )
