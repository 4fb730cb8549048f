/** Everything that the page does at the panel, as the reviewer who is logged in. */
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { GrantApi } from "../../../../http/GrantGroup.ts"
import { ReviewApi } from "../../../../http/ReviewGroup.ts"
import { type PageSession, ReviewPageApi } from "../../../../http/ReviewPageGroup.ts"

/** Where the page came from, the panel is: also behind a proxy that puts both under a path. */
const baseUrl = new URL(".", document.baseURI).href.replace(/\/$/, "")

const csrfHeader = "x-vargate-csrf"

const make = Effect.gen(function*() {
  const plain = yield* HttpClient.HttpClient
  let csrf: string | undefined
  const httpClient = HttpClient.mapRequest(
    plain,
    (request) =>
      csrf === undefined || request.method === "GET" ? request : HttpClientRequest.setHeader(request, csrfHeader, csrf)
  )
  const panel = yield* HttpApiClient.makeWith(ReviewApi, { httpClient, baseUrl })
  const grants = yield* HttpApiClient.makeWith(GrantApi, { httpClient, baseUrl })
  const page = yield* HttpApiClient.makeWith(ReviewPageApi, { httpClient, baseUrl })
  const keep = (session: PageSession) => {
    csrf = session.csrf ?? undefined
    return session
  }
  return {
    reviews: panel.reviews,
    grants: grants.grants,
    history: page.history,
    current: Effect.map(page.session.current(), keep),
    logIn: (token: string) => Effect.map(page.session.logIn({ payload: { token } }), keep),
    logOut: Effect.map(page.session.logOut(), () => {
      csrf = undefined
    })
  }
})

export type Session = Effect.Success<typeof make>

/** Answers redirect to nowhere else. */
export const connect: Effect.Effect<Session> = make.pipe(
  Effect.provide(FetchHttpClient.layer),
  Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error" })
)

/** What a request failed with, by its tag. */
export const isEnded = (error: { readonly _tag: string }) => error._tag === "ReviewerUnknown"
