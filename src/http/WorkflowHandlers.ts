/**
 * Implements the routes of a `WorkflowGroup` with a governed workflow.
 *
 * **Details**
 *
 * Executions belong to an owner: `owner` says whose request this is, from what your authorization provides, and a client
 * starts and sees its owner's executions only. The same key of two owners is two executions.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as HttpRouter from "effect/http/HttpRouter"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import type { StorageFailed } from "../errors/VargateError.ts"
import type { GovernedWorkflow, Start } from "../workflow/GovernedWorkflow.ts"
import { Journal } from "../workflow/Journal.ts"
import * as PublicError from "./PublicError.ts"
import type { Status } from "./WorkflowGroup.ts"

type GroupOf<Groups extends HttpApiGroup.Constraint, Name extends string> = HttpApiGroup.WithIdentifier<Groups, Name>
type EndpointsOf<Groups extends HttpApiGroup.Constraint, Name extends string> = HttpApiGroup.Endpoints<
  GroupOf<Groups, Name>
>
/** What the group's `start` takes is what the workflow must take. */
type ParamsOf<Groups extends HttpApiGroup.Constraint, Name extends string> =
  HttpApiEndpoint.WithIdentifier<EndpointsOf<Groups, Name>, "start"> extends
    { readonly "~Payload": { readonly Type: { readonly params: infer P } } } ? P : never

/**
 * What a request stands for.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<R> {
  /** Whose request this is: a user, a team, a tenant. Read from what your authorization provides. */
  readonly owner: Effect.Effect<string, never, R>
}

/**
 * Implements the group of this name.
 *
 * **Example** (A service that makes refunds)
 *
 * ```ts
 * import { Context, Effect, Layer, Redacted, Schema } from "effect"
 * import * as WorkflowGroup from "effect-vargate/http/WorkflowGroup"
 * import * as WorkflowHandlers from "effect-vargate/http/WorkflowHandlers"
 * import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
 * import { HttpApi, HttpApiBuilder, HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
 *
 * class User extends Context.Service<User, string>()("app/User") {}
 * class Unauthorized extends Schema.TaggedError<Unauthorized>("app/Unauthorized")(
 *   "Unauthorized",
 *   {},
 *   { httpApiStatus: 401 }
 * ) {}
 * class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: User }>()("app/Authorization", {
 *   security: { bearer: HttpApiSecurity.bearer },
 *   error: Unauthorized
 * }) {}
 *
 * const contract = { params: Schema.Struct({ charge: Schema.String }), success: Schema.String }
 * const Refund = GovernedWorkflow.make({
 *   ...contract,
 *   name: "Refund",
 *   tool: "stripe",
 *   method: "create_refund",
 *   run: ({ charge }) => Effect.succeed(`refunded ${charge}`)
 * })
 *
 * const api = HttpApi.make("shop").add(WorkflowGroup.make("refunds", { ...contract, authorization: Authorization }))
 * const authorization = Layer.succeed(Authorization, {
 *   bearer: (effect, { credential }) =>
 *     Redacted.value(credential) === "secret"
 *       ? Effect.provideService(effect, User, "alice")
 *       : Effect.fail(new Unauthorized())
 * })
 *
 * const routes = HttpApiBuilder.layer(api).pipe(
 *   Layer.provide(WorkflowHandlers.layer(api, "refunds", Refund, { owner: User })),
 *   Layer.provide(authorization)
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <
  ApiId extends string,
  Groups extends HttpApiGroup.Constraint,
  const Name extends HttpApiGroup.Identifier<Groups>,
  WorkflowName extends string,
  A,
  E,
  R,
  RO
>(
  api: HttpApi.HttpApi<ApiId, Groups>,
  name: Name,
  workflow: GovernedWorkflow<WorkflowName, ParamsOf<Groups, Name>, A, E, R>,
  { owner }: Options<RO>
): Layer.Layer<
  HttpApiGroup.Service<ApiId, Name>,
  never,
  | WorkflowEngine
  | Journal
  | HttpApiEndpoint.Middleware<EndpointsOf<Groups, Name>>
  | HttpApiEndpoint.MiddlewareServices<EndpointsOf<Groups, Name>>
  | HttpRouter.Request.From<
    "Requires",
    Exclude<RO, HttpRouter.Provided | HttpApiGroup.MiddlewareProvides<GroupOf<Groups, Name>>>
  >
> =>
  HttpApiBuilder.group(
    api,
    name,
    Effect.fnUntraced(function*(handlers: Registry) {
      const services = yield* Effect.context<WorkflowEngine | Journal>()
      const keyOf = (key: string) => Effect.map(owner, (owner) => JSON.stringify([owner, key]))

      const start = Effect.fnUntraced(function*({ key, params }: Start<ParamsOf<Groups, Name>>) {
        yield* workflow.executeDetached({ key: yield* keyOf(key), params }).pipe(Effect.provide(services))
        return { key }
      }, PublicError.expose)

      const status = Effect.fnUntraced(function*(key: string) {
        const executionId = yield* workflow.executionId(yield* keyOf(key))
        return yield* statusOf(workflow, executionId).pipe(Effect.provide(services))
      })

      return handlers
        .handle("start", ({ payload }: { readonly payload: Start<ParamsOf<Groups, Name>> }) => start(payload))
        .handle("status", ({ params }: { readonly params: { readonly key: string } }) => status(params.key))
    }) as never
  ) as never

/** What `HttpApiBuilder` hands over, without the types that depend on the group. */
interface Registry {
  handle(name: string, handler: (request: never) => Effect.Effect<unknown, unknown, unknown>): Registry
}

const notFound = new PublicError.ActionNotFound({ message: "There is no execution with this key." })

const defective = new PublicError.ActionUnknown({
  message: "The execution broke off: it is unknown whether the action was performed. An operator has to look it up."
})

const statusOf = Effect.fnUntraced(function*<Name extends string, P, A, E, R>(
  workflow: GovernedWorkflow<Name, P, A, E, R>,
  executionId: string
): Effect.fn.Return<Status<A, E>, PublicError.Exposed<StorageFailed> | typeof notFound, WorkflowEngine | Journal> {
  const journal = yield* Journal
  const execution = yield* PublicError.expose(journal.find(executionId))
  if (execution === undefined) return yield* Effect.fail(notFound)
  const result = yield* PublicError.expose(workflow.poll(executionId))
  if (Option.isSome(result) && result.value._tag === "Complete") {
    const { exit } = result.value
    if (Exit.isSuccess(exit)) return { _tag: "Done", ...exit.value }
    const error = Cause.findErrorOption(exit.cause)
    if (Option.isSome(error)) {
      return { _tag: "Failed", error: yield* Effect.flip(PublicError.expose(Effect.fail(error.value))) }
    }
    if (Cause.hasInterruptsOnly(exit.cause)) return { _tag: "Interrupted" }
    // A fault of the program, whose words are not for clients.
    yield* Effect.logError(`${workflow.name}: execution ${executionId} ended with a defect`, exit.cause)
    return { _tag: "Failed", error: defective }
  }
  return (execution.state === "held" || execution.state === "blocked") && execution.actionId !== null
    ? { _tag: "Waiting", actionId: execution.actionId, since: execution.changedAt }
    : execution.outcome === "Interrupted"
    ? { _tag: "Interrupted" }
    : { _tag: "Running" }
})
