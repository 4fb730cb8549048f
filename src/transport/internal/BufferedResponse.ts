/**
 * An HTTP client response whose body is already in memory: it can be read again, for an error message too.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Cookies from "effect/http/Cookies"
import type * as Headers from "effect/http/Headers"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as UrlParams from "effect/http/UrlParams"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** @internal */
export type ResponseHead =
  & Pick<HttpClientResponse.HttpClientResponse, "request" | "status" | "headers">
  & Partial<Pick<HttpClientResponse.HttpClientResponse, "cookies">>

/** One for all: it keeps nothing between texts. */
const decoder = new TextDecoder()

/** @internal */
export class BufferedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId] = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId] = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly bytes: Uint8Array<ArrayBuffer>
  private readonly head: ResponseHead

  constructor(head: ResponseHead, bytes: Uint8Array<ArrayBuffer>) {
    super()
    this.request = head.request
    this.status = head.status
    this.bytes = bytes
    this.head = head
  }

  get headers(): Headers.Headers {
    return this.head.headers
  }

  get cookies(): Cookies.Cookies {
    return this.head.cookies ?? Cookies.empty
  }

  get url() {
    return this.request.url
  }

  get remoteAddress() {
    return Option.none<string>()
  }

  get arrayBuffer() {
    const { buffer, byteLength } = this.bytes
    return Effect.succeed(byteLength === buffer.byteLength ? buffer : new Uint8Array(this.bytes).buffer)
  }

  get text() {
    return Effect.sync(() => decoder.decode(this.bytes))
  }

  get json(): Effect.Effect<Schema.Json, HttpClientError.HttpClientError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({
        try: () => text === "" ? null : JSON.parse(text),
        catch: (cause) => this.failure(cause)
      }))
  }

  get urlParamsBody() {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get stream() {
    return Stream.succeed<Uint8Array>(this.bytes)
  }

  get formData(): Effect.Effect<FormData, HttpClientError.HttpClientError> {
    return Effect.tryPromise({
      try: () => new Response(this.bytes, { headers: this.headers }).formData(),
      catch: (cause) => this.failure(cause)
    })
  }

  get upgrade(): Effect.Effect<never, HttpClientError.HttpClientError> {
    return Effect.fail(this.failure("a response that was read to its end cannot be upgraded"))
  }

  private failure(cause: unknown): HttpClientError.HttpClientError {
    return new HttpClientError.HttpClientError({
      reason: new HttpClientError.DecodeError({ request: this.request, response: this, cause })
    })
  }

  pipe() {
    return pipeArguments(this, arguments)
  }

  override toJSON() {
    return { _id: "HttpClientResponse", status: this.status }
  }
}
