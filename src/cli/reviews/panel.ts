/**
 * `reviews pending` and `reviews vote`: a reviewer at a panel, with a token of their own and no key of the gateway's.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type Review, ReviewApi } from "../../http/ReviewGroup.ts"
import { isLoopback } from "../../internal/loopback.ts"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"
import { Choice } from "../../reviews/Ballots.ts"
import { beginningWith } from "../core/beginningOfId.ts"
import { Concluded, FileFailed, NotConfigured, Usage } from "../core/failure.ts"
import * as Flags from "../core/flags.ts"
import { shortId } from "../core/outcome.ts"
import { readText } from "../core/readText.ts"
import { variable } from "../core/variables.ts"
import { ExitCode, ReviewEntry } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { ask, canAsk } from "../screen/prompts.ts"
import { facts, table } from "../screen/table.ts"
import { dim, green, jsonLine, type Line, red, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

const panelUrl = Flag.String("panel").pipe(
  Flag.withMetavar("<url>"),
  Flag.withDescription("Of the panel; without it, VARGATE_PANEL_URL"),
  Flag.optional
)

/** A token must not be readable on the way. */
const checkedUrl = Effect.fnUntraced(function*(given: Option.Option<string>) {
  const fromEnvironment = yield* variable("VARGATE_PANEL_URL")
  const text = Option.getOrUndefined(given) ?? (fromEnvironment && Redacted.value(fromEnvironment))
  if (text === undefined) {
    return yield* new NotConfigured({
      message: "Pass --panel URL, or set VARGATE_PANEL_URL, to say where the panel is."
    })
  }
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    return yield* new NotConfigured({ message: "The panel's address must be a URL like https://panel.example.com." })
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname) && !(yield* Flags.AllowHttp)) {
    return yield* new NotConfigured({
      message:
        "A token can be read by others over http. Use https, or give --allow-http for a network that is your own."
    })
  }
  return withoutTrailingSlashes(text)
})

const connect = Effect.fnUntraced(function*(given: Option.Option<string>) {
  const baseUrl = yield* checkedUrl(given)
  const token = yield* variable("VARGATE_REVIEWER_TOKEN")
  if (token === undefined) {
    return yield* new NotConfigured({ message: "Set VARGATE_REVIEWER_TOKEN to your own token of this panel." })
  }
  const http = yield* HttpClient.HttpClient
  const httpClient = HttpClient.mapRequest(http, HttpClientRequest.bearerToken(token))
  return yield* HttpApiClient.makeWith(ReviewApi, { httpClient, baseUrl })
})

/** What the panel said no to, by the tags of its errors. */
const codes: Readonly<Record<string, number>> = {
  ReviewerUnknown: ExitCode.refused,
  VoteForbidden: ExitCode.refused,
  VoteNotTaken: ExitCode.notFound,
  ActionNotFound: ExitCode.notFound,
  ActionInvalid: ExitCode.usage
}

/** What the panel answers, or that it could not be reached: said here, since no other command knows these errors. */
const orTell = <A, E extends { readonly _tag: string; readonly message: string }, R>(request: Effect.Effect<A, E, R>) =>
  Effect.catch(request, (error) =>
    Effect.gen(function*() {
      const exitCode = codes[error._tag] ?? ExitCode.unreachable
      const isKnown = error._tag in codes || error._tag.startsWith("Action")
      const message = isKnown ? error.message : "The panel could not be reached, or what answered is none."
      yield* Printer.use(({ fail }) => fail({ error: error._tag, message, exitCode }))
      return yield* new Concluded({ exitCode })
    }))

// --- screens ---------------------------------------------------------------------------------------------------------

const columns = [
  { title: "ACTION" },
  { title: "CALL", min: 12 },
  { title: "AGENT", min: 8 },
  { title: "VOTES" },
  { title: "SINCE" }
] as const

const rowOf = (now: DateTime.Utc) => ({ actionId, agentId, createdAt, method, tool, votes }: Review) => [
  shortId(actionId),
  `${tool}/${method}`,
  agentId,
  String(votes.length),
  dim(Words.ago(createdAt, now))
]

const stateOf = ({ outcome, state }: Review): Line =>
  outcome === null ? [yellow(state)] : [outcome.result === "approved" ? green("approved") : red(outcome.result)]

const details = (review: Review, width: number | undefined): ReadonlyArray<Line> => [
  ...facts([
    ["Action", review.actionId],
    ["Call", `${review.tool}/${review.method}`],
    ["Agent", review.agentId],
    ["State", stateOf(review)],
    review.violations.length === 0 ? undefined : ["Violations", review.violations.join(", ")],
    ["Params", review.params === undefined ? dim("not shown any more") : jsonLine(review.params)],
    ...review.votes.map(({ choice, note, onBehalfOf, proposal, reviewerId }) =>
      [
        "Vote",
        [
          choice === "approve" ? green("approve") : red(proposal === undefined ? "reject" : "change"),
          ` ${reviewerId}${onBehalfOf === null ? "" : ` for ${onBehalfOf}`}`,
          dim(note === null ? "" : `  ${note}`)
        ]
      ] as const
    )
  ], width),
  ...review.needs
]

// --- commands --------------------------------------------------------------------------------------------------------

const pending = Effect.fnUntraced(function*(panel: Option.Option<string>) {
  const printer = yield* Printer
  const client = yield* connect(panel)
  const { reviews } = yield* orTell(client.reviews.list())
  if (printer.isJson) {
    return yield* Effect.forEach(reviews, (review) => printer.print(ReviewEntry, review, () => []), { discard: true })
  }
  if (reviews.length === 0) return yield* printer.note(dim("Nothing is pending."))
  yield* printer.show(table(columns, reviews.map(rowOf(yield* DateTime.now)), printer.width()))
})

const choices = [...Choice.literals, "change"] as const

/** The params that a reviewer would approve instead. The panel checks them; here they have to be an object. */
const readChanges = Effect.fnUntraced(function*(choice: VoteOptions["choice"], file: Option.Option<string>) {
  if (choice !== "change") {
    return Option.isNone(file) ? undefined : yield* new Usage({ message: "--params is for the choice change." })
  }
  if (Option.isNone(file)) {
    return yield* new Usage({ message: "Pass --params FILE: a JSON object, what you would approve instead." })
  }
  const text = yield* Effect.mapError(readText(file.value), FileFailed.of("read", file.value))
  return yield* Effect.mapError(
    decodeParams(text),
    () => new Usage({ message: `${file.value} holds no JSON object.` })
  )
})

const decodeParams = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
)

interface VoteOptions {
  readonly id: string
  readonly choice: (typeof choices)[number]
  /** The file with the params of a change. */
  readonly params: Option.Option<string>
  readonly digest: Option.Option<string>
  readonly note: Option.Option<string>
  readonly onBehalfOf: Option.Option<string>
  readonly panel: Option.Option<string>
  readonly yes: boolean
}

const vote = Effect.fnUntraced(function*(options: VoteOptions) {
  const { choice, digest, id, note, onBehalfOf, panel, yes } = options
  const printer = yield* Printer
  const changes = yield* readChanges(choice, options.params)
  const client = yield* connect(panel)
  const { reviews } = yield* orTell(client.reviews.list())
  const review = yield* beginningWith(id, reviews, ({ actionId }) => actionId, "pending action")
  if (Option.isNone(digest) && !yes) {
    // Votes name what was seen.
    if (!(yield* canAsk)) {
      return yield* new Usage({
        message: "Pass --digest of what you have seen, or --yes to vote on what is pending now."
      })
    }
    yield* Effect.forEach(details(review, printer.width()), printer.note)
    if (changes !== undefined) {
      yield* Effect.forEach(facts([["Instead", jsonLine(changes)]], printer.width()), printer.note)
    }
    if (!(yield* ask(Prompt.Confirm({ message: `Vote to ${choice} this action?` })))) {
      yield* printer.note("Nothing was voted.")
      return yield* new Concluded({ exitCode: ExitCode.interrupted })
    }
  }
  const voted = yield* orTell(client.reviews.vote({
    params: { id: review.actionId },
    payload: {
      digest: Option.getOrElse(digest, () => review.digest),
      ...changes === undefined ? { choice: choice === "approve" ? choice : "reject" } : { choice: "reject", changes },
      ...Option.isSome(note) ? { note: note.value } : {},
      ...Option.isSome(onBehalfOf) ? { onBehalfOf: onBehalfOf.value } : {}
    }
  }))
  const { params } = review
  const shown: Review = params === undefined ? voted : { ...voted, params }
  yield* printer.print(ReviewEntry, shown, (width) => details(shown, width))
})

/** @internal */
export const pendingCommand = Command.make("pending", { panel: panelUrl }, ({ panel }) => pending(panel)).pipe(
  Command.withDescription("At a panel: what is pending, with your own token (VARGATE_REVIEWER_TOKEN)")
)

/** @internal */
export const voteCommand = Command.make(
  "vote",
  {
    id: Argument.String("id").pipe(Argument.withDescription("Of the action, or the beginning of it")),
    choice: Argument.Literals("choice", choices).pipe(
      Argument.withDescription("approve, reject, or change: reject, and propose the params of --params instead")
    ),
    params: Flag.String("params").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("With change: a JSON object, the params that you would approve"),
      Flag.optional
    ),
    note: Flag.String("note").pipe(
      Flag.withAlias("n"),
      Flag.withMetavar("<text>"),
      Flag.withDescription("Why, for the record"),
      Flag.optional
    ),
    onBehalfOf: Flag.String("for").pipe(
      Flag.withMetavar("<reviewer>"),
      Flag.withDescription("The reviewer whom you represent"),
      Flag.optional
    ),
    digest: Flag.String("digest").pipe(
      Flag.withMetavar("<digest>"),
      Flag.withDescription("Of the action as you have seen it"),
      Flag.optional
    ),
    yes: Flag.Boolean("yes").pipe(
      Flag.withAlias("y"),
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Do not ask")
    ),
    panel: panelUrl
  },
  vote
).pipe(Command.withDescription("At a panel: vote as yourself on what is pending"))
