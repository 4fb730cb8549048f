/**
 * Implements the routes of `GrantGroup` with the grants of a review panel, on any server. Where `Grants` is not in context
 * they say that there are none.
 *
 * @since 0.2.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Grants, type GrantStatus } from "../reviews/Grants.ts"
import { GrantApi, type StandingGrant } from "./GrantGroup.ts"
import * as PublicError from "./PublicError.ts"
import { CurrentReviewer } from "./ReviewGroup.ts"
import { authorization, expose } from "./ReviewHandlers.ts"

const maxListed = 200

const viewOf = ({ grant, revokedAt, revokedBy, uses }: GrantStatus): StandingGrant => {
  const { groups: _, seal: _seal, ...shown } = grant
  return { ...shown, revokedAt, revokedBy, uses }
}

const group = HttpApiBuilder.group(
  GrantApi,
  "grants",
  Effect.fnUntraced(function*(handlers) {
    const service = Option.getOrUndefined(yield* Effect.serviceOption(Grants))
    const notFound = new PublicError.ActionNotFound({ message: "No grant with this id is in force." })

    return handlers
      .handle("list", () =>
        service === undefined
          ? Effect.succeed({ offered: false, grants: [] })
          : DateTime.now.pipe(
            Effect.flatMap((inForceAt) => service.store.list({ limit: maxListed, inForceAt })),
            Effect.map((grants) => ({ offered: true, grants: grants.map(viewOf) })),
            Effect.mapError(expose)
          ))
      .handle("revoke", ({ params: { id } }) =>
        Effect.gen(function*() {
          const reviewer = yield* CurrentReviewer
          if (service === undefined) return yield* notFound
          if (!(yield* Effect.mapError(service.revoke(id, reviewer.id), expose))) return yield* notFound
          const status = yield* Effect.mapError(service.store.find(id), expose)
          return status === undefined ? yield* notFound : viewOf(status)
        }))
  })
)

/**
 * The routes, for a router.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = HttpApiBuilder.layer(GrantApi).pipe(Layer.provide(group), Layer.provide(authorization))
