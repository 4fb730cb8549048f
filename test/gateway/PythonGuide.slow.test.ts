/** The published guide's Python programs against a gateway on a port of this machine. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Ledger } from "../../src/gateway/ledger/Ledger.ts"
import { PolicyOutage } from "../../src/gateway/policy/PolicyOutage.ts"
import type { TenantOptions } from "../../src/gateway/tenants/Tenants.ts"

const exec = promisify(execFile)

const tenant: TenantOptions = { id: "guide", apiKey: "guide-key" }

const guideUrl = new URL("../../../shared/guide/python-integration.txt", import.meta.url)
const guide = existsSync(guideUrl) ? readFileSync(guideUrl, "utf8") : ""

/** The text of the guide between two of its lines. */
const between = (start: string, end?: string) => {
  const from = guide.indexOf(start)
  assert.isAtLeast(from, 0, start)
  return guide.slice(from, end === undefined ? undefined : guide.indexOf(end, from))
}

/** A Python that has httpx: the machine's own, or one that is set up here once. */
const findPython = async (): Promise<string | undefined> => {
  const folder = fileURLToPath(new URL("../../node_modules/.cache/python-guide", import.meta.url))
  const own = join(folder, "bin", "python")
  const hasHttpx = (python: string) => exec(python, ["-c", "import httpx"]).then(() => true, () => false)
  for (const python of ["python3", own]) if (await hasHttpx(python)) return python
  try {
    await exec("python3", ["-m", "venv", folder])
    const quick = ["--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "10"]
    await exec(own, ["-m", "pip", "install", ...quick, "httpx==0.28.*"])
    return own
  } catch {
    return undefined
  }
}

const python = guide === "" ? undefined : await findPython()

const needs = python === undefined ? " (needs ../shared/guide and a python3 with httpx)" : ""

/** Writes the files into a folder of their own, and runs the last one beside the server. */
const run = Effect.fnUntraced(function*(files: Readonly<Record<string, (url: string) => string>>) {
  const { address } = yield* HttpServer.HttpServer
  const url = HttpServer.formatAddress(address)
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "vargate-guide-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )
  for (const [name, textOf] of Object.entries(files)) writeFileSync(join(folder, name), textOf(url))
  const { stdout } = yield* Effect.promise(() =>
    exec(python!, [Object.keys(files).at(-1)!], {
      cwd: folder,
      timeout: 30_000,
      env: { ...process.env, VARGATE_URL: url, VARGATE_API_KEY: String(tenant.apiKey), PYTHONIOENCODING: "utf-8" }
    })
  )
  return stdout
})

const records = Effect.flatMap(Ledger, (ledger) => ledger.records(tenant.id))

const gateway = (overrides: Partial<TenantOptions> = {}) => {
  const options: Gateway.Options = { tenants: [{ ...tenant, ...overrides }] }
  return Gateway.serve(options).pipe(
    Layer.provideMerge(Layer.merge(
      Gateway.layerParts(options),
      NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })
    ))
  )
}

const mainProgram = () => between("import os\n", "Async Example")
const errorProgram = () => `from guide import governed_tool_call\n\n${between("import httpx\n\ntry:")}\n`

const withErrors = run({ "guide.py": mainProgram, "errors.py": errorProgram })

describe.skipIf(python === undefined)(`the guide in Python${needs}`, () => {
  it.live("its complete example runs unmodified", () =>
    Effect.gen(function*() {
      const output = yield* run({ "guide.py": mainProgram })
      const [record, ...others] = yield* records
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(output.trim().split("\n"), [
        `Allowed: ${record!.actionId}`,
        "Chain valid: True, records: 1",
        "Replay consistent: True"
      ])
      assert.deepStrictEqual([record!.agentId, record!.tool, record!.method], ["my-agent-v1", "http", "GET"])
    }).pipe(Effect.provide(gateway())))

  it.live("its async example gets the gateway's answer", () =>
    Effect.gen(function*() {
      const asyncProgram = (url: string) => {
        const text = between("import httpx\nimport asyncio", "Error Handling")
        const here = text.replace("https://vargate.ai/api", url)
        assert.notStrictEqual(here, text)
        return `import json\nfrom guide import API_KEY\n${here}\nprint(json.dumps(result))\n`
      }
      const output = yield* run({ "guide.py": mainProgram, "async_example.py": asyncProgram })
      const [record] = yield* records
      assert.deepStrictEqual(JSON.parse(output), { status: "allowed", action_id: record!.actionId })
      assert.strictEqual(record!.agentId, "async-agent")
    }).pipe(Effect.provide(gateway())))

  it.live("its error handling understands a denial", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* withErrors).trim().split("\n"), [
        "Denied: ['transaction_exceeds_limit']",
        "Policy blocked this action: Action denied: ['transaction_exceeds_limit']"
      ])
      assert.deepStrictEqual((yield* records).map(({ decision }) => decision), ["deny"])
    }).pipe(Effect.provide(gateway({ policyTemplate: "financial", policyConfig: { businessHoursOnly: false } }))))

  it.live("its error handling understands the limit", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* withErrors).trim(), "Rate limited — back off and retry")
      assert.deepStrictEqual(yield* records, [])
    }).pipe(Effect.provide(gateway({ burst: 0 }))))

  it.live("its error handling understands a missing policy engine", () =>
    Effect.gen(function*() {
      yield* PolicyOutage.use((outage) => outage.set(true))
      assert.strictEqual((yield* withErrors).trim(), "OPA unavailable — check failure mode config")
      assert.deepStrictEqual(yield* records, [])
    }).pipe(Effect.provide(gateway())))

  it.live("its call waits where a human must decide", () =>
    Effect.gen(function*() {
      const program = () =>
        `from guide import governed_tool_call\ngoverned_tool_call("files", "delete", {"path": "/a"})\n`
      const output = yield* run({ "guide.py": mainProgram, "held.py": program })
      assert.strictEqual(output.trim(), `Pending approval: ${(yield* records)[0]!.actionId}`)
    }).pipe(Effect.provide(gateway())))
})
