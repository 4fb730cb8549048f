/**
 * The events of the inbox page.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { Feed } from "../../inbox/Feed.ts"
import { Alive, InboxApi } from "../../inbox/InboxApi.ts"
import { Closing } from "../Closing.ts"

const heartbeat = Stream.map(Stream.tick("15 seconds"), () => new Alive())

/** Proxies must not collect the stream, and its connection must not linger when it has ended. */
const streaming = HttpEffect.appendPreResponseHandler((_, response) =>
  Effect.succeed(HttpServerResponse.setHeaders(response, { connection: "close", "x-accel-buffering": "no" }))
)

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  InboxApi,
  "inbox",
  Effect.fnUntraced(function*(handlers) {
    const feed = yield* Feed
    const closing = yield* Closing

    return handlers.handle(
      "events",
      Effect.fnUntraced(function*() {
        const { id, isStillGood } = yield* CurrentTenant
        yield* streaming
        return Stream.unwrap(Effect.map(feed.subscribe(id), (news) => Stream.merge(news, heartbeat))).pipe(
          // A key that is no longer valid receives nothing more, whenever its stream was opened.
          Stream.takeWhileEffect(() => isStillGood),
          Stream.interruptWhen(closing)
        )
      })
    )
  })
)
