/**
 * The one way to the gateway: base URL, key, deadlines, size limits. Every service stands on it, and its only
 * requirement is an `HttpClient`: a real one, an embedded gateway in the same process, or a script in a test.
 *
 * What other libraries call errors ends here, in one switch.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type OperationError, type Reason, type SideEffect, Timeout, VargateError } from "../errors/VargateError.ts"
import { redactSpellings, spellings } from "../internal/redact.ts"
import * as AuthorizedClient from "./internal/authorizedClient.ts"
import { checkTimeout, checkUrl, invalidOption } from "./internal/checkOptions.ts"
import { type Deadline, withDeadline } from "./internal/deadline.ts"
import { type DerivedClient, derivedClient } from "./internal/derivedClient.ts"
import { type DirectExchange, offerDirectExchange } from "./internal/directExchange.ts"
import { type ForeignError, isForeignError, translate } from "./internal/foreignError.ts"
import { keyIssue, KeyRing, keySources, usable } from "./internal/keyRing.ts"
import { KeyProvider } from "./KeyProvider.ts"
import { recordRetry } from "./Metrics.ts"
import type { Groups } from "./wire/apiOf.ts"

/**
 * The typed client that derives from the contract of some groups.
 *
 * @category models
 * @since 0.1.0
 */
export type Client<G extends Groups> = DerivedClient<G>

/**
 * One operation as the transport sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operation {
  /** The method's name, as it stands in errors: `AuditLog.verify`. */
  readonly name: string
  /** What may have happened when no answer comes: "none" for reads. */
  readonly sideEffect: SideEffect
  /**
   * A media type: the body of a 200 of this type is left to be read piece by piece, and neither the deadline nor the
   * limit holds for it. Default: every body is read before it is looked at, unless it declares its length.
   */
  readonly leaveOpen?: string | undefined
  /** What else the request carries that no error may show, even where the gateway echoes it. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
  /** Whether the answer holds a new secret: then no part of it gets into an error. */
  readonly isAnswerSecret?: boolean | undefined
  /** A session token to send in the place of the key. Only routes that refuse a bad one may get it. */
  readonly session?: Redacted.Redacted | undefined
}

/**
 * Carries out operations of the derived client under the deadline, with foreign errors made ours.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  readonly baseUrl: string
  /** The largest response body that is read, in bytes. */
  readonly maxBodyBytes: number
  /** The client of some groups. Its calls go through `request` only. A route is derived when it is first called. */
  readonly client: <const G extends Groups>(...groups: G) => Client<G>
  /** Answers that belong to one route alone (a denial, an unreachable policy engine) pass through as they are. */
  readonly request: <A, E>(
    operation: Operation,
    call: Effect.Effect<A, E>
  ) => Effect.Effect<A, Exclude<E, ForeignError> | OperationError>
  /** Redacts the API key in a text of the gateway's, which may echo what it was sent. */
  readonly redact: (text: string) => string
  /** The key that requests carry now. */
  readonly key: Effect.Effect<Redacted.Redacted>
  /**
   * Runs a replacement of the key: other requests wait until it has ended, and carry the key that it gave from then on.
   * Those that were under way with the old key and are refused for it (401: they did nothing) are sent again. Once it has
   * begun it cannot be interrupted.
   */
  readonly replaceKey: <A extends { readonly apiKey: Redacted.Redacted }, E, R>(
    replacement: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R>
}>()("effect-vargate/Transport") {}

/**
 * How to reach a gateway.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The tenant's key, at least 8 characters. Without one the gateway would silently act for its default tenant, so it is
   * required.
   */
  readonly apiKey: Redacted.Redacted | string
  /** Default: `https://vargate.ai/api`. */
  readonly url?: string | undefined
  /** Time for one operation, from sending to the last byte of the answer. Default: 30 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** The largest response body that is read, in bytes. Default: 64 MiB. */
  readonly maxBodyBytes?: number | undefined
  /** Permits plain `http:` to other machines, where every machine on the way can read the key. Default: false. */
  readonly allowInsecure?: boolean | undefined
  /**
   * Sends the ids of the current span along (`traceparent`, `b3`), so that the gateway's spans join the agent's trace.
   * Default: false, since the gateway may be a third party.
   */
  readonly propagateTrace?: boolean | undefined
  /**
   * Wraps the `HttpClient`, for instance to add a header. Never put a retry or a redirect here: a tool call that is
   * sent twice is two actions.
   */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/**
 * The hosted gateway.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultUrl = "https://vargate.ai/api"

/**
 * Builds a transport over the `HttpClient` in context. Fails with `InvalidRequest` when the key or the URL is unusable.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Transport["Service"], VargateError, HttpClient.HttpClient> {
  const key = Redacted.isRedacted(options.apiKey) ? options.apiKey : Redacted.make(options.apiKey)
  const issue = keyIssue(key)
  return yield* issue === undefined ? withKeys(new KeyRing(key), options) : invalidOption("apiKey", issue)
})

/**
 * Builds a transport whose key comes from the `KeyProvider` in context. Fails with `KeyUnavailable` when that has none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeKeyProvider = Effect.fnUntraced(function*(
  options: Omit<Options, "apiKey"> = {}
): Effect.fn.Return<Transport["Service"], VargateError, HttpClient.HttpClient | KeyProvider> {
  const read = usable((yield* KeyProvider).read, yield* checkTimeout(options.timeout))
  const key = yield* Effect.mapError(read, (reason) => new VargateError({ operation: "Transport.make", reason }))
  return yield* withKeys(new KeyRing(key, read), options)
})

const withKeys = (keys: KeyRing, options: Omit<Options, "apiKey">) =>
  Effect.map(wire(keys, options), (wire) =>
    Transport.of({
      ...wire,
      key: Effect.sync(() => keys.key),
      replaceKey: (replacement) => keys.replace(replacement)
    }))

/**
 * Builds the part of a transport that needs no key. Only for routes that need none either: on most others the gateway
 * would act for its default tenant.
 *
 * @internal
 */
export const makeWithoutKey = (
  options: Omit<Options, "apiKey">
): Effect.Effect<
  Pick<Transport["Service"], "baseUrl" | "client" | "request" | "redact">,
  VargateError,
  HttpClient.HttpClient
> => wire(undefined, options)

const wire = Effect.fnUntraced(function*(keys: KeyRing | undefined, options: Omit<Options, "apiKey">) {
  const baseUrl = yield* checkUrl(options.url ?? defaultUrl, options.allowInsecure ?? false)
  const timeout = yield* checkTimeout(options.timeout)
  const maxBodyBytes = options.maxBodyBytes ?? 64 * 1024 * 1024
  if (!(maxBodyBytes >= 0)) return yield* invalidOption("maxBodyBytes", "the limit must be a number of bytes")
  const propagateTrace = options.propagateTrace ?? false
  const httpClient = yield* HttpClient.HttpClient

  const redact = (text: string) => keys === undefined ? text : redactSpellings(text, keys.secrets)

  const authorized = AuthorizedClient.make(options.transformClient?.(httpClient) ?? httpClient, {
    baseUrl,
    maxBodyBytes,
    keys
  })
  const client = derivedClient(AuthorizedClient.clientOf(authorized))

  const carryOut = <A, E>(
    operation: Operation & Pick<Parameters<DirectExchange>[0], "before">,
    send: (within: AuthorizedClient.Within<VargateError>) => Effect.Effect<A, E | VargateError>
  ): Effect.Effect<A, Exclude<E, ForeignError> | OperationError> =>
    Effect.withFiber((fiber) => {
      recordRetry(operation.name, fiber)
      const exchange = AuthorizedClient.makeExchange(operation, propagateTrace ? traceOf(fiber) : undefined)
      const failure = (reason: Reason) => Effect.fail(new VargateError({ operation: operation.name, reason }))
      const deadline: Deadline<VargateError> = {
        duration: timeout,
        onLate: () =>
          failure(new Timeout({ after: timeout, sideEffect: exchange.isOut ? operation.sideEffect : "none" })),
        clock: fiber.getRef(Clock.Clock)
      }
      const context = () => Context.add(Context.merge(fiber.context, quiet), AuthorizedClient.CurrentExchange, exchange)
      const sending = send({ exchange, deadline, context })
      const translated = Effect.catch(
        sending,
        (error): Effect.Effect<never, Exclude<E, ForeignError> | OperationError> =>
          isForeignError(error)
            ? Effect.flatMap(
              translate(error, {
                sideEffect: operation.sideEffect,
                response: exchange.response,
                redact: redacting(operation, redact),
                isAnswerSecret: operation.isAnswerSecret ?? false
              }),
              (ours): Effect.Effect<never, OperationError> =>
                ours._tag === "RateLimited"
                  ? Effect.fail(ours)
                  : failure(ours._tag === "Unauthenticated" ? exchange.keyFailure ?? ours : ours)
            )
            : Effect.fail(error as Exclude<E, ForeignError> | VargateError)
      )
      const { before } = operation
      const sent = before === undefined ? translated : Effect.andThen(before, translated)
      return keys?.isHeld ? Effect.andThen(keys.settled(), sent) : sent
    })

  const request: Transport["Service"]["request"] = (operation, call) =>
    carryOut(operation, ({ context, deadline }) => withDeadline(call, deadline, context()))
  offerDirectExchange(
    request,
    (operation, httpRequest, body, read) =>
      carryOut(operation, (within) => authorized.executeWithin(httpRequest, body, within, read))
  )

  return { baseUrl, maxBodyBytes, client, request, redact }
})

/** An HTTP span would cost as much as the call itself, and trace headers are not sent to a third party by default. */
const quiet = Context.make(FetchHttpClient.RequestInit, { redirect: "manual" }).pipe(
  Context.add(HttpClient.TracerDisabledWhen, () => true)
)

const traceOf = ({ cache: { span } }: Fiber.Fiber<unknown, unknown>) =>
  span?._tag === "Span" ? HttpTraceContext.toHeaders(span) : undefined

/** The texts of an operation also lose the secrets that it carries itself. */
const redacting = ({ secrets = [], session }: Operation, redact: (text: string) => string) => {
  const own = spellings(session === undefined ? secrets : [...secrets, session])
  return own.length === 0 ? redact : (text: string) => redactSpellings(redact(text), own)
}

/**
 * A transport with the given options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Transport, VargateError, HttpClient.HttpClient> =>
  Layer.effect(Transport, make(options))

/**
 * A transport configured by `VARGATE_API_KEY` (required) and `VARGATE_URL` (default `https://vargate.ai/api`).
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options?: Omit<Options, "apiKey" | "url">
): Layer.Layer<Transport, VargateError | Config.ConfigError, HttpClient.HttpClient> =>
  Layer.effect(
    Transport,
    Effect.gen(function*() {
      const apiKey = yield* Config.option(Config.Redacted("VARGATE_API_KEY"))
      if (Option.isNone(apiKey)) return yield* noKey
      const url = yield* Config.String("VARGATE_URL").pipe(Config.withDefault(defaultUrl))
      return yield* make({ ...options, apiKey: apiKey.value, url })
    })
  )

/** Effect's own words are those of a schema, and do not say where a key comes from. */
const noKey = Config.fail(
  new ConfigProvider.SourceError({ message: `VARGATE_API_KEY is not set: an API key is required. ${keySources}.` })
)

/**
 * A transport whose key comes from a `KeyProvider`, which is asked again when the gateway refuses a key.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerKeyProvider = (
  options?: Omit<Options, "apiKey">
): Layer.Layer<Transport, VargateError, HttpClient.HttpClient | KeyProvider> =>
  Layer.effect(Transport, makeKeyProvider(options))
