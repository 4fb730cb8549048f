/**
 * The events of the inbox page.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { TooManyRequests429 } from "../../../transport/wire/ErrorBodies.ts"
import { alive, Broadcast } from "../../inbox/Broadcast.ts"
import { InboxApi } from "../../inbox/InboxApi.ts"
import { Budget } from "../Budget.ts"
import { clientAddress, holderOf, TrustedProxies } from "../clientAddress.ts"
import { Closing } from "../Closing.ts"

/** Also how often a listener's key is looked up, beside every change of keys. */
const heartbeat = Stream.map(Stream.tick("15 seconds"), () => alive)

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
const headers = { connection: "close", "x-accel-buffering": "no" }

/** Passes on what arrives for as long as its listener's key is good, and looks that up no more often than it must. */
const whileGood = (
  { isStillGood, keysRevision }: Pick<CurrentTenant["Service"], "isStillGood" | "keysRevision">,
  news: Stream.Stream<Uint8Array>
): Stream.Stream<Uint8Array> => {
  let lookedUpAt: number | undefined
  return Stream.takeWhileEffect(news, (bytes) =>
    Effect.suspend(() => {
      const revision = keysRevision()
      if (revision === lookedUpAt && bytes !== alive) return Effect.succeed(true)
      lookedUpAt = revision
      return isStillGood
    }))
}

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
    const broadcast = yield* Broadcast
    const closing = yield* Closing
    const isTrustedProxy = yield* TrustedProxies
    const byTenant = new Budget({ perOwner: perTenant, inAll })
    const byAddress = new Budget({ perOwner: perAddress })

    return handlers.handle(
      "events",
      Effect.fnUntraced(function*({ request }) {
        const tenant = yield* CurrentTenant
        const { id } = tenant
        const address = holderOf(clientAddress(request, isTrustedProxy))
        if (!byTenant.take(id, 1)) return yield* tooManyStreams(`This tenant has ${perTenant}`)
        yield* Effect.addFinalizer(() => Effect.sync(() => byTenant.give(id, 1)))
        if (address !== undefined) {
          if (!byAddress.take(address, 1)) return yield* tooManyStreams(`This address has ${perAddress}`)
          yield* Effect.addFinalizer(() => Effect.sync(() => byAddress.give(address, 1)))
        }
        const news = Stream.unwrap(Effect.map(broadcast.listen(id), (news) => Stream.merge(news, heartbeat)))
        return HttpServerResponse.stream(
          // A key that is no longer valid receives nothing more, whenever its stream was opened.
          Stream.interruptWhen(whileGood(tenant, news), closing),
          { contentType: "text/event-stream", headers }
        )
      })
    )
  })
)
