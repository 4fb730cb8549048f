/**
 * How a tenant proves who it is.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import type * as Redacted from "effect/Redacted"
import type { KeyScope } from "../../model/KeyScope.ts"
import { Unauthorized401 } from "./ErrorBodies.ts"

/**
 * The header that carries the key. It is never sent as `Authorization`: there a key that is not a session token
 * silently selects the gateway's default tenant.
 *
 * @category constants
 * @since 0.1.0
 */
export const header = "x-api-key"

/**
 * Whose request it is; known to a gateway's handlers. It came with a key or, in its place, with a session, which has
 * the address of its user.
 *
 * @category services
 * @since 0.1.0
 */
export class CurrentTenant extends Context.Service<CurrentTenant, {
  readonly id: string
  readonly apiKey?: Redacted.Redacted | undefined
  readonly email?: string | undefined
  /** The name of the scoped key; undefined for the tenant's first key, which has every scope. */
  readonly keyName?: string | undefined
  readonly scopes: ReadonlyArray<KeyScope>
  /** The keys that must stay in force for what is opened in this request's name. */
  readonly bonds: ReadonlyArray<Bond>
  /** Whether what the request came with is still good: a key may be replaced, a session may end. */
  readonly isStillGood: Effect.Effect<boolean>
  /** Another number after every change of any key. In between, only a session may end, by its time. */
  readonly keysRevision: () => number
}>()("effect-vargate/api/CurrentTenant") {}

/**
 * A key that something depends on, by its tenant, its name (null for the tenant's first key) and its hash.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bond {
  readonly tenantId: string
  readonly name: string | null
  readonly hash: string
}

/**
 * The API key, or a session token in its place, as security middleware. Clients get the header from `Transport`; a gateway
 * implements it.
 *
 * @category middleware
 * @since 0.1.0
 */
export class ApiKey extends HttpApiMiddleware.Service<ApiKey, { provides: CurrentTenant }>()(
  "effect-vargate/api/ApiKey",
  {
    security: {
      apiKey: HttpApiSecurity.apiKey({ key: header, in: "header" }),
      session: HttpApiSecurity.bearer
    },
    error: Unauthorized401
  }
) {}
