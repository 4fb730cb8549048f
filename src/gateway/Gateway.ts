/**
 * The embedded gateway: the whole contract, answered inside this process. Nothing leaves the machine, unless webhooks are
 * given a way out, and no account is needed.
 *
 * **Details**
 *
 * Policies, audit chain, Merkle trees, approval queue and limits follow what was measured on the real gateway, with the
 * fields that only its guide shows beside them. Holes are not copied: an unknown or missing key is 401, no header opens a
 * route without a key, and no tenant erases, lists or replays what is another tenant's. Time comes from `Clock`, so a
 * test clock drives expiry, windows and hours.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type { VargateError } from "../errors/VargateError.ts"
import { VargateApi } from "../VargateApi.ts"
import * as CallWindow from "./calls/CallWindow.ts"
import * as GatewayMetrics from "./calls/GatewayMetrics.ts"
import * as ReviewDesk from "./calls/ReviewDesk.ts"
import * as Submissions from "./calls/Submissions.ts"
import * as ToolRunner from "./calls/ToolRunner.ts"
import * as WebhookSender from "./calls/WebhookSender.ts"
import * as Callers from "./http/Callers.ts"
import * as ChainVerdicts from "./http/ChainVerdicts.ts"
import { addressList, TrustedProxies } from "./http/clientAddress.ts"
import * as Closing from "./http/Closing.ts"
import type { Hosts } from "./http/crossSite.ts"
import * as Entrance from "./http/entrance.ts"
import * as AccountHandlers from "./http/handlers/account.ts"
import * as AgentsHandlers from "./http/handlers/agents.ts"
import * as AnchorsHandlers from "./http/handlers/anchors.ts"
import * as ApprovalsHandlers from "./http/handlers/approvals.ts"
import * as AuditHandlers from "./http/handlers/audit.ts"
import * as ComplianceHandlers from "./http/handlers/compliance.ts"
import * as CredentialsHandlers from "./http/handlers/credentials.ts"
import * as InboxHandlers from "./http/handlers/inbox.ts"
import * as KeysHandlers from "./http/handlers/keys.ts"
import * as ManagedAgentsHandlers from "./http/handlers/managedAgents.ts"
import * as ManagedSessionsHandlers from "./http/handlers/managedSessions.ts"
import * as McpDoorHandlers from "./http/handlers/mcpDoor.ts"
import * as MerkleHandlers from "./http/handlers/merkle.ts"
import * as PoliciesHandlers from "./http/handlers/policies.ts"
import * as SubjectsHandlers from "./http/handlers/subjects.ts"
import * as SystemHandlers from "./http/handlers/system.ts"
import * as TenantHandlers from "./http/handlers/tenant.ts"
import * as TenantsHandlers from "./http/handlers/tenants.ts"
import * as ToolCallsHandlers from "./http/handlers/toolCalls.ts"
import * as LogTiles from "./http/logTiles.ts"
import * as Middleware from "./http/middleware.ts"
import * as ClientShares from "./http/shares.ts"
import * as TenantRequests from "./http/TenantRequests.ts"
import * as WholeLog from "./http/wholeLog.ts"
import * as Broadcast from "./inbox/Broadcast.ts"
import * as Feed from "./inbox/Feed.ts"
import { InboxApi } from "./inbox/InboxApi.ts"
import * as InboxPage from "./inbox/InboxPage.ts"
import type { AgentHistory } from "./ledger/AgentHistory.ts"
import * as Anchoring from "./ledger/Anchoring.ts"
import type { Ledger } from "./ledger/Ledger.ts"
import * as LedgerMemory from "./ledger/LedgerMemory.ts"
import * as MerkleTrees from "./ledger/MerkleTrees.ts"
import * as SignedHeads from "./ledger/SignedHeads.ts"
import * as SubjectKeys from "./ledger/SubjectKeys.ts"
import * as ManagedSessions from "./managed/ManagedSessions.ts"
import * as ManagedStore from "./managed/ManagedStore.ts"
import { type BusinessHours, CurrentBusinessHours } from "./policy/BusinessHours.ts"
import * as PolicyEngine from "./policy/PolicyEngine.ts"
import * as PolicyOutage from "./policy/PolicyOutage.ts"
import { PdfPrinter, type PrintPdf } from "./reports/PdfPrinter.ts"
import * as CredentialVaultSqlite from "./sqlite/CredentialVaultSqlite.ts"
import * as Database from "./sqlite/Database.ts"
import * as LedgerSqlite from "./sqlite/LedgerSqlite.ts"
import * as ManagedStoreSqlite from "./sqlite/ManagedStoreSqlite.ts"
import * as ScopedKeysSqlite from "./sqlite/ScopedKeysSqlite.ts"
import type { StorageError } from "./sqlite/StorageError.ts"
import * as TenantsSqlite from "./sqlite/TenantsSqlite.ts"
import * as CredentialVault from "./tenants/CredentialVault.ts"
import { checkOptions } from "./tenants/internal/checkOptions.ts"
import { KeysApi } from "./tenants/KeysApi.ts"
import * as ScopedKeys from "./tenants/ScopedKeys.ts"
import * as Sessions from "./tenants/Sessions.ts"
import * as Signups from "./tenants/Signups.ts"
import * as Tenants from "./tenants/Tenants.ts"

/**
 * What an embedded gateway can be given.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Default: one tenant, {@link localTenant}. */
  readonly tenants?: ReadonlyArray<Tenants.TenantOptions> | undefined
  /** Rules and approval rules beside the tenants' templates, or another engine in the place of the built-in one. */
  readonly policy?: PolicyEngine.Options | Layer.Layer<PolicyEngine.PolicyEngine> | undefined
  /**
   * When a call is within business hours. Default: `weekdays`, Monday to Friday, 9:00 to 18:00 UTC by the gateway's clock. A
   * test clock stands in 1970, on a Thursday at midnight: tests want `always`.
   */
  readonly businessHours?: BusinessHours | undefined
  /**
   * Tools that the gateway executes itself, by `tool/method`, and offers to MCP clients at POST /mcp/server. Default:
   * none, so the agent acts.
   */
  readonly tools?: ToolRunner.Tools | undefined
  /** Plays managed agents. Default: their sessions are simulated, and nothing runs. */
  readonly managedAgent?: ManagedSessions.Play | undefined
  /** Prints compliance exports. Default: `format=pdf` is refused with 501. */
  readonly printPdf?: PrintPdf | undefined
  /** Sends the mails by which new users confirm their address. Default: there is no signing up. */
  readonly sendMail?: ((mail: Signups.VerificationMail) => Effect.Effect<void>) | undefined
  /** How webhooks leave it. Default: they do not. */
  readonly webhooks?: WebhookSender.Options | undefined
  /**
   * The host names under which a server may be addressed, besides `localhost` and its like. Any other is refused, so that
   * no page on the internet reaches the gateway under a name of its own. Default: any, but none for {@link serve} on a
   * loopback address.
   */
  readonly hosts?: Hosts | undefined
  /**
   * Addresses (`192.0.2.1`) and networks (`10.0.0.0/8`) of proxies before the gateway. Only what one of them sends is
   * believed about the client's address (`X-Forwarded-For`). Default: none, so that the address is the socket's.
   */
  readonly trustedProxies?: ReadonlyArray<string> | undefined
  /** Where the roots of the hourly trees are written, outside of the gateway. Default: nowhere. */
  readonly anchors?: Anchoring.Options | undefined
  /** Whose logs are public, with heads that this gateway signs. Default: none. */
  readonly heads?: SignedHeads.Options | undefined
  /** Whether `GET /` is the approval inbox. `false` leaves `/` to other routes of the same server. Default: true. */
  readonly inbox?: boolean | undefined
}

/**
 * The tenant of a gateway that was configured with none. Its key opens nothing but a gateway inside the same process.
 *
 * @category constants
 * @since 0.1.0
 */
export const localTenant = { id: "local", name: "Local", apiKey: "vargate-local-key" } as const

/**
 * The parts of a gateway that a program may want to reach past its HTTP interface.
 *
 * @category models
 * @since 0.1.0
 */
export type Parts =
  | Tenants.Tenants
  | ScopedKeys.ScopedKeys
  | CredentialVault.CredentialVault
  | PolicyEngine.PolicyEngine
  | PolicyOutage.PolicyOutage
  | Ledger
  | ManagedStore.ManagedStore
  | AgentHistory
  | Feed.Feed

/**
 * The parts in memory, for {@link serve} and {@link layerClient}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerParts = (options: Options = {}): Layer.Layer<Parts, VargateError> =>
  checked("Gateway.layerParts", options, knownOptions, () =>
    Layer.mergeAll(
      Tenants.layerMemory(options.tenants ?? [localTenant]),
      ScopedKeys.layerMemory(options.tenants ?? []),
      CredentialVault.layerMemory,
      engine(options.policy),
      PolicyOutage.layer,
      Layer.provideMerge(Feed.layer, LedgerMemory.layer),
      ManagedStore.layerMemory
    ).pipe(Layer.fresh))

/** Nothing starts with an option that it does not know. */
const checked = <E>(
  operation: string,
  options: Pick<Options, "tenants" | "heads">,
  known: object,
  parts: () => Layer.Layer<Parts, E>
): Layer.Layer<Parts, E | VargateError> =>
  Layer.unwrap(
    Effect.map(
      checkOptions(operation, options, Object.keys(known), options.tenants ?? [], options.heads?.tenants ?? {}),
      parts
    )
  )

/** The compiler keeps it complete. */
const knownOptions: Readonly<Record<keyof Options, true>> = {
  tenants: true,
  policy: true,
  businessHours: true,
  tools: true,
  managedAgent: true,
  printPdf: true,
  sendMail: true,
  webhooks: true,
  hosts: true,
  trustedProxies: true,
  anchors: true,
  heads: true,
  inbox: true
}

const engine = (policy: Options["policy"] = {}): Layer.Layer<PolicyEngine.PolicyEngine> =>
  isEngine(policy) ? policy : PolicyEngine.layerWith(policy)

const isEngine = (policy: NonNullable<Options["policy"]>): policy is Layer.Layer<PolicyEngine.PolicyEngine> =>
  Layer.isLayer(policy)

/**
 * What a gateway on disk can be given.
 *
 * @category options
 * @since 0.1.0
 */
export interface SqliteOptions extends Options, Database.Options {
  /** Put into the file at every start, in the place of those with their ids. Default: none but those that it holds. */
  readonly tenants?: ReadonlyArray<Tenants.TenantOptions> | undefined
}

const knownSqliteOptions: Readonly<Record<keyof SqliteOptions, true>> = {
  ...knownOptions,
  filename: true
}

/**
 * The parts on disk: ledger, history, tenants, credentials and managed agents are in a SQLite file and survive the
 * process. One process at a time has the file. For {@link serve} and {@link layerClient}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPartsSqlite = (options: SqliteOptions): Layer.Layer<Parts, StorageError | VargateError> =>
  checked("Gateway.layerSqlite", options, knownSqliteOptions, () =>
    Layer.mergeAll(
      Layer.provideMerge(Feed.layer, LedgerSqlite.layer),
      TenantsSqlite.layer(options.tenants ?? []),
      ScopedKeysSqlite.layer(options.tenants ?? []),
      CredentialVaultSqlite.layer,
      ManagedStoreSqlite.layer
    ).pipe(
      Layer.provide(Database.layer(options)),
      Layer.merge(engine(options.policy)),
      Layer.merge(PolicyOutage.layer),
      Layer.fresh
    ))

const handlers = Layer.mergeAll(
  ToolCallsHandlers.layer,
  McpDoorHandlers.layer,
  ApprovalsHandlers.layer,
  AuditHandlers.layer,
  MerkleHandlers.layer,
  SubjectsHandlers.layer,
  SystemHandlers.layer,
  AgentsHandlers.layer,
  AnchorsHandlers.layer,
  ComplianceHandlers.layer,
  ManagedAgentsHandlers.layer,
  ManagedSessionsHandlers.layer,
  InboxHandlers.layer,
  KeysHandlers.layer,
  TenantHandlers.layer,
  TenantsHandlers.layer,
  PoliciesHandlers.layer,
  CredentialsHandlers.layer,
  AccountHandlers.layer
)

const services = (options: Options) =>
  Layer.mergeAll(
    ManagedSessions.layer(options.managedAgent),
    ReviewDesk.layer,
    MerkleTrees.layer,
    Layer.succeed(PdfPrinter, options.printPdf),
    SignedHeads.layer(options.heads),
    Layer.provide(Anchoring.layer(options.anchors), MerkleTrees.layer)
  ).pipe(
    Layer.provideMerge(ToolCallsHandlers.layerReplies),
    Layer.provideMerge(CallWindow.layer),
    Layer.provideMerge(Submissions.layer),
    Layer.provideMerge(ToolRunner.layer(options.tools ?? {})),
    Layer.provide(Layer.succeed(CurrentBusinessHours, options.businessHours ?? "weekdays")),
    Layer.provideMerge(Layer.mergeAll(
      SubjectKeys.layer,
      Layer.provideMerge(ChainVerdicts.layer, WholeLog.layer),
      Broadcast.layer,
      GatewayMetrics.layer,
      Sessions.layer,
      Signups.layer(options.sendMail),
      WebhookSender.layer(options.webhooks),
      Callers.layer,
      ClientShares.layer,
      TenantRequests.layer
    ))
  )

/**
 * The routes of the gateway over its parts, for any HTTP server.
 *
 * @category layers
 * @since 0.1.0
 */
export const routes = (options: Options = {}) =>
  Layer.mergeAll(
    HttpApiBuilder.layer(VargateApi, { openapiPath: "/openapi.json" }),
    HttpApiBuilder.layer(InboxApi),
    HttpApiBuilder.layer(KeysApi),
    options.inbox === false ? Layer.empty : InboxPage.layer,
    options.heads === undefined ? Layer.empty : LogTiles.layer(options.heads),
    Middleware.noRoute,
    Entrance.layer(options.hosts ?? "any")
  ).pipe(
    Layer.provide(handlers),
    Layer.provide(Layer.sync(TrustedProxies, () => addressList(options.trustedProxies ?? []))),
    Layer.provide([Middleware.apiKey, Middleware.requestValidation]),
    Layer.provide(services(options)),
    // A second gateway inside a first must not share its parts.
    Layer.fresh
  )

/**
 * The gateway as an `HttpClient` without a socket, over the parts in context. It answers at any host, with or without
 * `/api` before the path, so that a program need not know that the gateway is near.
 *
 * **Details**
 *
 * A request is answered to its end even when the caller is interrupted, as over a network.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (options: Options = {}): Layer.Layer<HttpClient.HttpClient, never, Parts> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function*() {
      const app = yield* HttpRouter.toHttpEffect(routes(options))
      const localUrl = makeLocalUrl()
      const answer = (
        request: HttpClientRequest.HttpClientRequest
      ): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
        app.pipe(
          Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
          Effect.provideService(
            HttpServerRequest.HttpServerRequest,
            HttpServerRequest.fromClientRequest(HttpClientRequest.setUrl(request, localUrl(request.url)))
          ),
          Effect.scoped,
          Effect.orDie
        )
      return HttpClient.makeWith(
        Effect.flatMap((request: HttpClientRequest.HttpClientRequest) =>
          Effect.flatMap(Effect.forkDetach(answer(request), { startImmediately: true }), Fiber.join)
        ),
        (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(request)
      )
    })
  ).pipe(Layer.provide(HttpServer.layerServices))

/** Reads a URL, or knows it from the call before: nearly all calls of a client go to one address. */
const makeLocalUrl = () => {
  let [last, local] = ["", ""]
  return (url: string) => {
    if (url === last) return local
    const { pathname, search } = new URL(url)
    local = `http://localhost${pathname.replace(/^\/api(?=\/)/, "")}${search}`
    last = url
    return local
  }
}

/**
 * A whole gateway in memory as an `HttpClient`, with its parts at hand.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<HttpClient.HttpClient | Parts, VargateError> =>
  Layer.provideMerge(layerClient(options), layerParts(options))

/**
 * A whole gateway on disk as an `HttpClient`, with its parts at hand: {@link layerMemory} over {@link layerPartsSqlite}.
 *
 * **Example** (A gateway that remembers)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Vargate } from "effect-vargate"
 * import * as Gateway from "effect-vargate/gateway/Gateway"
 *
 * const apiKey = "a-long-random-key"
 *
 * export const layer = Vargate.layer({ apiKey }).pipe(
 *   Layer.provide(Gateway.layerSqlite({ filename: "./vargate.db", tenants: [{ id: "acme", apiKey }] }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSqlite = (
  options: SqliteOptions
): Layer.Layer<HttpClient.HttpClient | Parts, StorageError | VargateError> =>
  Layer.provideMerge(layerClient(options), layerPartsSqlite(options))

/**
 * The gateway on the HTTP server in context, over the parts in context. `GET /` is the approval inbox, a page for
 * reviewers.
 *
 * **Example** (On a port of this machine)
 *
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import * as Gateway from "effect-vargate/gateway/Gateway"
 * import { createServer } from "node:http"
 *
 * const server = Gateway.serve().pipe(
 *   Layer.provide(Gateway.layerParts()),
 *   Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 8000 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const serve = (options: Options = {}): Layer.Layer<never, never, HttpServer.HttpServer | Parts> =>
  Layer.unwrap(
    HttpServer.HttpServer.useSync(({ address }) =>
      HttpRouter.serve(routes({ ...options, hosts: options.hosts ?? defaultHosts(address) }), {
        disableLogger: true,
        disableListenLog: true
      })
    )
  ).pipe(
    Closing.announce,
    // The token of a mail opens an account, and it stands in a URL: no trace may show it.
    Layer.provide(Layer.succeed(UrlParams.CurrentRedactedNames, ["token"])),
    Layer.provide(HttpServer.layerServices)
  )

const defaultHosts = (address: NetAddress.SocketAddress): Hosts =>
  NetAddress.isInetAddress(address) && NetAddress.isLoopback(address.address) ? [] : "any"

// --- the file --------------------------------------------------------------------------------------------------------

/**
 * Taking old records out of the file of a gateway on disk.
 *
 * @since 0.2.0
 */
export { type Archive, archive, type ArchiveOptions } from "./sqlite/archive.ts"

/**
 * Backing up and restoring the file of a gateway on disk.
 *
 * @since 0.2.0
 */
export { backup, type BackupOptions, type Copy, restore, type RestoreOptions } from "./sqlite/backup.ts"
