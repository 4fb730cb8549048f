/**
 * POST /credentials/register, GET /credentials, GET /credentials/{tool_id}/status, DELETE /credentials/{tool_id}/{name},
 * GET /credentials/access-log
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { BadGateway502, Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { Credential, CredentialAccess, CredentialName, CredentialStatus } from "../Credential.ts"

const RegisterBody = Schema.Struct({
  tool_id: Schema.String,
  name: Schema.String,
  value: Schema.RedactedFromValue(Schema.String)
}).annotate({ identifier: "RegisterCredentialBody" })

const RegisteredBody = Schema.Struct({
  tool_id: Schema.String,
  name: Schema.String,
  registered: Schema.Literal(true)
}).annotate({ identifier: "CredentialRegistered" })

const CredentialRow = Schema.Struct({
  ...Credential.fields,
  createdAt: Schema.optional(Timestamp)
}).annotate({ identifier: "CredentialRow" }).pipe(
  Schema.encodeKeys({ toolId: "tool_id", createdAt: "created_at" }),
  Schema.decodeTo(Credential)
)

const StatusBody = Schema.Struct({
  tool_id: Schema.String,
  registered: Schema.Boolean,
  credentials: Schema.Array(Schema.Struct({
    name: Schema.String,
    created_at: Schema.optional(Timestamp)
  }))
}).annotate({ identifier: "CredentialStatusBody" }).pipe(Schema.decodeTo(
  Schema.toType(CredentialStatus),
  SchemaTransformation.transform({
    decode: ({ credentials, registered, tool_id }) =>
      new CredentialStatus({
        toolId: tool_id,
        registered,
        credentials: credentials.map(({ created_at, name }) =>
          new Credential({ toolId: tool_id, name, createdAt: created_at })
        )
      }),
    encode: ({ credentials, registered, toolId }) => ({
      tool_id: toolId,
      registered,
      credentials: credentials.map(({ createdAt, name }) => ({ name, created_at: createdAt }))
    })
  })
))

const AccessRow = Schema.Struct({
  ...CredentialAccess.fields,
  actionId: Schema.NullOr(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
  agentId: Schema.NullOr(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
  accessedAt: Timestamp
}).annotate({ identifier: "CredentialAccessRow" }).pipe(
  Schema.encodeKeys({
    toolId: "tool_id",
    actionId: "action_id",
    agentId: "agent_id",
    accessedAt: "accessed_at"
  }),
  Schema.decodeTo(CredentialAccess)
)

const DeletedBody = Schema.Struct({
  tool_id: Schema.String,
  name: Schema.String,
  deleted: Schema.Literal(true)
}).annotate({ identifier: "CredentialDeleted" })

const errors = [...Refusals, BadGateway502] as const

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class CredentialsApi extends HttpApiGroup.make("credentials").add(
  HttpApiEndpoint.post("register", "/credentials/register", {
    payload: RegisterBody,
    success: RegisteredBody,
    error: errors
  }),
  HttpApiEndpoint.get("list", "/credentials", {
    success: Schema.Struct({ credentials: Schema.Array(CredentialRow) }).annotate({ identifier: "CredentialsBody" }),
    error: errors
  }),
  HttpApiEndpoint.get("accessLog", "/credentials/access-log", {
    success: Schema.Struct({ entries: Schema.Array(AccessRow) }).annotate({ identifier: "CredentialAccessBody" }),
    error: errors
  }),
  HttpApiEndpoint.get("status", "/credentials/:tool_id/status", {
    params: { tool_id: CredentialName },
    success: StatusBody,
    error: errors
  }),
  HttpApiEndpoint.delete("remove", "/credentials/:tool_id/:name", {
    params: { tool_id: CredentialName, name: CredentialName },
    success: DeletedBody,
    error: errors
  })
).middleware(ApiKey) {}
