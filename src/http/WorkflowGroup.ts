/**
 * The routes of a governed workflow in an `HttpApi` of your own: one that starts an execution, one that says how it
 * stands. `WorkflowHandlers` implements them; a client needs this module only.
 *
 * | route | answer |
 * | --- | --- |
 * | `POST /{name}` with `{"key", "params"}` | 202 `{"key"}`: started, or already under way under that key |
 * | `GET /{name}/{key}` | 200 with a {@link Status}, 404 where there is no such execution |
 *
 * Failures are those of `PublicError`.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import * as PublicError from "./PublicError.ts"

/**
 * The client's name for what it asks for: 1 to 128 letters, digits, `.`, `_`, `~`, `:` and `-`, the first a letter or a
 * digit. The same key is the same execution.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Key = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._~:-]{0,127}$/, {
    expected: "1 to 128 letters, digits, `.`, `_`, `~`, `:` and `-`, the first a letter or a digit"
  })
)

/**
 * How an execution stands, as a client reads it.
 *
 * | `_tag` | |
 * | --- | --- |
 * | `Running` | it is submitted or performed right now |
 * | `Waiting` | a reviewer must decide on `actionId` |
 * | `Done` | it was performed, by the agent (`result` is what the workflow returned) or by the gateway (the tool's JSON) |
 * | `Failed` | with an error of `PublicError`, or one of the workflow's own |
 * | `Interrupted` | an operator ended it |
 *
 * @category schemas
 * @since 0.1.0
 */
export const statusSchema = <A, E = never>(
  success: Schema.Codec<A, unknown>,
  error: Schema.Codec<E, unknown> = Schema.Never as never
) =>
  Schema.Union([
    Schema.TaggedStruct("Running", {}),
    Schema.TaggedStruct("Waiting", { actionId: ActionId, since: Schema.DateTimeUtcFromString }),
    Schema.TaggedStruct("Done", { executedBy: Schema.Literal("agent"), actionId: ActionId, result: success }),
    Schema.TaggedStruct("Done", {
      executedBy: Schema.Literal("gateway"),
      actionId: ActionId,
      result: Schema.Unknown,
      isResultLost: Schema.Boolean
    }),
    Schema.TaggedStruct("Failed", { error: Schema.Union([...PublicError.schemas, error]) }),
    Schema.TaggedStruct("Interrupted", {})
  ])

/**
 * The type of a {@link statusSchema}.
 *
 * @category models
 * @since 0.1.0
 */
export type Status<A, E> = ReturnType<typeof statusSchema<A, E>>["Type"]

/**
 * The routes of a workflow.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<P, A, E, I extends HttpApiMiddleware.AnyId, S> {
  /** Those of the workflow. */
  readonly params: Schema.Codec<P, unknown>
  readonly success: Schema.Codec<A, unknown>
  readonly error?: Schema.Codec<E, unknown> | undefined
  /** Your middleware that says who asks, and refuses who may not. There is no default. */
  readonly authorization: Context.Key<I, S>
}

const isMiddleware = (service: unknown): boolean => typeof service === "function" && "requiredForClient" in service

/**
 * Makes the group with this name, which is the first part of its paths too. The authorization stands before both routes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Name extends string, P, A, I extends HttpApiMiddleware.AnyId, S, E = never>(
  name: Name,
  { authorization, error, params, success }: Options<P, A, E, I, S>
) => {
  // The types say it, and not every caller has types: without one, the routes would be open.
  if (!isMiddleware(authorization)) {
    throw new TypeError(`WorkflowGroup.make("${name}"): authorization must be an HttpApiMiddleware.Service`)
  }
  return HttpApiGroup.make(name)
    .add(
      HttpApiEndpoint.post("start", `/${name}`, {
        payload: Schema.Struct({ key: Key, params }),
        success: Schema.Struct({ key: Key }).pipe(HttpApiSchema.status(202)),
        error: PublicError.schemas
      }),
      HttpApiEndpoint.get("status", `/${name}/:key`, {
        params: { key: Key },
        success: statusSchema(success, error),
        error: [PublicError.ActionNotFound, PublicError.ActionUnavailable]
      })
    )
    .middleware(authorization)
}

/**
 * A group that {@link make} makes.
 *
 * @category models
 * @since 0.1.0
 */
export type WorkflowGroup<Name extends string, P, A, E, I extends HttpApiMiddleware.AnyId> = ReturnType<
  typeof make<Name, P, A, I, never, E>
>
