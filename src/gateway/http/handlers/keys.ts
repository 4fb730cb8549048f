/**
 * Scoped keys, made and removed by a tenant's operator.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { NotFound404, TooManyRequests429 } from "../../../transport/wire/ErrorBodies.ts"
import { newKey } from "../../tenants/internal/apiKeys.ts"
import { KeysApi } from "../../tenants/KeysApi.ts"
import { ScopedKeys } from "../../tenants/ScopedKeys.ts"

const maxKeys = 100

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  KeysApi,
  "keys",
  Effect.fnUntraced(function*(handlers) {
    const scopedKeys = yield* ScopedKeys

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          const keys = yield* scopedKeys.list(id)
          return { keys: keys.map(({ createdAt, name, scopes }) => ({ name, scopes, created_at: createdAt })) }
        })
      )
      .handle(
        "put",
        Effect.fnUntraced(function*({ payload: { name, scopes } }) {
          const { id } = yield* CurrentTenant
          const keys = yield* scopedKeys.list(id)
          if (keys.length >= maxKeys && !keys.some((key) => key.name === name)) {
            return yield* Effect.fail(TooManyRequests429.make({
              detail: `This tenant has ${maxKeys} scoped keys, as many as it may have. Remove one first`
            }))
          }
          const apiKey = newKey()
          const made = yield* scopedKeys.put(id, { name, scopes, apiKey })
          return { name, scopes: made.scopes, api_key: apiKey }
        })
      )
      .handle(
        "remove",
        Effect.fnUntraced(function*({ params: { name } }) {
          const { id } = yield* CurrentTenant
          return (yield* scopedKeys.remove(id, name))
            ? { status: "removed" as const, name }
            : yield* Effect.fail(NotFound404.make({ detail: `There is no scoped key with the name ${name}` }))
        })
      )
  })
)
