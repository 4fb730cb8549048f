/**
 * A gateway to be left running: on a port of this machine, with everything that it knows in one file.
 *
 * **Example** (A server in a program)
 *
 * ```ts
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Console } from "effect"
 * import * as GatewayServer from "effect-vargate/gateway/GatewayServer"
 *
 * NodeRuntime.runMain(
 *   GatewayServer.run({ data: "./vargate.db" }, ({ url }) => Console.log(`Listening on ${url}`))
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Server } from "node:http"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { KeyScope } from "../model/KeyScope.ts"
import { WebhookEventName } from "../model/TenantSettings.ts"
import { isAcceptable } from "./calls/WebhookSender.ts"
import * as Gateway from "./Gateway.ts"
import { BoundedServer } from "./http/BoundedServer.ts"
import { addressList } from "./http/clientAddress.ts"
import { DirectRequests } from "./http/DirectRequests.ts"
import { NodeHttpServer } from "./http/nodePlatform.ts"
import { ListenError } from "./ListenError.ts"
import type { StorageError } from "./sqlite/StorageError.ts"
import { newKey, newWebhookSecret } from "./tenants/internal/apiKeys.ts"
import { ScopedKeys } from "./tenants/ScopedKeys.ts"
import { registrationOf, type Tenant, type TenantOptions, Tenants } from "./tenants/Tenants.ts"

/**
 * The server at hand.
 *
 * @category services
 * @since 0.1.0
 */
export class GatewayServer extends Context.Service<GatewayServer, {
  /** Where it listens, as a client on this machine would say it. */
  readonly url: string
  /** Its first tenant, with the key. */
  readonly tenant: Tenant
  /** Whether this start has made the tenant: its key has not been shown yet. */
  readonly isNew: boolean
}>()("effect-vargate/gateway/GatewayServer") {}

/**
 * What a server can be given.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Omit<Gateway.Options, "tenants"> {
  /** Default: 8000. With 0 the system chooses a free one. */
  readonly port?: number | undefined
  /** Default: `127.0.0.1`, which cannot be reached from outside. */
  readonly host?: string | undefined
  /** The SQLite file. Default: `./vargate.db`. Its key is kept beside it, in `{data}.key`. */
  readonly data?: string | undefined
  /** The first tenant's template. Default: what it has; `general` for a new one. */
  readonly template?: "general" | "financial" | "email" | "crm" | "data_access" | undefined
  /** What the first tenant registers of its agents and data. Default: what it has. */
  readonly registration?: Pick<TenantOptions, "agentDefaults" | "agents" | "dataHandling"> | undefined
  /** The first tenant's key. Default: the one that it has; a random one for a new tenant. */
  readonly apiKey?: Redacted.Redacted | undefined
  /**
   * Keys of the first tenant for one scope each, beside its own, which has them all: an agent gets `agent`, a reviewer signs
   * in with `reviewer`. A key given here is kept until another one is given.
   */
  readonly keys?: Partial<Readonly<Record<KeyScope, Redacted.Redacted>>> | undefined
  /**
   * Where all events of the first tenant are sent; needs `webhooks`. A secret is made where there is none, and kept.
   * Default: what the tenant has.
   */
  readonly webhookUrl?: string | undefined
  /** The first tenant's calls in any sliding second. Default: what it has; 20 for a new one. */
  readonly burst?: number | undefined
  /** How long the last requests may take once the server is to end. Default: 10 seconds. */
  readonly grace?: Duration.Input | undefined
  /** What a client gets. */
  readonly limits?: Limits | undefined
}

/**
 * Limits that keep slow and idle clients from taking a server's place.
 *
 * @category options
 * @since 0.1.0
 */
export interface Limits {
  /** Connections at a time; further ones are closed at once. Default: 4096. */
  readonly connections?: number | undefined
  /**
   * Connections of one address at a time; further ones are answered 429. Those of {@link Gateway.Options.trustedProxies}
   * are not counted: there the requests of each client behind the proxy are. Default: 256.
   */
  readonly perAddress?: number | undefined
  /** The time for a request's headers, from the connection on. Default: 10 seconds. */
  readonly headers?: Duration.Input | undefined
  /** The time for a whole request, body included. Default: 30 seconds. */
  readonly request?: Duration.Input | undefined
  /** The time in which a client must take some of an answer that waits for it. Default: 30 seconds. */
  readonly write?: Duration.Input | undefined
}

const millis = (duration: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(duration))

const nodeServer = ({ limits = {}, trustedProxies = [] }: Options): BoundedServer => {
  const {
    connections = 4096,
    headers = "10 seconds",
    perAddress = 256,
    request = "30 seconds",
    write = "30 seconds"
  } = limits
  const server = new BoundedServer({
    headersTimeout: millis(headers),
    requestTimeout: millis(request),
    connectionsCheckingInterval: Math.min(1000, millis(headers)),
    // Longer than clients keep an idle connection: a client that sends a call just as the server hangs up never learns
    // what became of it.
    keepAliveTimeout: 65_000
  }, { perAddress, write: millis(write), isTrusted: addressList(trustedProxies) })
  server.maxConnections = connections
  return server
}

const isPort = (port: number) => Number.isInteger(port) && port >= 0 && port <= 65_535

const listen = (server: Server, { grace = "10 seconds", host = "127.0.0.1", port = 8000 }: Options) => {
  const refuse = (code: string) => new ListenError({ host, port, code })
  return Layer.effect(
    HttpServer.HttpServer,
    isPort(port)
      ? Effect.mapError(
        NodeHttpServer.make(() => server, { host, port, gracefulShutdownTimeout: grace }),
        ({ cause }) => refuse((cause as NodeJS.ErrnoException).code ?? String(cause))
      )
      : Effect.fail(refuse("ERR_SOCKET_BAD_PORT"))
  )
}

/** The oldest tenant, changed where the options say so; a new one in a register that is empty. */
const firstTenant = Effect.fnUntraced(function*(options: Options) {
  const made = yield* namedTenant(options)
  const scopedKeys = yield* ScopedKeys
  for (const scope of KeyScope.literals) {
    const apiKey = options.keys?.[scope]
    if (apiKey !== undefined) yield* scopedKeys.put(made.tenant.id, { name: scope, scopes: [scope], apiKey })
  }
  return made
})

/** A webhook that could never be sent is a mistake, and not the receiver's. */
const checkWebhook = ({ webhookUrl, webhooks }: Options): Effect.Effect<void, VargateError> => {
  const refuse = (message: string) =>
    Effect.fail(invalidRequest("GatewayServer.layer", [{ path: ["webhookUrl"], message }]))
  if (webhookUrl === undefined) return Effect.void
  if (webhooks === undefined) return refuse("needs the option webhooks: without a client nothing is sent")
  return isAcceptable(webhookUrl, webhooks.allowLoopbackHttp ?? false)
    ? Effect.void
    : refuse(
      "Expected a URL that begins with https://, without a password, or, with allowLoopbackHttp, one of this machine"
    )
}

const namedTenant = Effect.fnUntraced(function*(options: Options) {
  const { apiKey, burst, registration = {}, template, webhookUrl } = options
  yield* checkWebhook(options)
  const tenants = yield* Tenants
  const [first] = yield* tenants.all
  const webhook = webhookUrl === undefined ? {} : {
    webhookUrl,
    webhookEvents: WebhookEventName.literals,
    webhookSecret: first?.webhookSecret ?? newWebhookSecret()
  }
  if (first === undefined) {
    const { id, name } = Gateway.localTenant
    const tenant = yield* tenants.put({
      id,
      name,
      apiKey: apiKey ?? newKey(),
      policyTemplate: template,
      burst,
      ...webhook,
      ...registration
    })
    return { tenant, isNew: true }
  }
  if (apiKey !== undefined) yield* tenants.rotateKey(first.id, first.apiKey, apiKey)
  const tenant = yield* tenants.update(first.id, ({ burst: before, policyTemplate }) => ({
    burst: burst ?? before,
    policyTemplate: template ?? policyTemplate,
    ...webhook,
    ...registrationOf(registration)
  }))
  return { tenant: tenant!, isNew: false }
})

/** An address that means "all of them" is none that a client can go to. */
const urlOf = (address: HttpServer.HttpServer["Service"]["address"]): string =>
  HttpServer.formatAddress(address).replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")

const gatewayServer = (options: Options) =>
  Layer.effect(
    GatewayServer,
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      return GatewayServer.of({ url: urlOf(address), ...yield* firstTenant(options) })
    })
  )

/**
 * A gateway on a port of this machine, with its parts at hand.
 *
 * **Details**
 *
 * With a file that holds no tenant it makes one, `local`, with a random key. The key stays in the file, encrypted: it is
 * `tenant.apiKey` of {@link GatewayServer} at every start, in case it was lost.
 *
 * When the layer's scope closes, the server takes no more connections, the requests in flight get their answers, and then
 * the file is closed. What has not been answered when the grace is over is cut off.
 *
 * **Gotchas**
 *
 * A tool that the gateway executes itself is never cut off: the scope waits for it. {@link run} does not.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<GatewayServer | Gateway.Parts, StorageError | ListenError | VargateError> =>
  Layer.unwrap(Effect.sync(() => {
    const server = nodeServer(options)
    // Between the two: the gateway has given up on its last requests, the server still waits for their connections.
    const hangUp = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections())))
    // Finalizers run in reverse: what is built over all the rest begins its end.
    const drain = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => server.drain())))
    return Layer.provideMerge(drain, Gateway.serve(options)).pipe(
      Layer.provide(Layer.succeed(DirectRequests, (take) => server.handOver(take))),
      Layer.provide(hangUp),
      Layer.provideMerge(gatewayServer(options)),
      Layer.provide(listen(server, options)),
      Layer.provideMerge(Gateway.layerPartsSqlite({ filename: options.data ?? "./vargate.db", policy: options.policy }))
    )
  }))

const signals = { SIGINT: 130, SIGTERM: 143 } as const

/** A second signal, or the end of all patience, ends the process: the file is made for that. */
const impatience = (grace: Duration.Input) => {
  const timer = setTimeout(() => {
    process.stderr.write("The gateway ends without its last requests: they took too long.\n")
    process.exit(1)
  }, millis(grace) + 2000).unref()
  const forced = (signal: keyof typeof signals) => () => process.exit(signals[signal])
  const listeners = { SIGINT: forced("SIGINT"), SIGTERM: forced("SIGTERM") }
  process.on("SIGINT", listeners.SIGINT).on("SIGTERM", listeners.SIGTERM)
  return Effect.sync(() => {
    clearTimeout(timer)
    process.off("SIGINT", listeners.SIGINT).off("SIGTERM", listeners.SIGTERM)
  })
}

/**
 * Serves until it is interrupted, for the main program of a process: `NodeRuntime.runMain` interrupts it at the first
 * signal.
 *
 * **Details**
 *
 * It then closes as the layer does. A second signal ends the process at once, and so do two seconds beyond the grace.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E, R>(
  options: Options,
  started: (server: GatewayServer["Service"]) => Effect.Effect<A, E, R>
): Effect.Effect<never, StorageError | ListenError | VargateError | E, R> =>
  Effect.scoped(Effect.gen(function*() {
    let patience: Effect.Effect<void> = Effect.void
    yield* Effect.addFinalizer(() => patience)
    const context = yield* Layer.build(layer(options))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        patience = impatience(options.grace ?? "10 seconds")
      })
    )
    yield* started(Context.get(context, GatewayServer))
    return yield* Effect.never
  }))
