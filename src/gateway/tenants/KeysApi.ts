/**
 * GET /api-keys, POST /api-keys, DELETE /api-keys/{name}: a tenant's scoped keys. Only the embedded gateway has them.
 *
 * **Gotchas**
 *
 * The hosted gateway knows one key per tenant, which may do everything, and answers 404 here.
 *
 * @since 0.1.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { KeyScope } from "../../model/KeyScope.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"
import { RequestValidation } from "../../transport/wire/RequestValidation.ts"

const KeyName = Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9._-]{1,64}$/, { expected: "the name of a key" }))

const KeyRow = Schema.Struct({
  name: Schema.String,
  scopes: Schema.Array(KeyScope),
  created_at: Schema.DateTimeUtcFromString
})

/**
 * The routes. All of them need the scope `operator`. A key is shown once, in the answer that makes it; one that is made
 * under a name that is taken replaces the key with that name, and ends the sessions that were opened with it.
 *
 * @category api
 * @since 0.1.0
 */
export class KeysApi extends HttpApi.make("keys").add(
  HttpApiGroup.make("keys")
    .add(
      HttpApiEndpoint.get("list", "/api-keys", {
        success: Schema.Struct({ keys: Schema.Array(KeyRow) }),
        error: Refusals
      }),
      HttpApiEndpoint.post("put", "/api-keys", {
        payload: Schema.Struct({ name: KeyName, scopes: Schema.NonEmptyArray(KeyScope) }),
        success: Schema.Struct({
          name: Schema.String,
          scopes: Schema.Array(KeyScope),
          api_key: Schema.RedactedFromValue(Schema.String)
        }),
        error: Refusals
      }),
      HttpApiEndpoint.delete("remove", "/api-keys/:name", {
        params: { name: KeyName },
        success: Schema.Struct({ status: Schema.Literal("removed"), name: Schema.String }),
        error: Refusals
      })
    )
    .middleware(ApiKey)
    .middleware(RequestValidation)
) {}
