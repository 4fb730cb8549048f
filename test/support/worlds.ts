/**
 * The same program in two worlds: on a gateway in this process, and on one behind a socket of this machine. Between
 * program and gateway sits a wiretap that counts requests and can lose answers.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Clock, Context, Duration, Effect, Layer, Option, Struct } from "effect"
import { Approvals, Reviews, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { FetchHttpClient, HttpClient, HttpClientError, HttpServer, UrlParams } from "effect/http"
import { createServer } from "node:http"

export class Wiretap extends Context.Service<Wiretap, {
  /** `GET /approvals`, in the order of sending. */
  readonly requests: Array<string>
  /** Paths whose next answer is lost after the gateway has acted. */
  readonly lost: Array<string>
  /** How many records each read of the log asked for. */
  readonly pages: Array<number>
}>()("test/Wiretap") {}

const wiretap = Layer.effectContext(Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const requests: Array<string> = []
  const lost: Array<string> = []
  const pages: Array<number> = []
  const tapped = HttpClient.transform(client, (effect, request) => {
    const { pathname } = new URL(request.url)
    requests.push(`${request.method} ${pathname}`)
    if (pathname.endsWith("/audit/log")) {
      pages.push(Number(Option.getOrNull(UrlParams.getFirst(request.urlParams, "limit"))))
    }
    const index = lost.findIndex((path) => pathname.startsWith(path))
    if (index < 0) return effect
    lost.splice(index, 1)
    const cause = Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })
    return Effect.andThen(
      effect,
      Effect.fail(
        new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
      )
    )
  })
  return Context.make(Wiretap, { requests, lost, pages }).pipe(Context.add(HttpClient.HttpClient, tapped))
}))

export interface WorldOptions extends Gateway.Options {
  readonly approvals?: Approvals.Options
}

const tenantOf = (options: WorldOptions) => options.tenants?.[0] ?? Gateway.localTenant

/** `Approvals` with a rhythm of its own hides the one of `Vargate.layer`. */
const services = (options: WorldOptions, url?: string) =>
  Layer.mergeAll(Reviews.layer, Approvals.layerWith(options.approvals ?? {})).pipe(
    Layer.provideMerge(Vargate.layer({ apiKey: tenantOf(options).apiKey, url })),
    Layer.provideMerge(wiretap)
  )

export type World = Vargate.Services | Reviews.Reviews | Gateway.Parts | Wiretap

/** A gateway refuses options that it does not know. */
const gatewayOptions = (options: WorldOptions): Gateway.Options => Struct.omit(options, ["approvals"])

export const inProcess = (options: WorldOptions = {}): Layer.Layer<World, unknown> =>
  services(options).pipe(Layer.provideMerge(Gateway.layerMemory(gatewayOptions(options))))

const server = (options: Gateway.Options) =>
  Gateway.serve(options).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
    Layer.provideMerge(Gateway.layerParts(options))
  )

export const overSocket = (options: WorldOptions = {}): Layer.Layer<World, unknown> =>
  Layer.unwrap(
    Effect.map(HttpServer.HttpServer, ({ address }) =>
      services(options, `http://127.0.0.1:${"port" in address ? address.port : 0}`).pipe(
        Layer.provide(FetchHttpClient.layer)
      ))
  ).pipe(Layer.provideMerge(server(gatewayOptions(options))))

export const worlds = [
  { name: "in process", world: inProcess },
  { name: "over a socket", world: overSocket }
] as const

/** Real time that can be moved forward: sockets do not wait for a test clock. */
export class TimeMachine extends Context.Service<TimeMachine, {
  readonly jump: (duration: Duration.Input) => Effect.Effect<void>
}>()("test/TimeMachine") {}

export const timeMachine = Layer.effectContext(Effect.gen(function*() {
  const real = yield* Clock.Clock
  let ahead = 0
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() + ahead,
    currentTimeMillis: Effect.sync(() => real.currentTimeMillisUnsafe() + ahead),
    currentTimeNanosUnsafe: () => real.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => real.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => real.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: real.monotonicTimeNanos,
    sleep: (duration) => real.sleep(duration)
  }
  const jump = (duration: Duration.Input) =>
    Effect.sync(() => {
      ahead += Duration.toMillis(Duration.fromInputUnsafe(duration))
    })
  return Context.make(Clock.Clock, clock).pipe(Context.add(TimeMachine, { jump }))
}))
