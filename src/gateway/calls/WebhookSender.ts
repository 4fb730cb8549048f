/**
 * Tells a tenant's receiver what happened, by webhook.
 *
 * **Details**
 *
 * As measured: the body is signed with the tenant's secret; up to four attempts, at 0, 2, 6 and 14 seconds, with the same
 * body and signature; ten seconds for each; anything but a 2xx is a failure, a redirect too. An event is announced in
 * passing: no call waits for it or fails by it.
 *
 * **Gotchas**
 *
 * The holder of a tenant's key chooses the URL that this machine then sends to. Only `https:` is served, without a
 * password in the URL and without following redirects, what comes back is not read, and no log shows the URL. Names that
 * lead into a private network are not refused: a gateway inside one is meant to reach its neighbours. Where strangers
 * have keys, pass a `client` that uses a proxy.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { canonicalJson, pythonSeparators } from "../../internal/canonicalJson.ts"
import { isLoopback } from "../../internal/loopback.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { makeSigner, signatureHeader } from "../../webhooks/internal/webhookSignature.ts"
import type { Tenant } from "../tenants/Tenants.ts"

/**
 * How webhooks leave the gateway.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** What they go out through: `FetchHttpClient.layer`, or a receiver in the same process. */
  readonly client: Layer.Layer<HttpClient.HttpClient>
  /** Permits `http:` to this machine. Default: false. */
  readonly allowLoopbackHttp?: boolean | undefined
  /**
   * How many events may be under way at once, with their attempts to come. Beyond that the tenant with most of them loses
   * one, so that a receiver that is away costs no other tenant its events. Default: 1,000.
   */
  readonly capacity?: number | undefined
}

/**
 * The contents of `data`: JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type EventData = Readonly<Record<string, unknown>>

/**
 * The tenant has no `webhook_url`.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoWebhookUrl extends Data.TaggedError("NoWebhookUrl") {}

/**
 * The receiver could not be reached, or answered no 2xx. `detail` says why, without the URL.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotDelivered extends Data.TaggedError("NotDelivered")<{
  readonly webhookUrl: string
  readonly detail: string
}> {}

/**
 * Sends events to the tenants' receivers.
 *
 * @category services
 * @since 0.1.0
 */
export class WebhookSender extends Context.Service<WebhookSender, {
  /** Whether the gateway was given a client for webhooks. */
  readonly canSend: boolean
  /** Sends an event, if the tenant has a URL and has chosen the event. It never waits and never fails. */
  readonly announce: (tenant: Tenant, event: string, data: EventData) => Effect.Effect<void>
  /**
   * Sends `test.ping`, whatever events the tenant has chosen, in one attempt (POST /webhooks/test). Returns the URL.
   */
  readonly sendTest: (tenant: Tenant) => Effect.Effect<string, NoWebhookUrl | NotDelivered>
}>()("effect-vargate/gateway/WebhookSender") {}

const pingData = {
  action_id: "test-webhook-ping",
  agent_id: "vargate-system",
  tool: "webhook-test",
  method: "PING",
  decision: "allow",
  message: "This is a test webhook from Vargate."
}

const attemptTimeout: Duration.Input = "10 seconds"

const furtherAttempts = Schedule.exponential("2 seconds").pipe(Schedule.upTo({ times: 3 }))

const make = Effect.fnUntraced(function*(
  send: ((request: HttpClientRequest.HttpClientRequest) => Effect.Effect<number, string>) | undefined,
  { allowLoopbackHttp = false, capacity = 1000 }: Partial<Options>
): Effect.fn.Return<WebhookSender["Service"], never, Scope.Scope> {
  const scope = yield* Effect.scope
  const queues = new FairQueues(capacity)

  const prepare = Effect.fnUntraced(function*(tenant: Tenant, url: string, event: string, data: EventData) {
    if (!isAcceptable(url, allowLoopbackHttp)) return yield* Effect.fail("the URL is not https, or holds a password")
    if (tenant.webhookSecret === null) return yield* Effect.fail("the tenant has no webhook secret")
    const timestamp = yield* Effect.orDie(Schema.encodeEffect(Timestamp)(yield* DateTime.now))
    const body = new TextEncoder().encode(canonicalJson({ event, timestamp, data }, pythonSeparators))
    const signer = yield* Effect.mapError(makeSigner("WebhookSender", tenant.webhookSecret), ({ message }) => message)
    return HttpClientRequest.post(url, {
      body: HttpBody.uint8Array(body, "application/json"),
      headers: {
        [signatureHeader]: yield* signer.sign(body),
        "x-vargate-event": event,
        "user-agent": "Vargate-Webhook/1.0"
      }
    })
  })

  const attempt = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<void, string> =>
    send === undefined
      ? Effect.fail("this gateway was given no client for webhooks")
      : send(request).pipe(
        Effect.timeoutOrElse({ duration: attemptTimeout, orElse: () => Effect.fail("no answer within 10 seconds") }),
        Effect.flatMap((status) => status >= 200 && status < 300 ? Effect.void : Effect.fail(`status ${status}`))
      )

  const lost = (tenant: Tenant, event: string, detail: string) =>
    Effect.logWarning(`A webhook was not delivered: ${detail}`).pipe(Effect.annotateLogs({ tenant: tenant.id, event }))

  const deliver = (tenant: Tenant, url: string, event: string, data: EventData) =>
    prepare(tenant, url, event, data).pipe(
      Effect.flatMap((request) => Effect.retry(attempt(request), furtherAttempts)),
      Effect.catch((detail) => lost(tenant, event, detail))
    )

  return WebhookSender.of({
    canSend: send !== undefined,
    announce: (tenant, event, data) =>
      Effect.suspend(() => {
        const url = tenant.webhookUrl
        if (url === null || !tenant.webhookEvents.includes(event)) return Effect.void
        const delivery: Delivery = { tenantId: tenant.id, isDisplaced: false, fiber: undefined }
        if (!queues.enter(delivery)) return lost(tenant, event, `${capacity} others are under way`)
        return deliver(tenant, url, event, data).pipe(
          Effect.onInterrupt(() =>
            delivery.isDisplaced ? lost(tenant, event, "the tenant has more under way than any other") : Effect.void
          ),
          Effect.ensuring(Effect.sync(() => queues.leave(delivery))),
          Effect.forkIn(scope),
          Effect.map((fiber) => {
            delivery.fiber = fiber
          })
        )
      }),
    sendTest: Effect.fnUntraced(function*(tenant) {
      const webhookUrl = tenant.webhookUrl
      if (webhookUrl === null) return yield* new NoWebhookUrl()
      yield* prepare(tenant, webhookUrl, "test.ping", pingData).pipe(
        Effect.flatMap(attempt),
        Effect.mapError((detail) => new NotDelivered({ webhookUrl, detail }))
      )
      return webhookUrl
    })
  })
})

interface Delivery {
  readonly tenantId: string
  /** Whether it made room for another tenant's. */
  isDisplaced: boolean
  fiber: Fiber.Fiber<void> | undefined
}

/** What is under way, by tenant. Where it is full, the tenant with the most loses one. */
class FairQueues {
  private readonly queues = new Map<string, Set<Delivery>>()
  private size = 0
  private readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** False where it is full, and no tenant has more under way than this one. */
  enter(delivery: Delivery): boolean {
    const own = this.queues.get(delivery.tenantId) ?? new Set()
    if (this.size >= this.capacity && !this.displace(own.size)) return false
    this.queues.set(delivery.tenantId, own.add(delivery))
    this.size++
    return true
  }

  leave(delivery: Delivery): void {
    const own = this.queues.get(delivery.tenantId)
    if (own?.delete(delivery) !== true) return
    this.size--
    if (own.size === 0) this.queues.delete(delivery.tenantId)
  }

  /** Ends the oldest delivery of the tenant with most of them, which has been tried for longest. */
  private displace(size: number): boolean {
    const most = [...this.queues.values()].reduce<ReadonlySet<Delivery>>((a, b) => b.size > a.size ? b : a, new Set())
    const [oldest] = most
    // One for this tenant, one less for the other: only where that makes them more equal.
    if (oldest === undefined || most.size <= size + 1) return false
    this.leave(oldest)
    oldest.isDisplaced = true
    oldest.fiber?.interruptUnsafe()
    return true
  }
}

/**
 * Whether a webhook may be sent to a URL.
 *
 * @category checks
 * @since 0.1.0
 */
export const isAcceptable = (text: string, allowLoopbackHttp: boolean): boolean => {
  const url = URL.parse(text)
  if (url === null || url.username !== "" || url.password !== "") return false
  return url.protocol === "https:" || (allowLoopbackHttp && url.protocol === "http:" && isLoopback(url.hostname))
}

/**
 * Returns the status alone. The connection is released before a body is read, and errors are named without their URL.
 */
const sendThrough = (client: HttpClient.HttpClient) => {
  const scoped = HttpClient.withScope(client)
  return (request: HttpClientRequest.HttpClientRequest) =>
    scoped.execute(request).pipe(
      Effect.map(({ status }) => status),
      Effect.scoped,
      Effect.mapError(({ reason }) => reason._tag),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      // Whom the tenant chose to tell need not know the gateway's traces.
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
    )
}

/**
 * A sender, or without options one that delivers nothing: then a test fails, and what would have been sent is logged as
 * lost.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<WebhookSender> =>
  options === undefined
    ? Layer.effect(WebhookSender, make(undefined, {}))
    : Layer.effect(
      WebhookSender,
      Effect.flatMap(HttpClient.HttpClient, (client) => make(sendThrough(client), options))
    ).pipe(Layer.provide(options.client))
