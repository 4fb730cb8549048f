/**
 * News of what happens in an embedded gateway, for those who watch it live.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Ledger } from "../ledger/Ledger.ts"
import { Expired, type FeedEvent, Held, Recorded, Settled } from "./FeedEvent.ts"

/**
 * The news of each tenant.
 *
 * **Details**
 *
 * Telling never waits for listeners: one that falls more than 64 events behind misses the oldest. So an event is a
 * reason to look again, and not the thing itself.
 *
 * @category services
 * @since 0.1.0
 */
export class Feed extends Context.Service<Feed, {
  readonly publish: (tenantId: string, event: FeedEvent) => Effect.Effect<void>
  /** Whether there was ever a listener to a tenant: until then there is nothing to publish. */
  readonly isHeard: (tenantId: string) => boolean
  /** Listens from now on, until the scope closes. */
  readonly subscribe: (tenantId: string) => Effect.Effect<Stream.Stream<FeedEvent>, never, Scope.Scope>
}>()("effect-vargate/gateway/Feed") {}

const unread = 64

const make = Effect.gen(function*() {
  const channels = new Map<string, PubSub.PubSub<FeedEvent>>()
  yield* Effect.addFinalizer(() => Effect.forEach(channels.values(), PubSub.shutdown, { discard: true }))

  const channelOf = Effect.fnUntraced(function*(tenantId: string) {
    const existing = channels.get(tenantId)
    if (existing !== undefined) return existing
    const created = yield* PubSub.sliding<FeedEvent>(unread)
    channels.set(tenantId, created)
    return created
  })

  return Feed.of({
    isHeard: (tenantId) => channels.has(tenantId),
    publish: (tenantId, event) =>
      Effect.suspend(() => {
        const channel = channels.get(tenantId)
        return channel === undefined ? Effect.void : PubSub.publish(channel, event)
      }),
    subscribe: (tenantId) =>
      channelOf(tenantId).pipe(Effect.flatMap(PubSub.subscribe), Effect.map(Stream.fromSubscription))
  })
})

/** The same ledger, which also publishes what is written to it: its callers need not do so. */
const telling = (ledger: Ledger["Service"], feed: Feed["Service"]): Ledger["Service"] => {
  const tell = (tenantId: string, events: () => ReadonlyArray<FeedEvent>) =>
    feed.isHeard(tenantId)
      ? Effect.forEach(events(), (event) => feed.publish(tenantId, event), { discard: true })
      : Effect.void

  return {
    ...ledger,
    append: (entry, hold) =>
      Effect.tap(ledger.append(entry, hold), () =>
        tell(entry.tenantId, () => [
          new Recorded({ actionId: entry.actionId, decision: entry.decision }),
          ...(hold === undefined ? [] : [new Held({ actionId: hold.actionId })])
        ])),
    settle: (tenantId, actionId, settlement, entry, intent) =>
      Effect.tap(ledger.settle(tenantId, actionId, settlement, entry, intent), (isSettled) =>
        isSettled
          ? tell(tenantId, () => [
            new Settled({ actionId, status: settlement.status }),
            ...(entry === undefined ? [] : [new Recorded({ actionId: entry.actionId, decision: entry.decision })])
          ])
          : Effect.void),
    expire: (tenantId, now) =>
      Effect.tap(
        ledger.expire(tenantId, now),
        (expired) => tell(tenantId, () => expired.map((actionId) => new Expired({ actionId })))
      )
  }
}

/**
 * The feed of the ledger in context, and that ledger again, which now tells its news.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Feed | Ledger, never, Ledger> = Layer.effectContext(
  Effect.gen(function*() {
    const feed = yield* make
    return Context.make(Feed, feed).pipe(Context.add(Ledger, telling(yield* Ledger, feed)))
  })
)
