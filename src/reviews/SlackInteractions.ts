/**
 * What reviewers press in Slack: checks that a request is Slack's, makes the vote of it, and tells the reviewer what became
 * of it. `SlackRoute` brings requests from an open port, `SlackSocket` where there is none.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { Verdict } from "../errors/Reason.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { sha256 } from "../internal/sha256.ts"
import { ActionId } from "../model/ActionId.ts"
import { ActionDigest, type Choice } from "./Ballot.ts"
import { Deliveries } from "./Deliveries.ts"
import { makeSlackApi, type SlackFailed, type SlackOptions } from "./internal/slackApi.ts"
import { approveAction, rejectAction, rejectionView, rejectView } from "./internal/slackMessage.ts"
import { type BallotStatus, ReviewPanel } from "./ReviewPanel.ts"
import { SlackAuthenticator } from "./SlackAuthenticator.ts"

/**
 * A request is not Slack's, or not of now, or cannot be read. Nothing was done.
 *
 * @category errors
 * @since 0.2.0
 */
export class SlackRequestRefused
  extends Schema.TaggedError<SlackRequestRefused>("effect-vargate/SlackRequestRefused")("SlackRequestRefused", {
    refusal: Schema.Literals(["Unsigned", "WrongSignature", "NotOfNow", "Unreadable"])
  })
  implements Verdict
{
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The request was refused: ${sentences[this.refusal]}. Nothing was voted.`
  }
}

const sentences = {
  Unsigned: "it has no signature of Slack's, or none that can be checked here",
  WrongSignature: "it is not signed with the app's signing secret",
  NotOfNow: "its time is more than five minutes from now",
  Unreadable: "it is no interaction of Slack's"
}

/**
 * Receives interactions.
 *
 * @category services
 * @since 0.2.0
 */
export class SlackInteractions extends Context.Service<SlackInteractions, {
  /**
   * Checks a request's signature (`v0`, over the raw body) and time, and returns at once: what it asks for is done after
   * that, in the scope of the layer, so that Slack has its answer within three seconds. The same interaction, sent again,
   * does nothing.
   */
  readonly receive: (request: {
    readonly rawBody: Uint8Array
    /** `X-Slack-Request-Timestamp`. */
    readonly timestamp: string | undefined
    /** `X-Slack-Signature`. */
    readonly signature: string | undefined
  }) => Effect.Effect<void, SlackRequestRefused>
  /** The same for a payload that came over a connection to Slack of our own. */
  readonly accept: (payload: unknown) => Effect.Effect<void, SlackRequestRefused>
}>()("effect-vargate/SlackInteractions") {}

/**
 * What requests are checked with, and what answers are sent with.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options extends SlackOptions {
  /** The app's signing secret. Not needed where interactions come over a socket alone. */
  readonly signingSecret?: Redacted.Redacted | undefined
}

const toleranceSeconds = 300

/** As long as a request may be repeated, and a little longer. */
const lockMillis = 60_000

const User = Schema.Struct({ id: Schema.String, team_id: Schema.optionalKey(Schema.NullOr(Schema.String)) })
const Team = Schema.optionalKey(Schema.NullOr(Schema.Struct({ id: Schema.String })))

const BlockActions = Schema.Struct({
  type: Schema.Literal("block_actions"),
  user: User,
  team: Team,
  trigger_id: Schema.String,
  response_url: Schema.optionalKey(Schema.String),
  channel: Schema.optionalKey(Schema.NullOr(Schema.Struct({ id: Schema.String }))),
  actions: Schema.Array(Schema.Struct({ action_id: Schema.String, value: Schema.optionalKey(Schema.String) }))
})

const ViewSubmission = Schema.Struct({
  type: Schema.Literal("view_submission"),
  user: User,
  team: Team,
  view: Schema.Struct({
    callback_id: Schema.String,
    private_metadata: Schema.String,
    state: Schema.Struct({
      values: Schema.Record(
        Schema.String,
        Schema.Record(Schema.String, Schema.Struct({ value: Schema.optionalKey(Schema.NullOr(Schema.String)) }))
      )
    })
  })
})

const Metadata = Schema.fromJsonString(Schema.Struct({
  value: Schema.String,
  responseUrl: Schema.optionalKey(Schema.String),
  channelId: Schema.optionalKey(Schema.String)
}))

/** Interactions of other kinds, and with other parts of the app, are none of ours. */
const Payload = Schema.Union([BlockActions, ViewSubmission])
type Payload = typeof Payload.Type

const isInteraction = Schema.is(Schema.Struct({ type: Schema.String }))
const decodePayload = Schema.decodeUnknownResult(Payload)
const decodeMetadata = Schema.decodeUnknownResult(Metadata)
const isActionId = Schema.is(ActionId)
const isDigest = Schema.is(ActionDigest)

interface Target {
  readonly actionId: ActionId
  readonly digest: string
}

/** What a button stands for. */
const targetOf = (value: string | undefined): Target | undefined => {
  const [digest, actionId] = (value ?? "").split(" ")
  return isDigest(digest) && isActionId(actionId) ? { actionId, digest } : undefined
}

const bytesOf = (text: string) => new TextEncoder().encode(text)

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const toldOf = (choice: Choice, { ballot: { outcome, state } }: BallotStatus) =>
  `Your vote to ${choice} counts. ${
    outcome !== null
      ? `The action is ${outcome.result}.`
      : state === "deciding"
      ? "It decides: the gateway is being told."
      : "The action is still pending."
  }`

/**
 * Builds the service. Votes are cast in its scope, and a shutdown waits for those that have begun.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(
  function*(
    { signingSecret, ...slack }: Options
  ): Effect.fn.Return<
    SlackInteractions["Service"],
    VargateError,
    ReviewPanel | SlackAuthenticator | Deliveries | HttpClient.HttpClient | Mac.Mac | Scope.Scope
  > {
    const operation = "SlackInteractions.make"
    const panel = yield* ReviewPanel
    const { authenticate } = yield* SlackAuthenticator
    const deliveries = yield* Deliveries
    const api = yield* makeSlackApi(operation, slack)
    const scope = yield* Effect.scope
    const mac = yield* Mac.Mac
    const secret = signingSecret === undefined ? undefined : Redacted.value(signingSecret)
    if (secret !== undefined && secret.length < 16) {
      return yield* invalidRequest(operation, [{
        path: ["signingSecret"],
        message: "Expected the signing secret of the app: at least 16 characters"
      }])
    }
    const key = secret === undefined
      ? undefined
      : yield* Effect.orDie(Mac.key(Mac.hmacSha256, bytesOf(secret)))

    const isSigned = Effect.fnUntraced(function*(rawBody: Uint8Array, timestamp: string, tag: Uint8Array) {
      if (key === undefined) return false
      const head = bytesOf(`v0:${timestamp}:`)
      const signed = new Uint8Array(head.length + rawBody.length)
      signed.set(head)
      signed.set(rawBody, head.length)
      return yield* Effect.orDie(mac.verify(key, tag, signed))
    })

    // --- what is told --------------------------------------------------------------------------------------------------

    /** To the reviewer alone. An address for answers is good for five of them: this needs one. */
    const tell = Effect.fnUntraced(function*(
      { channelId, responseUrl }: {
        readonly channelId?: string | undefined
        readonly responseUrl?: string | undefined
      },
      userId: string,
      text: string
    ) {
      const byMethod = channelId === undefined
        ? Effect.void
        : api.write("chat.postEphemeral", { channel: channelId, user: userId, text: escaped(text) })
      const byAddress = responseUrl === undefined
        ? byMethod
        : api.respond(responseUrl, {
          response_type: "ephemeral",
          replace_original: false,
          text: escaped(text)
        })
      yield* afterPause(byAddress).pipe(
        Effect.catch((error) => Effect.logWarning(`A reviewer was not answered: ${error.message}`))
      )
    })

    // --- what is done --------------------------------------------------------------------------------------------------

    const vote = Effect.fnUntraced(function*(
      payload: Payload,
      target: Target,
      choice: Choice,
      note: string | undefined
    ) {
      const { team, user } = payload
      const reviewer = yield* authenticate({ teamId: user.team_id ?? team?.id ?? "", userId: user.id })
      const status = yield* panel.vote(reviewer, { ...target, choice, note })
      return toldOf(choice, status)
    }, (told) =>
      Effect.catch(told, (error) =>
        error._tag === "NotAuthenticated" || error._tag === "VoteRefused"
          ? Effect.succeed(error.message)
          : error._tag === "VargateError" && error.reason._tag === "InvalidRequest"
          ? Effect.succeed("Your vote was not cast: its note has more than 2,000 characters.")
          : Effect.as(
            Effect.logWarning(`A vote from Slack was not cast: ${error.message}`),
            "Your vote was not cast: the panel cannot reach the gateway or its store now. Try again later."
          )))

    /** Does what an interaction asks for once, and returns what the user is told; undefined where it was done before. */
    const once = (id: string, told: Effect.Effect<string | undefined>) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        if ((yield* deliveries.claim({ id, now, until: now + lockMillis })) === undefined) return undefined
        const text = yield* told
        yield* deliveries.settle(id)
        return text
      }).pipe(
        Effect.catch((error) =>
          Effect.as(
            Effect.logWarning(`A vote from Slack was not cast: ${error.message}`),
            "Your vote was not cast: the panel cannot reach its store now. Try again later."
          )
        ),
        // A vote that has begun is not lost by a shutdown.
        Effect.uninterruptible
      )

    const handle = Effect.fnUntraced(function*(id: string, payload: Payload) {
      if (payload.type === "block_actions") {
        const { actions: [action], channel, response_url: responseUrl, trigger_id, user } = payload
        const target = targetOf(action?.value)
        if (action === undefined || target === undefined) return
        if (action.action_id === approveAction) {
          const text = yield* once(id, vote(payload, target, "approve", undefined))
          if (text !== undefined) yield* tell({ responseUrl, channelId: channel?.id }, user.id, text)
        } else if (action.action_id === rejectAction) {
          const view = rejectionView(action.value!, responseUrl, channel?.id)
          const opening = api.write("views.open", { trigger_id, view }).pipe(
            Effect.as(undefined),
            Effect.catch((error: SlackFailed) =>
              Effect.as(
                Effect.logWarning(`Slack did not ask for a note: ${error.message}`),
                "Slack did not open the dialog. Try again."
              )
            )
          )
          const text = yield* once(id, opening)
          if (text !== undefined) yield* tell({ responseUrl, channelId: channel?.id }, user.id, text)
        }
        return
      }
      const { user, view } = payload
      const metadata = decodeMetadata(view.private_metadata)
      if (view.callback_id !== rejectView || Result.isFailure(metadata)) return
      const target = targetOf(metadata.success.value)
      if (target === undefined) return
      const note = view.state.values["note"]?.["note"]?.value ?? ""
      const text = yield* once(id, vote(payload, target, "reject", note.trim() === "" ? undefined : note))
      if (text !== undefined) yield* tell(metadata.success, user.id, text)
    })

    // --- what comes in -------------------------------------------------------------------------------------------------

    const begin = Effect.fnUntraced(function*(text: string, payload: unknown) {
      if (!isInteraction(payload)) return yield* new SlackRequestRefused({ refusal: "Unreadable" })
      const decoded = decodePayload(payload)
      // Whatever else users do in Slack is answered, and ignored.
      if (Result.isFailure(decoded)) return
      yield* Effect.forkIn(handle(sha256(`slack-interaction\n${text}`), decoded.success), scope)
    })

    return SlackInteractions.of({
      receive: Effect.fnUntraced(function*({ rawBody, signature, timestamp }) {
        const tag = /^v0=([0-9a-f]{64})$/.exec(signature ?? "")?.[1]
        if (key === undefined || tag === undefined || timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) {
          return yield* new SlackRequestRefused({ refusal: "Unsigned" })
        }
        const seconds = (yield* Clock.currentTimeMillis) / 1000
        if (Math.abs(seconds - Number(timestamp)) > toleranceSeconds) {
          return yield* new SlackRequestRefused({ refusal: "NotOfNow" })
        }
        if (!(yield* isSigned(rawBody, timestamp, Result.getOrThrow(Hex.decode(tag))))) {
          return yield* new SlackRequestRefused({ refusal: "WrongSignature" })
        }
        const text = new URLSearchParams(new TextDecoder().decode(rawBody)).get("payload")
        const payload = yield* Effect.try({
          try: (): unknown => JSON.parse(text ?? ""),
          catch: () => new SlackRequestRefused({ refusal: "Unreadable" })
        })
        yield* begin(text!, payload)
      }),
      accept: (payload) => Effect.suspend(() => begin(JSON.stringify(payload) ?? "", payload))
    })
  },
  Effect.provide(Layer.provide(Mac.layerWebCrypto, SecureRandom.layerWebCrypto))
)

/** Once more after the pause that Slack asks for, where that is short. */
const afterPause = <A>(request: Effect.Effect<A, SlackFailed>) =>
  Effect.catch(
    request,
    (error) =>
      error.retryAfterMillis !== undefined && error.retryAfterMillis <= 60_000
        ? Effect.delay(request, Duration.millis(error.retryAfterMillis))
        : Effect.fail(error)
  )

/**
 * The service for a panel.
 *
 * **Example** (Interactions on a port)
 *
 * ```ts
 * import { Layer, Redacted } from "effect"
 * import { SlackAuthenticator, SlackInteractions } from "effect-vargate"
 * import * as SlackRoute from "effect-vargate/http/SlackRoute"
 * import { FetchHttpClient } from "effect/http"
 *
 * const interactions = SlackInteractions.layer({
 *   token: Redacted.make("xoxb-..."),
 *   signingSecret: Redacted.make("of the app, from its settings")
 * })
 *
 * const reviewers = SlackAuthenticator.layerUsers({
 *   teamId: "T0123456789",
 *   reviewers: [{ id: "ann", name: "Ann", groups: ["finance"], userId: "U0123456789" }]
 * })
 *
 * export const route = SlackRoute.layer("/slack/interactions").pipe(
 *   Layer.provide(interactions),
 *   Layer.provide([reviewers, FetchHttpClient.layer])
 * )
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: Options
): Layer.Layer<
  SlackInteractions,
  VargateError,
  ReviewPanel | SlackAuthenticator | Deliveries | HttpClient.HttpClient
> => Layer.effect(SlackInteractions, make(options))
