/**
 * `inbox`: the page of a review panel over a gateway, whose key stays in this process.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { VargateError } from "../errors/VargateError.ts"
import { isLoopback } from "../internal/loopback.ts"
import * as Authenticator from "../reviews/Authenticator.ts"
import * as Grants from "../reviews/Grants.ts"
import * as Proposals from "../reviews/Proposals.ts"
import * as ReviewPanel from "../reviews/ReviewPanel.ts"
import * as VoteSigner from "../reviews/VoteSigner.ts"
import { connectedAsOperator } from "./core/connected.ts"
import { FileFailed, NotConfigured, Usage } from "./core/failure.ts"
import { readText } from "./core/readText.ts"
import { variable } from "./core/variables.ts"
import { type Panel, readPanel } from "./inbox/panelFile.ts"
import { PanelServing } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts } from "./screen/table.ts"
import { bold, dim } from "./screen/text.ts"

const flags = {
  panel: Flag.String("panel").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("JSON with reviewers and rules (./panel.json)"),
    Flag.withDefault("./panel.json")
  ),
  data: Flag.String("data").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("The ballots, in SQLite (./panel.db)"),
    Flag.withDefault("./panel.db")
  ),
  port: Flag.Int("port").pipe(
    Flag.withMetavar("<port>"),
    Flag.withDescription("Where to listen; 0 takes a free one (8090)"),
    Flag.withDefault(8090)
  ),
  host: Flag.String("host").pipe(
    Flag.withMetavar("<host>"),
    Flag.withDescription("On which address (127.0.0.1)"),
    Flag.withDefault("127.0.0.1")
  ),
  publicUrl: Flag.String("public-url").pipe(
    Flag.withMetavar("<url>"),
    Flag.withDescription("Where browsers see the page: https, behind your proxy, also under a path"),
    Flag.optional
  )
}

/** The key that signs votes: that of the environment, or one that is made once and kept beside the ballots. */
const signingKey = Effect.fnUntraced(function*(data: string) {
  const given = yield* variable("VARGATE_REVIEWS_KEY")
  if (given !== undefined) return given
  const path = `${data}.key`
  const files = yield* FileSystem.FileSystem
  if (!(yield* Effect.mapError(files.exists(path), FileFailed.of("read", path)))) {
    const key = yield* VoteSigner.makeKey
    yield* Effect.mapError(
      files.writeFileString(path, `${Redacted.value(key)}\n`, { mode: 0o600, flag: "wx" }),
      FileFailed.of("written", path)
    )
  }
  const text = yield* Effect.mapError(readText(path), FileFailed.of("read", path))
  return Redacted.make(text.trim())
})

/** The words of a layer's options, as those of the file or of a flag. */
const asUsage = (what: string) => ({ reason }: VargateError) =>
  new Usage({
    message: `${what}: ${
      reason._tag === "InvalidRequest"
        ? reason.issues.map(({ message, path }) => [...path, message].join(": ")).join("; ")
        : reason.message
    }.`
  })

const loginOf = Effect.fnUntraced(function*(oidc: NonNullable<Panel["oidc"]>) {
  const OidcLogin = yield* Effect.tryPromise({
    try: () => import("../node/OidcLogin.ts"),
    catch: () => new NotConfigured({ message: "A login by oidc needs the package jose: install it beside this one." })
  })
  const clientSecret = yield* variable("VARGATE_OIDC_CLIENT_SECRET")
  return OidcLogin.layer({ ...oidc, clientSecret }).pipe(Layer.provide(FetchHttpClient.layer))
})

interface Options {
  readonly panel: string
  readonly data: string
  readonly port: number
  readonly host: string
  readonly publicUrl: Option.Option<string>
}

const serve = Effect.fnUntraced(function*(options: Options) {
  const { data, host, port } = options
  const printer = yield* Printer
  const url = Option.getOrUndefined(options.publicUrl)
  const isLocal = isLoopback(host) || host === "::1"
  if (!isLocal && url === undefined) {
    return yield* new Usage({
      message: "--host: pages elsewhere need --public-url, the https address of the proxy before this one."
    })
  }
  const { agentTokenHashes, oidc, reviewers, rules } = yield* readPanel(options.panel)
  const key = yield* signingKey(data)
  const [BallotsSql, GrantsSql, ProposalHandlers, ReviewPage, { NodeHttpServer }, { createServer }] = yield* Effect
    .promise(
      () =>
        Promise.all([
          import("../node/BallotsSql.ts"),
          import("../node/GrantsSql.ts"),
          import("../http/ProposalHandlers.ts"),
          import("../node/ReviewPage.ts"),
          import("../gateway/http/nodePlatform.ts"),
          import("node:http")
        ])
    )
  const { ListenError } = yield* Effect.promise(() => import("../gateway/ListenError.ts"))
  const server = Layer.effect(
    HttpServer.HttpServer,
    Effect.mapError(
      NodeHttpServer.make(() => createServer(), { host, port }),
      ({ cause }) => new ListenError({ host, port, code: (cause as NodeJS.ErrnoException).code ?? String(cause) })
    )
  )
  const signer = Layer.build(VoteSigner.layer(key))
  const signing = yield* Effect.mapError(signer, asUsage("the signing key"))
  const login = oidc === undefined ? Layer.empty : yield* loginOf(oidc)
  const table = yield* Effect.mapError(
    Layer.build(Authenticator.layerTokens(reviewers)),
    asUsage(`--panel: ${options.panel}`)
  )
  const provider = yield* Effect.mapError(Layer.build(login), asUsage(`--panel: ${options.panel}: oidc`))
  const ballots = yield* Effect.mapError(
    Layer.build(BallotsSql.layerSqlite({ filename: data })),
    ({ message }) => new FileFailed({ message: `${data} cannot be used: ${message.split("\n")[0]}` })
  )
  const grants = yield* Effect.mapError(
    Layer.build(GrantsSql.layerSqlite({ filename: data })),
    ({ message }) => new FileFailed({ message: `${data} cannot be used: ${message.split("\n")[0]}` })
  )
  const listening = yield* Layer.build(server)
  const page = ReviewPage.serve({ url }, ProposalHandlers.layer({ tokenHashes: agentTokenHashes })).pipe(
    Layer.provide(Proposals.layer),
    Layer.provide(Layer.provideMerge(ReviewPanel.layer({ rules }), Grants.layer)),
    Layer.provide([
      Layer.succeedContext(signing),
      Layer.succeedContext(table),
      Layer.succeedContext(provider),
      Layer.succeedContext(ballots),
      Layer.succeedContext(grants),
      Layer.succeedContext(listening)
    ])
  )
  yield* Effect.mapError(Layer.build(page), asUsage("--public-url"))
  const { address } = Context.get(listening, HttpServer.HttpServer)
  const at = url ?? HttpServer.formatAddress(address)
  const { publicKey } = Context.get(signing, VoteSigner.VoteSigner)
  yield* printer.print(
    PanelServing,
    { url: at, data, publicKey, reviewers: reviewers.length, provider: oidc?.issuer ?? null },
    (width) =>
      facts([
        ["Page", bold(at)],
        url === undefined ? undefined : ["Listening", HttpServer.formatAddress(address)],
        ["Reviewers", [
          `${reviewers.length} with tokens`,
          oidc === undefined ? "" : `, and those of ${oidc.issuer}`
        ]],
        ["Ballots", data],
        ["Public key", [publicKey, dim(", for reviews verify --key")]]
      ], width)
  )
  yield* printer.note(dim("Ctrl-C ends it; what was begun is finished at the next start."))
  return yield* Effect.never
}, Effect.scoped)

/** @internal */
export const command = Command.make("inbox", flags, (options) => connectedAsOperator(serve(options))).pipe(
  Command.withDescription("The page of a review panel over a gateway, whose key stays on this side"),
  Command.withExamples([
    { command: "effect-vargate inbox --url https://gateway.example.com --panel panel.json" },
    { command: "effect-vargate inbox --public-url https://ops.example.com/gov/" }
  ])
)
