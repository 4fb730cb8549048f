/**
 * Accounts: signing up, sessions, the key and its rotation, the tenants of one account.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { checkInput, checkObject } from "../errors/internal/checkInput.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import { type OperationError, RotationUnknown, type VargateError } from "../errors/VargateError.ts"
import * as Transport from "../transport/Transport.ts"
import { type Membership, NewAccount, type RotatedKey, Session, type SignupReceipt } from "./Session.ts"
import { AccountApi } from "./wire/AccountApi.ts"
import { TenantApi } from "./wire/TenantApi.ts"

/**
 * Who asks: the key of the transport, or a session in its place. The two are never sent together.
 *
 * @category options
 * @since 0.1.0
 */
export interface Identity {
  readonly session?: Session | undefined
}

/**
 * The part of {@link Account} that needs no key, and returns the first one: see {@link layerSignup}.
 *
 * @category services
 * @since 0.1.0
 */
export class Signup extends Context.Service<Signup, {
  /**
   * POST /auth/signup: has the gateway send a link for verification. Fails with `InvalidRequest` for an address that it
   * does not take, `Conflict` for one that it has, `RateLimited` after too many.
   */
  readonly signup: (applicant: {
    readonly email: string
    readonly name: string
  }) => Effect.Effect<SignupReceipt, OperationError>
  /**
   * GET /auth/verify-email: makes the tenant, and shows its key once. The token is the one in the link, and good once:
   * should the answer be lost, only the dashboard has another way in. Fails with `InvalidRequest` for a token that is
   * wrong, used or too old.
   */
  readonly verifyEmail: (token: Redacted.Redacted) => Effect.Effect<NewAccount, OperationError>
}>()("effect-vargate/Account/Signup") {}

/**
 * Opens sessions, rotates the key, and signs others up.
 *
 * **Details**
 *
 * `rotateKey` moves the whole transport over to the new key. Requests that begin meanwhile wait for it; those that are
 * under way and are refused for the old key, which is dead at once, are sent again with the new one, tool calls too: a
 * refused request did nothing. So no caller sees the change. Other processes with the old key do; let them have a
 * `KeyProvider`.
 *
 * **Gotchas**
 *
 * The new key is shown once. Store it where the next start of the program finds it, in one step with the rotation:
 * `Effect.uninterruptible(account.rotateKey().pipe(Effect.tap(store)))`. Should that fail, `key` still has it.
 *
 * **Example** (Rotate, with a way back)
 *
 * ```ts
 * import { Effect, type Redacted } from "effect"
 * import { Account } from "effect-vargate"
 *
 * const rotate = <E, R>(store: (key: Redacted.Redacted) => Effect.Effect<void, E, R>) =>
 *   Effect.gen(function*() {
 *     const account = yield* Account.Account
 *     const session = yield* account.session
 *     const { apiKey } = yield* account.rotateKey().pipe(
 *       Effect.catchTag("RotationUnknown", () => account.rotateKey({ session }))
 *     )
 *     yield* store(apiKey)
 *   }).pipe(Effect.uninterruptible)
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Account extends Context.Service<
  Account,
  Signup["Service"] & {
    /** The key that the transport sends now. */
    readonly key: Effect.Effect<Redacted.Redacted>
    /** POST /auth/session: a token that stands in for the key, and outlives it. */
    readonly session: Effect.Effect<Session, OperationError>
    /**
     * POST /api-keys/rotate. Fails with `RotationUnknown` when the answer is lost. Once begun it cannot be interrupted.
     * A session of another tenant is refused, as far as the present key can still tell whose it is.
     */
    readonly rotateKey: (by?: Identity) => Effect.Effect<RotatedKey, RotationUnknown | OperationError>
    /** GET /auth/my-tenants: the tenants of this account; with a key, only its own. */
    readonly tenants: (by?: Identity) => Effect.Effect<ReadonlyArray<Membership>, OperationError>
    /**
     * POST /auth/switch-tenant: a session of another tenant of the same account. The transport keeps its own. Fails
     * with `Forbidden` for an account that did not sign in with GitHub.
     */
    readonly switchTenant: (tenantId: string, by?: Identity) => Effect.Effect<Session, OperationError>
  }
>()("effect-vargate/Account") {}

/** A bad session must not be taken for none: the operation would go on with the key. */
const checkIdentity = checkInput("by", Schema.Struct({ session: Schema.optional(Session) }))

const checkToken = checkInput("token", Schema.Redacted(Schema.NonEmptyString))

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(AccountApi, TenantApi)

  const session = transport.request(
    { name: "Account.session", sideEffect: "none", isAnswerSecret: true },
    client.account.session({})
  ).pipe(
    Effect.map(({ session_token, tenant_id }) => new Session({ token: session_token, tenantId: tenant_id })),
    Effect.withSpan("Account.session")
  )

  /** With the key of another tenant the running program would continue as that tenant. */
  const checkSession = (session: Session) =>
    transport.request({ name: "Account.rotateKey", sideEffect: "none" }, client.tenant.me({})).pipe(
      Effect.flatMap(({ tenantId }) =>
        tenantId === session.tenantId
          ? Effect.void
          : invalidRequest("Account.rotateKey", [{
            path: ["session"],
            message: `it is of ${session.tenantId}, and the key is of ${tenantId}`
          }])
      ),
      // The key is dead, and the session is the way back.
      Effect.catchReasons("VargateError", { Unauthenticated: () => Effect.void, KeyUnavailable: () => Effect.void })
    )

  const rotateKey = Effect.fn("Account.rotateKey")(function*(by: Identity = {}) {
    const { session } = yield* checkIdentity("Account.rotateKey", by)
    const rotation = transport.request(
      { name: "Account.rotateKey", sideEffect: "possible", session: session?.token, isAnswerSecret: true },
      client.account.rotateKey({})
    ).pipe(
      Effect.mapError((error) =>
        error._tag === "RateLimited" || error.sideEffect === "none"
          ? error
          : new RotationUnknown({ cause: error.reason })
      )
    )
    return yield* transport.replaceKey(
      session === undefined ? rotation : Effect.andThen(checkSession(session), rotation)
    )
  })

  const tenants = Effect.fn("Account.tenants")(function*(by: Identity = {}) {
    const { session } = yield* checkIdentity("Account.tenants", by)
    const { tenants } = yield* transport.request(
      { name: "Account.tenants", sideEffect: "none", session: session?.token },
      client.account.tenants({})
    )
    return tenants
  })

  const switchTenant = Effect.fn("Account.switchTenant")(function*(tenantId: string, by: Identity = {}) {
    const { session } = yield* checkIdentity("Account.switchTenant", by)
    const { session_token, tenant_id = tenantId } = yield* transport.request(
      { name: "Account.switchTenant", sideEffect: "none", session: session?.token, isAnswerSecret: true },
      client.account.switchTenant({ payload: { tenant_id: tenantId } })
    )
    return new Session({ token: session_token, tenantId: tenant_id })
  })

  return Account.of({ ...signingUp(transport), key: transport.key, session, rotateKey, tenants, switchTenant })
})

/**
 * The service over a transport. Built anew wherever it is provided, so that it always acts for the nearest transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Account, never, Transport.Transport> = Layer.fresh(Layer.effect(Account, make))

/**
 * Signing up, over an `HttpClient` and nothing else: who does it has no key yet.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSignup = (
  options: Omit<Transport.Options, "apiKey"> = {}
): Layer.Layer<Signup, VargateError, HttpClient.HttpClient> =>
  Layer.effect(Signup, Effect.map(Transport.makeWithoutKey(options), signingUp))

const signingUp = (transport: Pick<Transport.Transport["Service"], "client" | "request">): Signup["Service"] => {
  const { account } = transport.client(AccountApi)
  return {
    signup: Effect.fn("Account.signup")(function*(applicant: { readonly email: string; readonly name: string }) {
      const { email, name } = yield* checkObject("Account.signup", applicant)
      return yield* transport.request(
        { name: "Account.signup", sideEffect: "possible" },
        account.signup({ payload: { email, name } })
      )
    }),

    verifyEmail: Effect.fn("Account.verifyEmail")(function*(token: Redacted.Redacted) {
      const checked = yield* checkToken("Account.verifyEmail", token)
      const answer = yield* transport.request(
        { name: "Account.verifyEmail", sideEffect: "possible", secrets: [checked], isAnswerSecret: true },
        account.verifyEmail({ query: { token: checked } })
      )
      const { api_key: apiKey, dashboard_url: dashboardUrl, session_token, tenant_id: tenantId } = answer
      const session = session_token && new Session({ token: session_token, tenantId })
      return new NewAccount({ tenantId, apiKey, dashboardUrl, session })
    })
  }
}
