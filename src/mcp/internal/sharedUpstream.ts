/**
 * One server for the modern requests of many clients: these need no session, so the server of one request may serve the next
 * one. Ids, progress tokens and subscriptions are the clients' own, and two clients may choose the same, so that the server
 * sees others.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as JsonRpc from "../JsonRpc.ts"
import { ChannelFailed, type Incoming, type McpChannel, Unanswered, Unreadable } from "../McpChannel.ts"
import { metaKeys } from "./era.ts"
import { errorText, keyOfId, messagesIn, type Read, readMessage } from "./messages.ts"

type Inbox = Queue.Queue<Incoming, ChannelFailed | Cause.Done>

/** A request under the id that the server knows. */
interface Route {
  readonly inbox: Inbox
  /** The text of the client's own id, and of its progress token. */
  readonly id: string
  readonly token: string | undefined
}

interface Upstream {
  readonly channel: McpChannel
  readonly routes: Map<number, Route>
}

/**
 * Channels to one server, which is opened for the first of them, and anew for the next one after it has ended.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function*<R>(open: Effect.Effect<McpChannel, ChannelFailed, R>) {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  const opening = yield* Semaphore.make(1)
  let upstream: Upstream | undefined
  let lastId = 0

  /** Sends what the server says to the request that it belongs to. */
  const receive = ({ channel, routes }: Upstream, message: Incoming): Effect.Effect<void> => {
    const offer = (route: Route | undefined, message: Incoming) => {
      if (route !== undefined) Queue.offerUnsafe(route.inbox, message)
    }
    const take = (id: string) => {
      const route = routes.get(Number(id))
      routes.delete(Number(id))
      return route
    }
    if (typeof message !== "string") {
      const route = message.id === undefined ? undefined : take(message.id)
      if (route !== undefined) {
        offer(
          route,
          message instanceof Unreadable
            ? new Unreadable(message.why, { id: route.id, hasMethod: message.hasMethod })
            : new Unanswered(route.id, message.why, message.isUnsent)
        )
      }
      return Effect.void
    }
    const reading = readMessage(message)
    if (Result.isFailure(reading)) {
      const { hasMethod, id, why } = reading.failure
      return id === undefined || hasMethod
        ? Effect.void
        : receive({ channel, routes }, new Unreadable(why, { id, hasMethod }))
    }
    const { id, object, value } = reading.success
    if (id !== undefined && typeof value["method"] === "string") {
      // In this revision a server asks nothing by itself.
      return Effect.ignore(channel.send(errorText(id, JsonRpc.ErrorCode.methodNotFound, "no client is asked here")))
    }
    if (id !== undefined) {
      const route = take(id)
      if (route !== undefined) offer(route, object.with({ id: route.id }))
      return Effect.void
    }
    notify(routes, reading.success, offer)
    return Effect.void
  }

  const begin = Effect.gen(function*() {
    if (upstream !== undefined) return upstream
    const inner = yield* Scope.fork(scope)
    const channel = yield* Effect.onError(
      Scope.provide(open, inner),
      (cause) => Scope.close(inner, Exit.failCause(cause))
    )
    const one: Upstream = { channel, routes: new Map() }
    upstream = one
    yield* Stream.runForEach(
      Stream.flatMap(
        channel.incoming,
        (message) => Stream.fromIterable<Incoming>(typeof message === "string" ? messagesIn(message) : [message])
      ),
      (message) => receive(one, message)
    ).pipe(
      Effect.exit,
      Effect.flatMap(() => {
        if (upstream === one) upstream = undefined
        for (const { inbox } of one.routes.values()) {
          Queue.failCauseUnsafe(inbox, Cause.fail(new ChannelFailed({ detail: "the server has ended" })))
        }
        return Scope.close(inner, Exit.void)
      }),
      Effect.forkIn(scope)
    )
    return one
  })

  /** What is not open yet has certainly got nothing. */
  const current = opening.withPermit(begin).pipe(
    Effect.mapError(({ detail }) => new ChannelFailed({ detail, isUnsent: true })),
    Effect.provideContext(context)
  )

  /** The channel of one client's request, until its scope closes. */
  return Effect.gen(function*() {
    const inbox: Inbox = yield* Queue.unbounded<Incoming, ChannelFailed | Cause.Done>()
    /** Where the client's requests have gone, by the keys of their ids. */
    const sent = new Map<string, readonly [Upstream, number]>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const [{ routes }, id] of sent.values()) routes.delete(id)
      })
    )
    const send = (text: string): Effect.Effect<void, ChannelFailed> => {
      const { id, object, value } = Result.getOrThrow(readMessage(text))
      const params = object.object("params")
      if (id !== undefined && typeof value["method"] === "string") {
        return Effect.flatMap(current, (one) => {
          const meta = params?.object("_meta")
          const token = meta?.raw("progressToken")
          const newId = ++lastId
          sent.set(keyOfId(id), [one, newId])
          one.routes.set(newId, { inbox, id, token })
          const changed = token === undefined
            ? {}
            : { params: params!.with({ _meta: meta!.with({ progressToken: String(newId) }) }) }
          return one.channel.send(object.with({ id: String(newId), ...changed }))
        })
      }
      const requestId = value["method"] === "notifications/cancelled" ? params?.raw("requestId") : undefined
      const gone = requestId === undefined ? undefined : sent.get(keyOfId(requestId))
      // Nothing else of one client concerns a server of many.
      if (gone === undefined) return Effect.void
      const [{ channel, routes }, newId] = gone
      routes.delete(newId)
      return channel.send(object.with({ params: params!.with({ requestId: String(newId) }) }))
    }
    const channel: McpChannel = { incoming: Stream.fromQueue(inbox), send, end: Effect.asVoid(Queue.end(inbox)) }
    return channel
  })
})

/** A message that is no answer: progress by its token, and what a subscription brings by the subscription. */
const notify = (
  routes: ReadonlyMap<number, Route>,
  { object, value }: Read,
  offer: (route: Route | undefined, message: Incoming) => void
): void => {
  const params = object.object("params")
  const meta = params?.object("_meta")
  const given = JsonRpc.member(value, "params")
  if (value["method"] === "notifications/progress") {
    const route = routes.get(Number(given["progressToken"]))
    if (route?.token !== undefined) {
      offer(route, object.with({ params: params!.with({ progressToken: route.token }) }))
    }
    return
  }
  const subscription = JsonRpc.member(given, "_meta")[metaKeys.subscriptionId]
  const isCancelled = value["method"] === "notifications/cancelled"
  const route = routes.get(Number(isCancelled ? given["requestId"] : subscription))
  if (route !== undefined) {
    return offer(
      route,
      object.with({
        params: params!.with({
          ...(isCancelled ? { requestId: route.id } : {}),
          ...(subscription === undefined ? {} : { _meta: meta!.with({ [metaKeys.subscriptionId]: route.id }) })
        })
      })
    )
  }
  // Whose it is cannot be known where there are several.
  if (routes.size === 1) offer([...routes.values()][0], object.text)
}
