/**
 * The vault of credentials: what the gateway needs to act on a tool itself, put there by an operator and never shown
 * again.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { checkInput, checkObject } from "../errors/internal/checkInput.ts"
import type { OperationError } from "../errors/VargateError.ts"
import * as Transport from "../transport/Transport.ts"
import { type Credential, type CredentialAccess, CredentialName, type CredentialStatus } from "./Credential.ts"
import { CredentialsApi } from "./wire/CredentialsApi.ts"

/**
 * The models that these operations speak of.
 *
 * @since 0.1.0
 */
export * from "./Credential.ts"

/**
 * A credential to register. `toolId` is the `tool` of the calls that need it.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewCredential {
  readonly toolId: string
  readonly name: string
  readonly value: Redacted.Redacted
}

/**
 * Registers, lists and removes credentials.
 *
 * **Gotchas**
 *
 * The measured gateway has one vault for all its tenants.
 *
 * @category services
 * @since 0.1.0
 */
export class Credentials extends Context.Service<Credentials, {
  /**
   * POST /credentials/register. Takes the place of a value that is there already, so to register the same again is
   * harmless. The value is sent once and gets into no error, log or span, even where the gateway echoes it.
   */
  readonly register: (credential: NewCredential) => Effect.Effect<void, OperationError>
  /** GET /credentials */
  readonly list: Effect.Effect<ReadonlyArray<Credential>, OperationError>
  /** GET /credentials/{tool_id}/status */
  readonly status: (toolId: string) => Effect.Effect<CredentialStatus, OperationError>
  /** DELETE /credentials/{tool_id}/{name}. Fails with `NotFound` when there is none. */
  readonly remove: (credential: Pick<NewCredential, "toolId" | "name">) => Effect.Effect<void, OperationError>
  /** GET /credentials/access-log: which credentials the gateway used for what, the latest first. */
  readonly accessLog: Effect.Effect<ReadonlyArray<CredentialAccess>, OperationError>
}>()("effect-vargate/Credentials") {}

const checkCredential = checkInput(
  "credential",
  Schema.Struct({ toolId: CredentialName, name: CredentialName, value: Schema.Redacted(Schema.NonEmptyString) })
)

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(CredentialsApi)

  const register = Effect.fn("Credentials.register")(function*(credential: NewCredential) {
    // The gateway takes an empty name, and then has no way to remove it.
    const { name, toolId, value } = yield* checkCredential("Credentials.register", credential)
    yield* transport.request(
      { name: "Credentials.register", sideEffect: "possible", secrets: [value] },
      client.credentials.register({ payload: { tool_id: toolId, name, value } })
    )
  })

  const list = transport.request(
    { name: "Credentials.list", sideEffect: "none" },
    client.credentials.list({})
  ).pipe(Effect.map(({ credentials }) => credentials), Effect.withSpan("Credentials.list"))

  const status = Effect.fn("Credentials.status")((toolId: string) =>
    transport.request(
      { name: "Credentials.status", sideEffect: "none" },
      client.credentials.status({ params: { tool_id: toolId } })
    )
  )

  const remove = Effect.fn("Credentials.remove")(function*(credential: Pick<NewCredential, "toolId" | "name">) {
    const { name, toolId } = yield* checkObject("Credentials.remove", credential)
    yield* transport.request(
      { name: "Credentials.remove", sideEffect: "possible" },
      client.credentials.remove({ params: { tool_id: toolId, name } })
    )
  })

  const accessLog = transport.request(
    { name: "Credentials.accessLog", sideEffect: "none" },
    client.credentials.accessLog({})
  ).pipe(Effect.map(({ entries }) => entries), Effect.withSpan("Credentials.accessLog"))

  return Credentials.of({ register, list, status, remove, accessLog })
})

/**
 * The service over a transport. Built anew wherever it is provided, so that it always acts for the nearest transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Credentials, never, Transport.Transport> = Layer.fresh(Layer.effect(Credentials, make))
