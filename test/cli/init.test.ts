import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Failure, Initialized, Notice } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { decodeLines, run, type RunOptions } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { assertMode, hasModes } from "../support/mode.ts"

const key = "vargate-local-key"

/** No variable says anything, unless a test does. */
const bare = { VARGATE_API_KEY: undefined, VARGATE_URL: undefined } as unknown as Readonly<Record<string, string>>

const vargate = (path: string, args: ReadonlyArray<string>, options: RunOptions = {}) =>
  run([...args, "--config", path], { hasFiles: true, ...options, env: { ...bare, ...options.env } })

const place = Effect.map(folder, (path) => join(path, ".vargate", "config.json"))

const silent = ({ err, out }: { readonly err: string; readonly out: string }) => assert.notInclude(out + err, key)

describe("init", () => {
  it.effect("writes what the hosted command line reads, for its owner only", () =>
    Effect.gen(function*() {
      const path = yield* place
      const result = yield* vargate(path, ["init", "--url", "http://localhost/"], { stdin: `${key}\n` })
      silent(result)
      assert.strictEqual(result.code, 0)
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")), { api_url: "http://localhost/", api_key: key })
      assertMode(path, 0o600)
      assertMode(dirname(path), 0o700)
      assert.deepStrictEqual(readdirSync(dirname(path)), ["config.json"])
      const status = yield* vargate(path, ["status"])
      assert.match(status.out, /key from the configuration file/)
      assert.deepStrictEqual([status.code, status.err], [0, ""])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("takes the key from the environment or a file as well", () =>
    Effect.gen(function*() {
      const path = yield* place
      const file = join(dirname(dirname(path)), "key.txt")
      writeFileSync(file, `  ${key}  \nsecond line\n`)
      const sources = [
        vargate(path, ["init", "--json", "--force"], { env: { VARGATE_API_KEY: key } }),
        vargate(path, ["init", "--json", "--force", "--key-file", file])
      ]
      for (const source of sources) {
        const result = yield* source
        silent(result)
        const [written] = decodeLines(Initialized, result.out)
        assert.deepStrictEqual(written, { path, url: "https://vargate.ai/api", isChecked: true, tenantId: "local" })
        assert.strictEqual(JSON.parse(readFileSync(path, "utf8")).api_key, key)
      }
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("asks at a terminal, and shows no letter of the key", () =>
    Effect.gen(function*() {
      const path = yield* place
      const result = yield* vargate(path, ["init"], { columns: 80, keys: ["\r", ...key, "\r"] })
      silent(result)
      assert.match(result.err, /Gateway[^]*https:\/\/vargate.ai\/api[^]*API key \(not shown\)/)
      assert.strictEqual(JSON.parse(readFileSync(path, "utf8")).api_key, key)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("writes nothing where the gateway does not accept the key, or cannot be reached", () =>
    Effect.gen(function*() {
      const path = yield* place
      const refused = yield* vargate(path, ["init"], { stdin: "a-wrong-key\n" })
      assert.match(refused.err, /did not accept the API key/)
      const away = yield* Effect.provide(
        vargate(path, ["init", "--json"], { stdin: key }),
        ScriptedTransport.layer([ScriptedTransport.refuse])
      )
      assert.deepInclude(decodeLines(Failure, away.err)[0], { error: "Unreachable", exitCode: 5 })
      silent(away)
      const impossible = yield* vargate(path, ["init", "--no-check", "--url", "ftp://x"], { stdin: key })
      assert.deepStrictEqual([refused.code, away.code, impossible.code], [7, 5, 2])
      assert.isFalse(existsSync(path))
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("does not ask the gateway with --no-check", () =>
    Effect.gen(function*() {
      const path = yield* place
      const { code, out } = yield* vargate(path, ["init", "--no-check"], { stdin: key })
      assert.match(out, /Key +not tried/)
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(ScriptedTransport.layer([]))))

  it.effect("replaces another key only where that is wished, and leaves alone what it does not know", () =>
    Effect.gen(function*() {
      const path = yield* place
      mkdirSync(dirname(path))
      const old = JSON.stringify({ api_url: "https://other", api_key: "other", theme: "dark" })
      writeFileSync(path, old)
      const hesitant = yield* vargate(path, ["init"], { stdin: key })
      assert.match(hesitant.err, /holds another key already/)
      assert.strictEqual(readFileSync(path, "utf8"), old)
      const no = yield* vargate(path, ["init"], { columns: 80, keys: ["\r", ...key, "\r", "n", "\r"] })
      assert.strictEqual(readFileSync(path, "utf8"), old)
      const forced = yield* vargate(path, ["init", "--force", "--url", "https://vargate.ai/api"], { stdin: key })
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")), {
        api_url: "https://vargate.ai/api",
        api_key: key,
        theme: "dark"
      })
      assertMode(path, 0o600)
      assert.deepStrictEqual([hesitant.code, no.code, forced.code], [2, 130, 0])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("keeps a link what it is", () =>
    Effect.gen(function*() {
      const path = yield* place
      const real = join(dirname(dirname(path)), "real.json")
      mkdirSync(dirname(path))
      writeFileSync(real, "{}")
      symlinkSync(real, path)
      yield* vargate(path, ["init"], { stdin: key })
      assert.strictEqual(JSON.parse(readFileSync(real, "utf8")).api_key, key)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("wants a key", () =>
    Effect.gen(function*() {
      const { code, err } = yield* vargate(yield* place, ["init"])
      assert.match(err, /stdin holds no key/)
      assert.strictEqual(code, 2)
    }).pipe(Effect.provide(GatewayMemory.layer())))
})

describe("the configuration", () => {
  const write = Effect.fnUntraced(function*(text: string, mode = 0o600) {
    const path = yield* place
    mkdirSync(dirname(path))
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  })

  const config = (url: string) => JSON.stringify({ api_url: url, api_key: key })

  it.effect("gives way to the environment, and that to flags", () =>
    Effect.gen(function*() {
      const path = yield* write(JSON.stringify({ api_url: "http://file.localhost", api_key: "of the file" }))
      const env = { VARGATE_URL: "http://env.localhost", VARGATE_API_KEY: key }
      assert.match((yield* vargate(path, ["status"], { env })).out, /Gateway +http:\/\/env\.localhost/)
      const flags = yield* vargate(path, ["status", "--url", "http://flag.localhost"], { env })
      assert.match(flags.out, /Gateway +http:\/\/flag\.localhost/)
      const keyFile = join(dirname(path), "key")
      writeFileSync(keyFile, key)
      const byFile = yield* vargate(path, ["status", "--key-file", keyFile], { env: { VARGATE_API_KEY: "wrong-key" } })
      assert.match(byFile.out, /key from --key-file/)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect.skipIf(!hasModes)("that others can read is warned of", () =>
    Effect.gen(function*() {
      const path = yield* write(config("http://localhost"), 0o644)
      const human = yield* vargate(path, ["status"])
      assert.match(human.err, /^warning: .*config\.json holds a key and can be read by others/)
      assert.strictEqual(human.code, 0)
      const json = yield* vargate(path, ["status", "--json"])
      assert.include(decodeLines(Notice, json.err)[0]?.warning, "chmod 600")
      silent(human)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("warns when its key goes to another gateway than its own", () =>
    Effect.gen(function*() {
      const path = yield* write(config("https://vargate.ai/api"))
      const { err } = yield* vargate(path, ["status", "--url", "http://localhost:9"])
      assert.match(err, /is meant for https:\/\/vargate\.ai\/api, and is now sent to http:\/\/localhost:9/)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect.each(["{", "[]", "null", "\"text\""])(
    "that is no JSON object says what to do: %s",
    (text) =>
      Effect.gen(function*() {
        const { code, err } = yield* vargate(yield* write(text), ["status"])
        assert.match(err, /is not a JSON object/)
        assert.strictEqual(code, 2)
      }).pipe(Effect.provide(GatewayMemory.layer()))
  )

  it.effect("is asked for where there is none", () =>
    Effect.gen(function*() {
      const { code, err } = yield* vargate(yield* place, ["status"])
      assert.match(err, /No API key: run `effect-vargate init`, or set VARGATE_API_KEY/)
      assert.strictEqual(code, 2)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("is not fallen back to when a variable is set to nothing", () =>
    Effect.gen(function*() {
      const path = yield* write(config("http://localhost"))
      const { code, err } = yield* vargate(path, ["status"], { env: { VARGATE_API_KEY: "" } })
      assert.match(err, /VARGATE_API_KEY is set, but to nothing/)
      assert.strictEqual(code, 2)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("lets plain http to other machines only where it is permitted", () =>
    Effect.gen(function*() {
      const path = yield* write(config("http://gateway.example"))
      const refused = yield* vargate(path, ["status"])
      assert.match(refused.err, /plain http would show the API key.*give --allow-http/)
      const permitted = yield* vargate(path, ["status", "--allow-http"])
      assert.deepStrictEqual([refused.code, permitted.code], [2, 0])
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
