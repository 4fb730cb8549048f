/**
 * A channel in Slack: a message for each pending action, with buttons. The message is edited after votes and at the end;
 * reminders are in its thread. `SlackInteractions` takes what reviewers press.
 *
 * **Details**
 *
 * The bot needs the scopes `chat:write` and, to find a message again that it posted just before its process ended,
 * `channels:history` (`groups:history` in a private channel). It has to be in the channel.
 *
 * @since 0.2.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { isRecord } from "../internal/isRecord.ts"
import { makeSlackApi, type SlackFailed, type SlackOptions } from "./internal/slackApi.ts"
import { messageOf, metadataType, reminderOf } from "./internal/slackMessage.ts"
import { ChannelFailed, type ReviewChannel, type ReviewNotice } from "./ReviewChannel.ts"

/**
 * Which channel, and as whom.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options extends SlackOptions {
  /** Part of the ids of its deliveries: the same over restarts, another one for each channel. */
  readonly name: string
  /** The id of the channel in Slack, like `C0123456789`. */
  readonly channel: string
  /** Where reviewers see everything: a third button. */
  readonly reviewUrl?: string | undefined
}

/** Pages of a channel's history that are searched for a message: an hour of a busy channel. */
const maxPages = 30
const pageSize = 100

/** Slack's clock is another one. */
const clockMillis = 300_000

/** The message was deleted, or is not ours to edit: there is nothing to bring up to date. */
const gone: ReadonlySet<string | undefined> = new Set([
  "message_not_found",
  "cant_update_message",
  "edit_window_closed",
  "thread_not_found"
])

const stringAt = (value: unknown, key: string) => {
  const found = isRecord(value) ? value[key] : undefined
  return typeof found === "string" ? found : undefined
}

/**
 * Makes the channel. Fails with `InvalidRequest` where an option is not usable.
 *
 * **Details**
 *
 * A message that may have been posted by an attempt before (its process ended, or Slack did not answer) is looked for in
 * the channel, by its metadata, before it is posted again. Where Slack asks for a pause (429 with `Retry-After`), nothing
 * is sent until it is over.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  { channel, name, reviewUrl, ...slack }: Options
): Effect.fn.Return<ReviewChannel, VargateError, HttpClient.HttpClient> {
  const operation = "SlackChannel.make"
  const invalid = (path: string, message: string) => invalidRequest(operation, [{ path: [path], message }])
  if (name === "") return yield* invalid("name", "Expected a name")
  if (!/^[A-Z][A-Z0-9]{2,30}$/.test(channel)) {
    return yield* invalid("channel", "Expected the id of a channel, like C0123456789")
  }
  if (reviewUrl !== undefined && !/^https?:$/.test(URL.parse(reviewUrl)?.protocol ?? "")) {
    return yield* invalid("reviewUrl", "Expected a URL")
  }
  const api = yield* makeSlackApi(operation, slack)

  const failed = ({ detail, retryAfterMillis }: SlackFailed) =>
    new ChannelFailed({ channel: name, detail, ...retryAfterMillis === undefined ? {} : { retryAfterMillis } })

  const metadataOf = ({ actionId, digest }: ReviewNotice, step: string) => ({
    event_type: metadataType,
    event_payload: { channel: name, action_id: actionId, digest, step }
  })

  const isOurs = (message: unknown, notice: ReviewNotice, step: string, botId: string | undefined) => {
    if (!isRecord(message) || stringAt(message, "bot_id") !== botId) return false
    const metadata = message["metadata"]
    const payload = isRecord(metadata) ? metadata["event_payload"] : undefined
    const { event_payload, event_type } = metadataOf(notice, step)
    return stringAt(metadata, "event_type") === event_type &&
      Object.entries(event_payload).every(([key, value]) => stringAt(payload, key) === value)
  }

  /** The time stamp of a message that an attempt before has posted, on any page of the history. */
  const find = Effect.fnUntraced(function*(
    notice: ReviewNotice,
    step: string,
    method: string,
    params: Readonly<Record<string, string>>
  ) {
    // Another app could post a message with our metadata.
    const botId = stringAt(yield* api.write("auth.test", {}), "bot_id")
    let cursor = ""
    for (let page = 0; page < maxPages; page++) {
      const answer = yield* api.read(method, {
        channel,
        limit: String(pageSize),
        include_all_metadata: "true",
        ...params,
        ...cursor === "" ? {} : { cursor }
      })
      const messages: ReadonlyArray<unknown> = Array.isArray(answer["messages"]) ? answer["messages"] : []
      const found = messages.find((message) => isOurs(message, notice, step, botId))
      if (found !== undefined) return stringAt(found, "ts")
      cursor = stringAt(answer["response_metadata"], "next_cursor") ?? ""
      if (cursor === "") break
    }
    return undefined
  })

  const post = Effect.fnUntraced(function*(notice: ReviewNotice, step: string, message: object) {
    const answer = yield* api.write("chat.postMessage", {
      channel,
      ...message,
      metadata: metadataOf(notice, step),
      mrkdwn: false,
      unfurl_links: false,
      unfurl_media: false
    })
    return stringAt(answer, "ts")
  })

  const announce = Effect.fnUntraced(function*(notice: ReviewNotice, attempts: number) {
    const oldest = (DateTime.toEpochMillis(notice.createdAt) - clockMillis) / 1000
    const earlier = attempts === 0
      ? undefined
      : yield* find(notice, "pending", "conversations.history", { oldest: oldest.toFixed(6) })
    if (earlier !== undefined || notice.outcome !== null) return earlier
    return yield* post(notice, "pending", messageOf(notice, reviewUrl))
  })

  const remind = Effect.fnUntraced(function*(notice: ReviewNotice, ts: string, attempts: number) {
    const step = `reminder/${notice.id}`
    const earlier = attempts === 0 ? undefined : yield* find(notice, step, "conversations.replies", { ts })
    if (earlier === undefined) yield* post(notice, step, { ...reminderOf(notice), thread_ts: ts })
  })

  const edit = (notice: ReviewNotice, ts: string) =>
    api.write("chat.update", { channel, ts, ...messageOf(notice, reviewUrl), metadata: metadataOf(notice, "pending") })

  return {
    name,
    deliver: (notice, { attempts, receipt }) =>
      Effect.gen(function*() {
        if (notice.kind === "pending") return yield* announce(notice, attempts)
        if (receipt === undefined) return undefined
        yield* notice.kind === "reminder" ? remind(notice, receipt, attempts) : edit(notice, receipt)
        return undefined
      }).pipe(
        Effect.catchIf(
          ({ code }) => notice.kind !== "pending" && gone.has(code) && code !== undefined,
          ({ detail }) =>
            Effect.as(Effect.logWarning(`${name} has no message of ${notice.actionId}: ${detail}`), undefined)
        ),
        Effect.mapError(failed)
      )
  }
})
