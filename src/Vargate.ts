/**
 * The entry point: every service over one transport.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Approvals from "./approvals/Approvals.ts"
import * as Reviews from "./approvals/Reviews.ts"
import * as AuditLog from "./audit/AuditLog.ts"
import * as Replay from "./audit/Replay.ts"
import * as ToolCalls from "./calls/ToolCalls.ts"
import type { VargateError } from "./errors/VargateError.ts"
import * as Account from "./operator/Account.ts"
import * as Anchors from "./operator/Anchors.ts"
import * as Compliance from "./operator/Compliance.ts"
import * as Credentials from "./operator/Credentials.ts"
import * as Maintenance from "./operator/Maintenance.ts"
import * as ManagedAgents from "./operator/ManagedAgents.ts"
import * as Policies from "./operator/Policies.ts"
import * as System from "./operator/System.ts"
import * as Tenant from "./operator/Tenant.ts"
import * as TenantDirectory from "./operator/TenantDirectory.ts"
import type * as KeyProvider from "./transport/KeyProvider.ts"
import * as Transport from "./transport/Transport.ts"
import * as ChainVerifier from "./verify/ChainVerifier.ts"
import * as Evidence from "./verify/Evidence.ts"
import * as Merkle from "./verify/Merkle.ts"

/**
 * What an agent may use: it asks, waits, and reads. Services that decide over agents are not among them (see
 * {@link OperatorServices}), so that an agent cannot approve its own action, change the rules that it is under or
 * wipe what is remembered of it.
 *
 * @category models
 * @since 0.1.0
 */
export type Services =
  | ToolCalls.ToolCalls
  | Approvals.Approvals
  | AuditLog.AuditLog
  | ChainVerifier.ChainVerifier
  | Evidence.Evidence
  | Merkle.Merkle
  | Policies.Policies
  | Replay.Replay
  | System.System
  | Transport.Transport

/**
 * What an operator may use: all that an agent may, and the services that decide over actions and agents, set the rules,
 * export, anchor and wipe, and change credentials and keys.
 *
 * @category models
 * @since 0.1.0
 */
export type OperatorServices =
  | Services
  | Reviews.Reviews
  | Tenant.Tenant
  | TenantDirectory.TenantDirectory
  | Credentials.Credentials
  | Account.Account
  | ManagedAgents.ManagedAgents
  | Anchors.Anchors
  | Compliance.Compliance
  | Maintenance.Maintenance

// Made where they are asked for: a program that names its services by `layerOf` carries no others.
const agentServices = () =>
  [
    ToolCalls.layer,
    Approvals.layer,
    AuditLog.layer,
    ChainVerifier.layer,
    Evidence.layer,
    Merkle.layer,
    Policies.layer,
    Replay.layer,
    System.layer
  ] as const

const operatorServices = () =>
  [
    ...agentServices(),
    Reviews.layer,
    Tenant.layer,
    TenantDirectory.layer,
    Credentials.layer,
    Account.layer,
    ManagedAgents.layer,
    Anchors.layer,
    Compliance.layer,
    Maintenance.layer
  ] as const

/**
 * The services whose layers follow, over one transport, which is among what it provides. A bundle holds what these services
 * need, and not the others of {@link layer}.
 *
 * **Example** (A governed call that may need approval, on an edge)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Approvals, FetchTransport, Governed, ToolCalls, Transport, Vargate } from "effect-vargate"
 *
 * const layer = Vargate.layerOf(Transport.layerConfig(), ToolCalls.layer, Approvals.layer)
 *
 * export const program = Governed.run(
 *   { tool: "mail", method: "send", onPending: Governed.wait() },
 *   Effect.log("sending")
 * ).pipe(Effect.provide(layer.pipe(Layer.provide(FetchTransport.layer))))
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerOf = <
  E,
  R,
  const Services extends readonly [Layer.Layer<never, unknown, unknown>, ...Array<Layer.Layer<never, unknown, unknown>>]
>(
  transport: Layer.Layer<Transport.Transport, E, R>,
  ...services: Services
): Layer.Layer<
  Transport.Transport | Layer.Success<Services[number]>,
  E | Layer.Error<Services[number]>,
  R | Exclude<Layer.Services<Services[number]>, Transport.Transport>
> =>
  // Fresh as a whole, because layers are remembered by identity: provided again further inside, with another tenant's key,
  // the same layers would go on acting for the outer tenant.
  Layer.provideMerge(Layer.fresh(Layer.mergeAll(...services as readonly [...Services])), transport)

/**
 * Every service of an agent over a transport with the given options. Provide an `HttpClient`: `FetchTransport.layer` for
 * the network (`NodeTransport.layer` on Node), an embedded gateway or a script in tests.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Transport.Options
): Layer.Layer<Services, VargateError, HttpClient.HttpClient> => layerOf(Transport.layer(options), ...agentServices())

/**
 * Every service of an agent, configured by `VARGATE_API_KEY` (required) and `VARGATE_URL` (default
 * `https://vargate.ai/api`).
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options?: Omit<Transport.Options, "apiKey" | "url">
): Layer.Layer<Services, VargateError | Config.ConfigError, HttpClient.HttpClient> =>
  layerOf(Transport.layerConfig(options), ...agentServices())

/**
 * Every service of an agent, with the key of the `KeyProvider` in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerKeyProvider = (
  options?: Omit<Transport.Options, "apiKey">
): Layer.Layer<Services, VargateError, HttpClient.HttpClient | KeyProvider.KeyProvider> =>
  layerOf(Transport.layerKeyProvider(options), ...agentServices())

/**
 * Every service of an operator over a transport with the given options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOperator = (
  options: Transport.Options
): Layer.Layer<OperatorServices, VargateError, HttpClient.HttpClient> =>
  layerOf(Transport.layer(options), ...operatorServices())

/**
 * Every service of an operator, configured as by {@link layerConfig}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOperatorConfig = (
  options?: Omit<Transport.Options, "apiKey" | "url">
): Layer.Layer<OperatorServices, VargateError | Config.ConfigError, HttpClient.HttpClient> =>
  layerOf(Transport.layerConfig(options), ...operatorServices())

/**
 * Every service of an operator, with the key of the `KeyProvider` in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOperatorKeyProvider = (
  options?: Omit<Transport.Options, "apiKey">
): Layer.Layer<OperatorServices, VargateError, HttpClient.HttpClient | KeyProvider.KeyProvider> =>
  layerOf(Transport.layerKeyProvider(options), ...operatorServices())
