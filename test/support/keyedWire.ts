/** A wire that minds the key: a script may let one in, refuse another, and see who came with which. */
import { Effect, Layer } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"

export interface Visit {
  readonly method: string
  readonly path: string
  readonly key: string | undefined
  readonly authorization: string | undefined
}

export const answer = (status: number, body: unknown) => ({ status, body })
export const unauthorized = answer(401, { detail: "Invalid API key" })
export const allowed = answer(200, { status: "allowed", action_id: "a-1" })
/** What the gateway did with the request, its answer does not arrive. */
export const lost = Effect.fail("lost" as const)

/** Answers each visit by the function; the list of visits grows as they come. */
export const keyedWire = (
  respond: (visit: Visit) => Effect.Effect<ReturnType<typeof answer>, "lost">
): { readonly visits: ReadonlyArray<Visit>; readonly layer: Layer.Layer<HttpClient.HttpClient> } => {
  const visits: Array<Visit> = []
  const client = HttpClient.make((request: HttpClientRequest.HttpClientRequest, url) => {
    const { authorization, "x-api-key": key } = request.headers
    const visit = { method: request.method, path: url.pathname.replace(/^\/api/, ""), key, authorization }
    visits.push(visit)
    const cause = Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })
    return respond(visit).pipe(
      Effect.mapError(() =>
        new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
      ),
      Effect.map(({ body, status }) =>
        HttpClientResponse.fromWeb(
          request,
          new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } })
        )
      )
    )
  })
  return { visits, layer: Layer.succeed(HttpClient.HttpClient, client) }
}
