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
import { TooManyRequests429 } from "../../../transport/wire/ErrorBodies.ts"
import { Feed } from "../../inbox/Feed.ts"
import { Alive, InboxApi } from "../../inbox/InboxApi.ts"
import { Budget } from "../Budget.ts"
import { clientAddress, holderOf, TrustedProxies } from "../clientAddress.ts"
import { Closing } from "../Closing.ts"

const heartbeat = Stream.map(Stream.tick("15 seconds"), () => new Alive())

/** Streams at a time. A reviewer has one for each window. */
const perTenant = 64
const perAddress = 32
const inAll = 1024

const tooManyStreams = (who: string) =>
  Effect.fail(
    TooManyRequests429.make({
      detail: `${who} streams of events open, as many as it may have, or all tenants together do`
    })
  )

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
    const isTrustedProxy = yield* TrustedProxies
    const byTenant = new Budget({ perOwner: perTenant, inAll })
    const byAddress = new Budget({ perOwner: perAddress })

    return handlers.handle(
      "events",
      Effect.fnUntraced(function*({ request }) {
        const { id, isStillGood } = yield* CurrentTenant
        const address = holderOf(clientAddress(request, isTrustedProxy))
        if (!byTenant.take(id, 1)) return yield* tooManyStreams(`This tenant has ${perTenant}`)
        yield* Effect.addFinalizer(() => Effect.sync(() => byTenant.give(id, 1)))
        if (address !== undefined) {
          if (!byAddress.take(address, 1)) return yield* tooManyStreams(`This address has ${perAddress}`)
          yield* Effect.addFinalizer(() => Effect.sync(() => byAddress.give(address, 1)))
        }
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
