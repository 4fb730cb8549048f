/**
 * `dev`: a gateway on this machine, with everything that it knows in one file.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import type { GatewayServer, Options } from "../gateway/GatewayServer.ts"
import * as Note from "../verify/witness/Note.ts"
import { readKeyFile } from "./core/connection.ts"
import { FileFailed, Usage } from "./core/failure.ts"
import { KeyFile } from "./core/flags.ts"
import { readText } from "./core/readText.ts"
import { aboutPolicy, regoPolicy } from "./core/rego.ts"
import { assignment } from "./environment.ts"
import { readSigner } from "./head/files.ts"
import { Serving } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts } from "./screen/table.ts"
import { bold, dim } from "./screen/text.ts"

const flags = {
  port: Flag.Int("port").pipe(
    Flag.withMetavar("<port>"),
    Flag.withDescription("Where to listen; 0 takes a free one (8000)"),
    Flag.withDefault(8000)
  ),
  host: Flag.String("host").pipe(
    Flag.withMetavar("<host>"),
    Flag.withDescription("On which address (127.0.0.1)"),
    Flag.withDefault("127.0.0.1")
  ),
  data: Flag.String("data").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("The ledger, in SQLite (./vargate.db)"),
    Flag.withDefault("./vargate.db")
  ),
  template: Flag.Literals("template", ["general", "financial", "email", "crm", "data_access"]).pipe(
    Flag.withMetavar("<template>"),
    Flag.withDescription("The policy of a new ledger (general)"),
    Flag.optional
  ),
  businessHours: Flag.Literals("business-hours", ["weekdays", "always"]).pipe(
    Flag.withMetavar("<when>"),
    Flag.withDescription("When calls are within business hours: Monday to Friday, 9 to 18 UTC, or always (weekdays)"),
    Flag.withDefault("weekdays")
  ),
  registration: Flag.String("registration").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("JSON that tells policies about agents and data"),
    Flag.optional
  ),
  webhook: Flag.String("webhook").pipe(
    Flag.withMetavar("<url>"),
    Flag.withDescription("Send every event there, and print the secret: https, or http on this machine"),
    Flag.optional
  ),
  logKey: Flag.String("log-key").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("Make the log public, with heads signed by this key (`head keygen`)"),
    Flag.optional
  ),
  opa: Flag.String("opa").pipe(
    Flag.withMetavar("<url>"),
    Flag.withDescription("Ask this OPA server instead of the built-in engine"),
    Flag.optional
  ),
  rego: Flag.String("rego").pipe(
    Flag.withMetavar("<path>"),
    Flag.withDescription("Decide by this Rego or compiled bundle instead of the built-in engine"),
    Flag.optional
  )
}

/** Loaded only here, since no other command serves anything. */
const policyOf = Effect.fnUntraced(function*(url: string) {
  const OpaEngine = yield* Effect.promise(() => import("../gateway/policy/OpaEngine.ts"))
  const { PolicyEngine } = yield* Effect.promise(() => import("../gateway/policy/PolicyEngine.ts"))
  return Layer.succeed(PolicyEngine, yield* Effect.mapError(OpaEngine.make({ url }), aboutPolicy("--opa")))
})

const compiledPolicyOf = Effect.fnUntraced(function*(path: string) {
  const { PolicyEngine } = yield* Effect.promise(() => import("../gateway/policy/PolicyEngine.ts"))
  const { engine } = yield* regoPolicy(path, "--rego")
  return Layer.succeed(PolicyEngine, engine)
})

const AgentRegistration = Schema.Struct({
  roles: Schema.optionalKey(Schema.Array(Schema.String)),
  jurisdiction: Schema.optionalKey(Schema.String),
  deployment: Schema.optionalKey(Schema.String),
  enclaveVerified: Schema.optionalKey(Schema.Boolean),
  flagged: Schema.optionalKey(Schema.Boolean)
})

const Registration = Schema.fromJsonString(Schema.Struct({
  agentDefaults: Schema.optionalKey(AgentRegistration),
  agents: Schema.optionalKey(Schema.Record(Schema.String, AgentRegistration)),
  dataHandling: Schema.optionalKey(Schema.Struct({
    classification: Schema.optionalKey(Schema.String),
    residencyRequired: Schema.optionalKey(Schema.String),
    destinations: Schema.optionalKey(
      Schema.Record(Schema.String, Schema.Struct({ type: Schema.String, approved: Schema.Boolean }))
    )
  }))
}))

const readRegistration = Effect.fnUntraced(function*(path: string) {
  const text = yield* Effect.mapError(readText(path), FileFailed.of("read", path))
  return yield* Schema.decodeEffect(Registration)(text, { onExcessProperty: "error" }).pipe(
    Effect.mapError(({ issue }) => {
      const faults = fieldIssues(issue, []).map(({ message, path }) => [...path, message].join(": "))
      return new Usage({ message: `--registration: ${path} is no registration (${faults.join("; ")}).` })
    })
  )
})

const announce = Effect.fnUntraced(function*({ isNew, tenant, url }: GatewayServer["Service"], data: string) {
  const printer = yield* Printer
  const apiKey = Redacted.value(tenant.apiKey)
  const { policyTemplate, webhookSecret, webhookUrl } = tenant
  const webhook = webhookUrl === null || webhookSecret === null
    ? undefined
    : { origin: URL.parse(webhookUrl)?.origin ?? "?", secret: Redacted.value(webhookSecret) }
  yield* printer.print(
    Serving,
    {
      url,
      tenantId: tenant.id,
      apiKey,
      policyTemplate,
      data,
      isNew,
      ...webhook === undefined ? {} : { webhookSecret: webhook.secret }
    },
    (width) =>
      facts([
        ["Listening", bold(url)],
        ["Policy", policyTemplate],
        ["Ledger", [data, dim(isNew ? ", with a new key" : ", with the key of before")]],
        webhook && ["Webhook", ["events are sent to ", bold(webhook.origin)]],
        ["Use it", assignment("VARGATE_URL", url)],
        ["", assignment("VARGATE_API_KEY", apiKey)],
        webhook && ["", assignment("VARGATE_WEBHOOK_SECRET", webhook.secret)]
      ], width)
  )
  yield* printer.note(dim("Ctrl-C ends it; requests in flight are finished first."))
})

/** The tenant of a new ledger. */
const localTenant = "local"

const announceLog = (url: string, { verifier }: Note.SignerKey) =>
  Printer.use(({ note }) =>
    note(
      `The log is public at ${url}/tlog/${verifier.id}/ for those who have its key: ${Note.formatVerifier(verifier)}`
    )
  )

const webhooks = { client: FetchHttpClient.layer, allowLoopbackHttp: true }

/** Such a URL may hold a secret, so it is not repeated. */
const checkWebhook = Effect.fnUntraced(function*(url: string) {
  const { isAcceptable } = yield* Effect.promise(() => import("../gateway/calls/WebhookSender.ts"))
  if (isAcceptable(url, webhooks.allowLoopbackHttp)) return url
  return yield* new Usage({
    message:
      "--webhook: expected a URL that begins with https://, without a password, or an http:// URL of this machine."
  })
})

const isLoopback = (host: string) => /^(localhost|::1|127\.[\d.]+)$/.test(host)

/** @internal */
export const command = Command.make(
  "dev",
  flags,
  Effect.fnUntraced(function*({ logKey, ...given }) {
    const { businessHours, data, host, opa, port, registration, rego, template, webhook } = given
    const printer = yield* Printer
    const keyFile = Option.getOrUndefined(yield* KeyFile)
    if (Option.isSome(opa) && Option.isSome(rego)) {
      return yield* new Usage({ message: "Say either --opa or --rego: one engine decides." })
    }
    if (!isLoopback(host)) {
      yield* printer.warn(`keys and params that are sent to ${host} can be read on the way: put TLS in front of it`)
    }
    const key = Option.isNone(logKey) ? undefined : yield* readSigner(logKey.value)
    const options: Options = {
      port,
      host,
      data,
      template: Option.getOrUndefined(template),
      businessHours,
      registration: Option.isNone(registration) ? undefined : yield* readRegistration(registration.value),
      webhookUrl: Option.isNone(webhook) ? undefined : yield* checkWebhook(webhook.value),
      webhooks,
      heads: key === undefined ? undefined : { tenants: { [localTenant]: { key } } },
      policy: Option.isSome(rego)
        ? yield* compiledPolicyOf(rego.value)
        : Option.isSome(opa)
        ? yield* policyOf(opa.value)
        : undefined,
      // Not that of the environment, which may open some other gateway.
      apiKey: keyFile === undefined ? undefined : yield* readKeyFile(keyFile)
    }
    const { run } = yield* Effect.promise(() => import("../gateway/GatewayServer.ts"))
    return yield* run(
      options,
      (server) => Effect.andThen(announce(server, data), key === undefined ? Effect.void : announceLog(server.url, key))
    )
  }, Effect.scoped)
).pipe(
  Command.withDescription("Serve a gateway on this machine, with its ledger in a file"),
  Command.withExamples([
    { command: "effect-vargate dev --template financial --business-hours always" },
    { command: "effect-vargate dev --webhook http://localhost:3000/hook" },
    { command: "effect-vargate dev --port 0 --data /tmp/ci.db --json" }
  ])
)
