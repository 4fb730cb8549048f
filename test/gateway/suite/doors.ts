/** The ways into an embedded gateway, and what the cases need to walk through any. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { it } from "@effect/vitest"
import { Context, Effect, Layer, type Scope } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { join } from "node:path"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import type { TenantOptions } from "../../../src/gateway/tenants/Tenants.ts"
import * as NodeTransport from "../../../src/node/NodeTransport.ts"
import * as Transport from "../../../src/transport/Transport.ts"
import * as Vargate from "../../../src/Vargate.ts"
import { folder } from "../../support/folder.ts"

/** Where the gateway at hand answers. */
export class Address extends Context.Service<Address, string>()("test/Address") {}

/** What a case finds: the services of the first tenant, the wire, and the gateway's parts past all interfaces. */
export type House = Vargate.OperatorServices | HttpClient.HttpClient | Gateway.Parts | Address

export interface Door {
  readonly name: string
  readonly layer: (options: Gateway.Options, parts?: Layer.Layer<Gateway.Parts>) => Layer.Layer<House>
}

/** A limit that no case meets by chance. */
export const acme = { id: "acme", apiKey: "acme-key", burst: 1000 } as const satisfies TenantOptions
export const globex = { id: "globex", apiKey: "globex-key", burst: 1000 } as const satisfies TenantOptions

const house = (
  options: Gateway.Options,
  open: (options: Gateway.Options) => Layer.Layer<HttpClient.HttpClient | Address, never, Gateway.Parts>,
  parts: Layer.Layer<Gateway.Parts> | undefined
) => {
  const filled = { tenants: [acme, globex], ...options }
  const services = Layer.unwrap(
    Address.use((url) => Effect.succeed(servicesOf(String(filled.tenants![0]!.apiKey), url)))
  )
  return services.pipe(
    Layer.provideMerge(open(filled)),
    Layer.provideMerge(parts ?? Layer.orDie(Gateway.layerParts(filled)))
  )
}

const servicesOf = (apiKey: string, url: string) => Vargate.layerOperator({ apiKey, url }).pipe(Layer.orDie)

const client = (options: Gateway.Options) =>
  Layer.merge(Gateway.layerClient(options), Layer.succeed(Address, Transport.defaultUrl))

/** `Gateway.layerMemory`, taken apart so that a case can put in parts of its own. */
export const inProcess: Door = {
  name: "in process",
  layer: (options, parts) => house(options, client, parts)
}

const onDiskParts = (options: Gateway.Options) =>
  Layer.unwrap(Effect.map(folder, (path) =>
    Gateway.layerPartsSqlite({
      filename: join(path, "vargate.db"),
      tenants: options.tenants,
      policy: options.policy
    }))).pipe(Layer.orDie)

/** A gateway whose parts are in a file of its own. */
export const onDisk: Door = {
  name: "on disk",
  layer: (options, parts) => house(options, client, parts ?? onDiskParts({ tenants: [acme, globex], ...options }))
}

const address = Layer.effect(
  Address,
  HttpServer.HttpServer.use(({ address }) => Effect.succeed(HttpServer.formatAddress(address)))
)

const loopback = () => NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }).pipe(Layer.orDie)

/** `Gateway.serve` on a port of this machine. The server lives under the test's clock. */
const socketDoor = (name: string, client: Layer.Layer<HttpClient.HttpClient>): Door => ({
  name,
  layer: (options, parts) =>
    house(
      options,
      (options) => Layer.mergeAll(Gateway.serve(options), client, address).pipe(Layer.provide(loopback())),
      parts
    )
})

export const overSocket = socketDoor("over a socket, by fetch", FetchHttpClient.layer)

export const overNodeTransport = socketDoor(
  "over a socket, by NodeTransport",
  Layer.fresh(NodeTransport.layer)
)

/** Does something with the services of another tenant. They are built anew: those at hand act for the first one. */
export const as = (tenant: TenantOptions) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Vargate.OperatorServices> | House> =>
  Effect.gen(function*() {
    const url = yield* Address
    return yield* Effect.provide(effect, servicesOf(String(tenant.apiKey), url), { local: true })
  })

/** A case behind a door, over a fresh gateway with the options of its topic. */
export const caseOf =
  (door: Door, options: Gateway.Options = {}) =>
  (name: string, body: () => Effect.fn.Return<void, unknown, House | Scope.Scope>) =>
    it.effect(name, () => Effect.provide(Effect.gen(body), door.layer(options)))

// --- the bare wire ---------------------------------------------------------------------------------------------------

export type Method = "GET" | "POST" | "PATCH" | "DELETE"

export interface Sent {
  /** Default: the key of {@link acme}. `null` sends no header. */
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
  /** A JSON text as it stands. */
  readonly text?: string
  readonly body?: unknown
}

export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly text: string
}

/** Sends a request that no service would send. */
export const send = Effect.fnUntraced(function*(method: Method, path: string, sent: Sent = {}) {
  const url = yield* Address
  const { body, headers = {}, key = acme.apiKey, text = body === undefined ? undefined : JSON.stringify(body) } = sent
  const request = HttpClientRequest.make(method)(url + path, {
    headers: { ...(key === null ? {} : { "x-api-key": key }), ...headers }
  })
  return yield* receive(
    text === undefined ? request : HttpClientRequest.bodyText(request, text, "application/json")
  )
})

export const receive = Effect.fnUntraced(function*(request: HttpClientRequest.HttpClientRequest) {
  const response = yield* HttpClient.execute(request)
  const answer: Answer = {
    status: response.status,
    contentType: response.headers["content-type"] ?? "",
    text: yield* response.text
  }
  return answer
}, Effect.orDie)

/** The body of a tool call that the wire takes. */
export const wireCall = (call: Readonly<Record<string, unknown>> = {}) => ({
  agent_id: "a-1",
  agent_type: "autonomous",
  agent_version: "1.0.0",
  tool: "slack",
  method: "post_message",
  params: { channel: "#general" },
  ...call
})
