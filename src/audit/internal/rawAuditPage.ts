/**
 * Pages of the audit log as the bytes that the gateway sent.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { OperationError } from "../../errors/VargateError.ts"
import type { Transport } from "../../transport/Transport.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"
import { AuditApi } from "../wire/AuditApi.ts"

const statusOf = (schema: (typeof Refusals)[number]) => schema.ast.annotations?.["httpApiStatus"]

/** A raw response was not looked at by the derived client, so its refusals are read here. */
const refusal = (response: HttpClientResponse.HttpClientResponse) => {
  const schema = Refusals.find((schema) => statusOf(schema) === response.status)
  return schema === undefined
    ? Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.StatusCodeError({ request: response.request, response })
      })
    )
    : Effect.flatMap(HttpClientResponse.schemaBodyJson<typeof Refusals[number]>(schema)(response), Effect.fail)
}

/**
 * Reads pages, one at a time (GET /audit/log).
 *
 * @internal
 */
export const rawPageReader = (transport: Transport["Service"], operation: string) => {
  const client = transport.client(AuditApi)
  return (query: { readonly limit: number; readonly offset: number }): Effect.Effect<Uint8Array, OperationError> =>
    transport.request(
      { name: operation, sideEffect: "none" },
      Effect.flatMap(
        client.audit.log({ query, responseMode: "response-only" }),
        (response) =>
          response.status === 200
            ? Effect.map(response.arrayBuffer, (buffer) => new Uint8Array(buffer))
            : refusal(response)
      )
    )
}
