/**
 * The typed client that derives from the contract.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as HttpClient from "effect/http/HttpClient"
import * as Record from "effect/Record"
import { apiOf, type Groups } from "../wire/apiOf.ts"
import type { RequestValidation } from "../wire/RequestValidation.ts"

/** @internal */
export type DerivedClient<G extends Groups> = HttpApiClient.Client<
  HttpApiGroup.AddMiddleware<G[number], RequestValidation>,
  never,
  never
>

/** @internal */
export const derivedClient =
  (httpClient: HttpClient.HttpClient) => <const G extends Groups>(...groups: G): DerivedClient<G> =>
    Object.fromEntries(
      groups.map((group) => [
        group.identifier,
        Record.map(group.endpoints, (_, name) => deriveOnCall(group, name, httpClient))
      ])
    ) as DerivedClient<G>

type Call = (request: unknown) => Effect.Effect<unknown, unknown>

/** To derive all routes takes longer than everything else at the start of a program, and most call few of them. */
const deriveOnCall = (group: Groups[number], endpoint: string, httpClient: HttpClient.HttpClient): Call => {
  let derived: Call | undefined
  const derive = () =>
    Effect.runSync(
      // No middleware of the contract has anything to do in a client.
      HttpApiClient.endpoint(apiOf(group), {
        // The names of a group that is known no closer have no type.
        group: group.identifier as never,
        endpoint: endpoint as never,
        httpClient
      }) as Effect.Effect<Call>
    )
  return (request) => Effect.suspend(() => (derived ??= derive())(request))
}
