/** Everything that the page does at the gateway, with one key, for as long as a reviewer is logged in. */
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Approvals from "../../../approvals/Approvals.ts"
import * as Reviews from "../../../approvals/Reviews.ts"
import * as AuditLog from "../../../audit/AuditLog.ts"
import * as Transport from "../../../transport/Transport.ts"
import * as ApiKey from "../../../transport/wire/ApiKey.ts"
import * as ChainVerifier from "../../../verify/ChainVerifier.ts"
import { InboxApi } from "../InboxApi.ts"

/** Where the page came from, the gateway is: also behind a proxy that puts both under a path. */
const baseUrl = new URL(".", document.baseURI).href.replace(/\/$/, "")

const services = Layer.mergeAll(Approvals.layer, Reviews.layer, AuditLog.layer, ChainVerifier.layer)

const make = Effect.fnUntraced(function*(key: Redacted.Redacted) {
  const events = yield* HttpApiClient.makeWith(InboxApi, {
    httpClient: HttpClient.mapRequest(
      yield* HttpClient.HttpClient,
      HttpClientRequest.setHeader(ApiKey.header, Redacted.value(key))
    ),
    baseUrl
  })
  return {
    approvals: yield* Approvals.Approvals,
    reviews: yield* Reviews.Reviews,
    auditLog: yield* AuditLog.AuditLog,
    verifier: yield* ChainVerifier.ChainVerifier,
    events: Stream.provideService(Stream.unwrap(events.inbox.events({})), FetchHttpClient.RequestInit, {
      redirect: "error"
    })
  }
})

export type Session = Effect.Success<ReturnType<typeof make>>

/**
 * Lives until the scope closes. Fails where no gateway could take such a key; whether this one does shows at first use.
 */
export const open = (key: string) =>
  Effect.suspend(() => {
    const redacted = Redacted.make(key)
    // The page itself came this way, encrypted or not.
    const transport = Transport.layer({ apiKey: redacted, url: baseUrl, allowInsecure: true })
    return Effect.flatMap(
      Layer.build(services.pipe(Layer.provideMerge(transport), Layer.provideMerge(FetchHttpClient.layer))),
      (context) => Effect.provideContext(make(redacted), context)
    )
  })
