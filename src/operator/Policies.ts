/**
 * The policies in force: templates to choose from, rules, and the bundle that the policy engine runs. To choose among
 * them is the operator's: see `Tenant`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OperationError } from "../errors/VargateError.ts"
import type { PolicyTemplate } from "../model/PolicyTemplate.ts"
import * as Transport from "../transport/Transport.ts"
import type { PolicyBundle, PolicyRules } from "./PolicyRules.ts"
import { PoliciesApi } from "./wire/PoliciesApi.ts"

/**
 * Reads the policies.
 *
 * @category services
 * @since 0.1.0
 */
export class Policies extends Context.Service<Policies, {
  /** GET /policy/templates */
  readonly templates: Effect.Effect<ReadonlyArray<PolicyTemplate>, OperationError>
  /** GET /policy/rules. A rule that the tenant has approved in advance is of type `auto_approved`. */
  readonly rules: Effect.Effect<PolicyRules, OperationError>
  /** GET /bundles/vargate/status */
  readonly bundle: Effect.Effect<PolicyBundle, OperationError>
}>()("effect-vargate/Policies") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(PoliciesApi)

  const templates = transport.request(
    { name: "Policies.templates", sideEffect: "none" },
    client.policies.templates({})
  ).pipe(Effect.map(({ templates }) => templates), Effect.withSpan("Policies.templates"))

  const rules = transport.request(
    { name: "Policies.rules", sideEffect: "none" },
    client.policies.rules({})
  ).pipe(Effect.withSpan("Policies.rules"))

  const bundle = transport.request(
    { name: "Policies.bundle", sideEffect: "none" },
    client.policies.bundle({})
  ).pipe(Effect.withSpan("Policies.bundle"))

  return Policies.of({ templates, rules, bundle })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Policies, never, Transport.Transport> = Layer.effect(Policies, make)
