/**
 * How a tenant proves who it is.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import { Unauthorized401 } from "./ErrorBodies.ts"

/**
 * The header that carries the key. It never goes into `Authorization`: there a key that is not a session token silently
 * selects the gateway's default tenant.
 *
 * @category constants
 * @since 0.1.0
 */
export const header = "x-api-key"

/**
 * The tenant that a request's key belongs to; known to a gateway's handlers.
 *
 * @category services
 * @since 0.1.0
 */
export class CurrentTenant extends Context.Service<CurrentTenant, { readonly id: string }>()(
  "effect-vargate/api/CurrentTenant"
) {}

/**
 * The API key as security middleware. Clients get the header from `Transport`; a gateway implements it.
 *
 * @category middleware
 * @since 0.1.0
 */
export class ApiKey extends HttpApiMiddleware.Service<ApiKey, { provides: CurrentTenant }>()(
  "effect-vargate/api/ApiKey",
  {
    security: { apiKey: HttpApiSecurity.apiKey({ key: header, in: "header" }) },
    error: Unauthorized401
  }
) {}
