/**
 * The news of an embedded gateway as it is sent: encoded once for all listeners.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as RcMap from "effect/RcMap"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Feed } from "./Feed.ts"
import { FeedEvent } from "./FeedEvent.ts"
import { Alive } from "./InboxApi.ts"

/**
 * Sends the news of tenants.
 *
 * **Details**
 *
 * A tenant's listeners share one subscription to its feed. What happens while the last news are on their way is sent
 * together: with many listeners there is a pause after each delivery, so that they cost a gateway under load a part of
 * what its calls cost, and not a multiple of it.
 *
 * @category services
 * @since 0.2.0
 */
export class Broadcast extends Context.Service<Broadcast, {
  /** Listens from now on, until the scope closes. Each element is one or more events. */
  readonly listen: (tenantId: string) => Effect.Effect<Stream.Stream<Uint8Array>, never, Scope.Scope>
}>()("effect-vargate/gateway/Broadcast") {}

/** Deliveries that a slow listener may be behind before it misses the oldest. */
const unread = 64

/** Events that wait for their delivery. An event is a reason to look again, so that the oldest may be left out. */
const mostWaiting = 1024

/**
 * So many listeners are served at once. Of more, each makes the pause longer by so many milliseconds: to serve one takes a
 * tenth of a millisecond, so that all of a tenant's take a fortieth of the time.
 */
const servedAtOnce = 4
const pauseOfOne = 4
const longestPause = 500
const pauseFor = (listeners: number) => listeners <= servedAtOnce ? 0 : Math.min(listeners * pauseOfOne, longestPause)

const write = Schema.encodeSync(Schema.fromJsonString(Schema.Union([...FeedEvent.members, Alive])))
const encoder = new TextEncoder()

const textOf = (event: FeedEvent | Alive): string =>
  Sse.encoder.write({ _tag: "Event", id: undefined, event: "message", data: write(event) })

/**
 * What a listener hears first, and then every so often.
 *
 * @category constants
 * @since 0.2.0
 */
export const alive: Uint8Array = encoder.encode(textOf(new Alive()))

const makeChannel = Effect.fnUntraced(function*(feed: Feed["Service"], tenantId: string) {
  const news = yield* feed.subscribe(tenantId)
  const deliveries = yield* Effect.acquireRelease(PubSub.sliding<Uint8Array>(unread), PubSub.shutdown)
  const hasNews = Latch.makeUnsafe()
  let waiting: Array<string> = []
  let listeners = 0

  const collect = Stream.runForEach(news, (event) =>
    Effect.sync(() => {
      if (waiting.length === mostWaiting) waiting.shift()
      waiting.push(textOf(event))
      hasNews.openUnsafe()
    }))

  const deliver = Effect.gen(function*() {
    yield* hasNews.await
    // What happens in one breath is sent in one.
    yield* Effect.yieldNow
    hasNews.closeUnsafe()
    const text = waiting.join("")
    waiting = []
    yield* PubSub.publish(deliveries, encoder.encode(text))
    const pause = pauseFor(listeners)
    if (pause > 0) yield* Effect.sleep(pause)
  })

  yield* Effect.forkScoped(collect)
  yield* Effect.forkScoped(Effect.forever(deliver))

  return {
    listen: Effect.gen(function*() {
      const subscription = yield* PubSub.subscribe(deliveries)
      yield* Effect.acquireRelease(Effect.sync(() => listeners++), () => Effect.sync(() => listeners--))
      return Stream.fromSubscription(subscription)
    })
  }
})

/**
 * The news of the feed in context.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Broadcast, never, Feed> = Layer.effect(
  Broadcast,
  Effect.gen(function*() {
    const feed = yield* Feed
    const channels = yield* RcMap.make({ lookup: (tenantId: string) => makeChannel(feed, tenantId) })
    return Broadcast.of({
      listen: (tenantId) => Effect.flatMap(RcMap.get(channels, tenantId), ({ listen }) => listen)
    })
  })
)
