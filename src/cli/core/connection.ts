/**
 * From flags, environment and configuration file to a gateway: flags win over the environment, and both over the file.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { VargateError } from "../../errors/VargateError.ts"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"
import * as Transport from "../../transport/Transport.ts"
import { Printer } from "../screen/Printer.ts"
import * as ConfigFile from "./configFile.ts"
import { FileFailed, NotConfigured } from "./failure.ts"
import * as Flags from "./flags.ts"
import { readText } from "./readText.ts"
import { readStdin } from "./stdin.ts"
import { variable } from "./variables.ts"

/**
 * Where we speak to, and by whose word.
 *
 * @internal
 */
export interface Configuration {
  readonly url: string
  readonly key: Redacted.Redacted
  readonly keyFrom: "environment" | "file" | "key file"
  /** Of the configuration, whether it exists or not; undefined where there is no home folder for it. */
  readonly path: string | undefined
}

/** @internal */
export class Connection
  extends Context.Service<Connection, Omit<Configuration, "key">>()("effect-vargate/cli/Connection")
{}

/**
 * What `--key-file` holds: the first line of the file, or of stdin.
 *
 * @internal
 */
export const readKeyFile = Effect.fnUntraced(function*(path: string) {
  const text = path === "-"
    ? yield* readStdin
    : yield* Effect.mapError(readText(path), FileFailed.of("read", path))
  const key = text.split("\n", 1)[0]!.trim()
  if (key !== "") return Redacted.make(key)
  return yield* new NotConfigured({ message: `${path === "-" ? "stdin" : path} holds no key in its first line.` })
})

/**
 * The URL and, if there is one anywhere, the key.
 *
 * @internal
 */
export const configuration = Effect.gen(function*() {
  const printer = yield* Printer
  const path = Option.getOrUndefined(yield* Flags.ConfigFile) ?? (yield* ConfigFile.defaultPath)
  const keyFile = Option.getOrUndefined(yield* Flags.KeyFile)
  const file = path === undefined ? undefined : yield* ConfigFile.read(path)
  const environmentUrl = yield* variable("VARGATE_URL")
  const environmentKey = yield* variable("VARGATE_API_KEY")
  const givenUrl = Option.getOrUndefined(yield* Flags.Url) ?? (environmentUrl && Redacted.value(environmentUrl))
  const url = givenUrl ?? file?.url ?? Transport.defaultUrl
  if (file?.key !== undefined && file.isExposed) {
    yield* printer.warn(`${path} holds a key and can be read by others on this machine: chmod 600 '${path}'`)
  }
  if (keyFile !== undefined) return { url, path, key: yield* readKeyFile(keyFile), keyFrom: "key file" as const }
  if (environmentKey !== undefined) return { url, path, key: environmentKey, keyFrom: "environment" as const }
  const home = file?.url ?? Transport.defaultUrl
  if (file?.key !== undefined && trimmed(url) !== trimmed(home)) {
    yield* printer.warn(`the key of ${path} is meant for ${home}, and is now sent to ${url}`)
  }
  return { url, path, key: file?.key, keyFrom: "file" as const }
})

const trimmed = withoutTrailingSlashes

const noKey = (path: string | undefined) =>
  new NotConfigured({
    message: path === undefined
      ? "No API key: set VARGATE_API_KEY, or give --key-file or --config a file (there is no home folder to look into)."
      : `No API key: run \`effect-vargate init\`, or set VARGATE_API_KEY (${path} has none).`
  })

/** The words of a program are not those of a command line. */
const asConfiguration = (error: VargateError) =>
  new NotConfigured({
    message: error.reason._tag !== "InvalidRequest"
      ? error.reason.message
      : error.reason.issues.map(({ message }) => `${message.replace("set allowInsecure", "give --allow-http")}.`).join(
        " "
      )
  })

type Build<Services> = (
  options: Transport.Options
) => Layer.Layer<Services, VargateError, HttpClient.HttpClient>

/**
 * Services over a gateway.
 *
 * @internal
 */
export const layerOf = <Services>(build: Build<Services>, { key, keyFrom, path, url }: Configuration) =>
  Layer.unwrap(Effect.gen(function*() {
    const timeout = yield* Flags.Timeout
    const allowInsecure = yield* Flags.AllowHttp
    return build({ apiKey: key, url, timeout, allowInsecure }).pipe(
      Layer.catchTag(
        "VargateError",
        (error) => Layer.effectContext<Services, NotConfigured, never>(Effect.fail(asConfiguration(error)))
      ),
      Layer.merge(Layer.succeed(Connection, { keyFrom, path, url: trimmed(url) }))
    )
  }))

// Fresh, so that two command lines at once in one process do not become one.
const configured = <Services>(build: Build<Services>) =>
  Layer.fresh(Layer.unwrap(Effect.gen(function*() {
    const { key, ...rest } = yield* configuration
    return key === undefined ? yield* noKey(rest.path) : layerOf(build, { ...rest, key })
  })))

/**
 * Where a key came from, in words.
 *
 * @internal
 */
export const keyWords: Readonly<Record<Configuration["keyFrom"], string>> = {
  environment: "VARGATE_API_KEY",
  file: "the configuration file",
  "key file": "--key-file"
}

const isRefused = (error: unknown) => error instanceof VargateError && error.reason._tag === "Unauthenticated"

/** With several keys in use, the error says which one was refused. */
const tellingWhichKey = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.tapError(command, (error) =>
    isRefused(error)
      ? Effect.flatMap(Connection, ({ keyFrom, path }) =>
        Printer.use(({ note }) =>
          note(`The key is that of ${keyFrom === "file" ? path : keyWords[keyFrom]}.`)
        ))
      : Effect.void)

/**
 * Provides a command with services over the configured gateway.
 *
 * @internal
 */
export const connectedTo = <Services>(build: Build<Services>) => {
  const layer = configured(build)
  return <A, E, R>(command: Effect.Effect<A, E, R>) => Effect.provide(tellingWhichKey(command), layer)
}
