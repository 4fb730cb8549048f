/**
 * GET /policy/templates, GET /policy/rules, GET /bundles/vargate/status
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { toCamelCase, toSnakeCase } from "../../internal/casing.ts"
import { PolicyTemplate } from "../../model/PolicyTemplate.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { BadGateway502, Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { PolicyBundle, PolicyRules } from "../PolicyRules.ts"

const TemplateRow = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  description: Schema.String,
  config_keys: Schema.Array(Schema.String)
}).annotate({ identifier: "PolicyTemplateRow" }).pipe(Schema.decodeTo(
  Schema.toType(PolicyTemplate),
  SchemaTransformation.transform({
    decode: ({ config_keys, ...template }) =>
      new PolicyTemplate({ ...template, parameters: config_keys.map(toCamelCase) }),
    encode: ({ description, id, name, parameters }) => ({
      id,
      name,
      description,
      config_keys: parameters.map(toSnakeCase)
    })
  })
))

const BundleBody = Schema.Struct({
  ...PolicyBundle.fields,
  updatedAt: Schema.optional(Timestamp),
  files: Schema.Array(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  competitorDomains: Schema.Array(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed([])))
}).annotate({ identifier: "PolicyBundleBody" }).pipe(
  Schema.encodeKeys({
    ruleCount: "rule_count",
    updatedAt: "last_updated",
    competitorDomains: "competitor_domains"
  }),
  Schema.decodeTo(PolicyBundle)
)

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class PoliciesApi extends HttpApiGroup.make("policies").add(
  HttpApiEndpoint.get("templates", "/policy/templates", {
    success: Schema.Struct({ templates: Schema.Array(TemplateRow) }).annotate({ identifier: "PolicyTemplatesBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.get("rules", "/policy/rules", { success: PolicyRules, error: Refusals }),
  HttpApiEndpoint.get("bundle", "/bundles/vargate/status", {
    success: BundleBody,
    error: [...Refusals, BadGateway502]
  })
).middleware(ApiKey) {}
