/**
 * Tool calls over a socket, without the platform: reading a small body and writing a small answer costs it as much as
 * deciding about the call. See `toolCallRoute` for which requests these are.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { IncomingMessage, ServerResponse } from "node:http"
import { isTraced } from "../../internal/spans.ts"
import { header } from "../../transport/wire/ApiKey.ts"
import { addressBehind, holderOf, TrustedProxies } from "./clientAddress.ts"
import type { Hosts } from "./crossSite.ts"
import { DirectRequests, type Take } from "./DirectRequests.ts"
import { safeHeaders } from "./middleware.ts"
import { ClientShares } from "./shares.ts"
import { type Answer, isOrdinary } from "./toolCallRoute.ts"

type Contract = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  unknown,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** The same request once more, for the contract's route, now that its body has been read. */
const readRequest = (request: IncomingMessage, body: Buffer): HttpServerRequest.HttpServerRequest =>
  HttpServerRequest.fromClientRequest(
    HttpClientRequest.post(request.url!, {
      headers: headersOf(request),
      body: HttpBody.uint8Array(body, request.headers["content-type"])
    })
  ).modify({ url: request.url!, remoteAddress: Option.fromNullishOr(request.socket.remoteAddress) })

/** Node joins what comes twice, except for cookies, which are not read here. */
const headersOf = ({ headers }: IncomingMessage) => headers as Readonly<Record<string, string | undefined>>

const decoder = new TextDecoder()

const write = (response: ServerResponse, { body, headers, status }: HttpServerResponse.HttpServerResponse): void => {
  response.writeHead(status, { ...headers, ...safeHeaders })
  if (body._tag === "Uint8Array") response.end(body.text ?? body.body)
  else response.end()
}

/**
 * Has the server at hand, if it is one of Node that asks for it, hand over tool calls. What comes out is told what answers
 * every other request. Where a tracer is installed the platform sees all of them, since it opens their spans.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(answer: Answer, hosts: Hosts) {
  const handOver = yield* DirectRequests
  const isSeen = yield* Effect.withFiber((fiber) => Effect.succeed(isTraced(fiber)))
  if (handOver === undefined || isSeen) return () => {}
  const isTrusted = yield* TrustedProxies
  const shares = yield* ClientShares
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      handOver(undefined)
      return Fiber.interruptAll(fibers)
    })
  )

  const begin = (
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    address: string | undefined,
    contract: Contract
  ) => {
    const answering = Effect.flatMap(
      answer(headersOf(request)[header]!, Effect.succeed(decoder.decode(body))),
      (answered) =>
        answered === undefined
          ? Effect.scoped(
            Effect.provideService(contract, HttpServerRequest.HttpServerRequest, readRequest(request, body))
          )
          : Effect.succeed(answered)
    )
    const fiber = fork(answering)
    fibers.add(fiber)
    fiber.addObserver((exit) => {
      fibers.delete(fiber)
      // The end of the gateway: there is nothing more to say.
      if (Exit.isFailure(exit)) return void response.destroy()
      if (response.destroyed) return
      const paid = shares.owe(address, Number(exit.value.headers["content-length"]))
      if (paid !== undefined) response.once("close", paid)
      write(response, exit.value)
    })
  }

  const take = (contract: Contract): Take => (request, response) => {
    const { method, socket, url } = request
    const headers = headersOf(request)
    if (headers["content-length"] === undefined || !isOrdinary({ method, url, headers }, hosts)) return false
    const address = holderOf(addressBehind(socket.remoteAddress, headers["x-forwarded-for"], isTrusted))
    if (!shares.enter(address)) return false
    response.once("close", () => shares.leave(address))
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.once("end", () => {
      begin(request, response, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), address, contract)
    })
    // A client that disconnects before has asked for nothing.
    request.on("error", () => {})
    return true
  }

  return (contract: Contract) => handOver(take(contract))
})
