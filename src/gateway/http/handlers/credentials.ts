/**
 * The vault of credentials, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Redacted from "effect/Redacted"
import { Credential, CredentialAccess, CredentialStatus } from "../../../operator/Credential.ts"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { Conflict409, NotFound404, Unprocessable422 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { CredentialVault } from "../../tenants/CredentialVault.ts"
import { maxCredentialName, maxCredentials, maxCredentialValue } from "../../tenants/internal/bounds.ts"

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "credentials",
  Effect.fnUntraced(function*(handlers) {
    const vault = yield* CredentialVault

    return handlers
      .handle(
        "register",
        Effect.fnUntraced(function*({ payload: { name, tool_id, value } }) {
          const { id } = yield* CurrentTenant
          const tooLong = [tool_id, name].some(({ length }) => length > maxCredentialName) ||
            Redacted.value(value).length > maxCredentialValue
          if (tooLong) {
            return yield* Effect.fail(Unprocessable422.make({
              detail: `A credential has at most ${maxCredentialName} characters for its tool and for its name, and \
${maxCredentialValue} for its value`
            }))
          }
          const there = yield* vault.list(id)
          const isNew = !there.some((credential) => credential.toolId === tool_id && credential.name === name)
          if (isNew && there.length >= maxCredentials) {
            return yield* Effect.fail(Conflict409.make({
              detail: `This tenant has ${maxCredentials} credentials, as many as it may have. Remove one first`
            }))
          }
          yield* vault.register(id, { toolId: tool_id, name, value })
          return { tool_id, name, registered: true } as const
        })
      )
      .handle(
        "list",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          return { credentials: (yield* vault.list(id)).map((stored) => new Credential(stored)) }
        })
      )
      .handle(
        "accessLog",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          return { entries: (yield* vault.accessLog(id)).map((use) => new CredentialAccess(use)) }
        })
      )
      .handle(
        "status",
        Effect.fnUntraced(function*({ params: { tool_id: toolId } }) {
          const { id } = yield* CurrentTenant
          const stored = (yield* vault.list(id)).filter((credential) => credential.toolId === toolId)
          return new CredentialStatus({
            toolId,
            registered: stored.length > 0,
            credentials: stored.map((credential) => new Credential(credential))
          })
        })
      )
      .handle(
        "remove",
        Effect.fnUntraced(function*({ params: { name, tool_id } }) {
          const { id } = yield* CurrentTenant
          return (yield* vault.remove(id, tool_id, name))
            ? { tool_id, name, deleted: true } as const
            : yield* Effect.fail(NotFound404.make({ detail: `No credential found for ${tool_id}/${name}` }))
        })
      )
  })
)
