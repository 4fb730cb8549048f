/**
 * An HTTP client response whose body is still on its way.
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
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import * as Stream from "effect/Stream"
import { ByteGatherer } from "../../internal/byteGatherer.ts"
import { BufferedResponse, type ResponseHead } from "../../transport/internal/BufferedResponse.ts"
import type { ArrivingBody } from "./ArrivingBody.ts"

/** A response that is never read would keep its connection indefinitely. */
const unread = new FinalizationRegistry<ArrivingBody>((body) => body.cancel())

/** @internal */
export class ArrivingResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId] = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId] = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies: Cookies.Cookies
  private readonly body: ArrivingBody
  private whole: BufferedResponse | undefined

  constructor(head: ResponseHead, body: ArrivingBody) {
    super()
    this.request = head.request
    this.status = head.status
    this.headers = head.headers
    this.cookies = head.cookies ?? Cookies.empty
    this.body = body
    unread.register(this, body)
  }

  get url() {
    return this.request.url
  }

  get remoteAddress() {
    return Option.none<string>()
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.HttpClientError> {
    // Named in the stream, the response itself stays alive for as long as it is read.
    return Stream.fromPull(Effect.succeed(this.body.pull)).pipe(
      Stream.mapError((cause) => this.failure(cause)),
      Stream.ensuring(Effect.sync(() => this.body.cancel()))
    )
  }

  /** Read once, and then as often as one likes. */
  private get buffered(): Effect.Effect<BufferedResponse, HttpClientError.HttpClientError> {
    return Effect.suspend(() =>
      this.whole !== undefined
        ? Effect.succeed(this.whole)
        : Effect.map(
          Stream.runFold(this.stream, () => new ByteGatherer(), (gathered, chunk) => {
            gathered.add(chunk)
            return gathered
          }),
          (gathered) => this.whole = new BufferedResponse(this, gathered.join())
        )
    )
  }

  get arrayBuffer() {
    return Effect.flatMap(this.buffered, ({ arrayBuffer }) => arrayBuffer)
  }

  get text() {
    return Effect.flatMap(this.buffered, ({ text }) => text)
  }

  get json() {
    return Effect.flatMap(this.buffered, ({ json }) => json)
  }

  get urlParamsBody() {
    return Effect.flatMap(this.buffered, ({ urlParamsBody }) => urlParamsBody)
  }

  get formData() {
    return Effect.flatMap(this.buffered, ({ formData }) => formData)
  }

  get upgrade(): Effect.Effect<never, HttpClientError.HttpClientError> {
    return Effect.fail(this.failure("this client does not upgrade connections"))
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
