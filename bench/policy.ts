/** Decisions of the three engines: rules in TypeScript, Rego in this process, Rego on an OPA server. */
import { Effect, Exit, Layer, Scope } from "effect"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as OpaEngine from "../src/gateway/policy/OpaEngine.ts"
import * as PolicyEngine from "../src/gateway/policy/PolicyEngine.ts"
import type { PolicyInput } from "../src/gateway/policy/PolicyInput.ts"
import * as NodeTransport from "../src/node/NodeTransport.ts"
import * as OpaWasmEngine from "../src/policy/OpaWasmEngine.ts"
import * as PolicyTest from "../src/policy/PolicyTest.ts"
import * as RegoPolicy from "../src/policy/RegoPolicy.ts"
import { atLeast, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { inTurns, median, medianRatio } from "./support/statistics.ts"

const rounds = thorough(9, 3)
const size = thorough(400, 100)
const atATime = 16

const policies = fileURLToPath(new URL("../examples/policies", import.meta.url))
const opa = [process.env["OPA"], "opa"].find((command) =>
  command !== undefined && command !== "" && spawnSync(command, ["version"]).status === 0
)

const templates = ["general", "financial", "email", "crm", "data_access"]

/** Every template, allowed, pending and denied calls among them. */
const documents = Effect.runSync(Effect.forEach(
  Array.from({ length: size }, (_, i) => i),
  (i): Effect.Effect<PolicyInput, PolicyTest.PolicyCaseFailed> =>
    PolicyTest.documentOf({
      title: String(i),
      given: { template: templates[i % 5]!, history: { known_recipient: i % 2 === 0 } },
      when: {
        tool: ["stripe", "email", "crm"][i % 3]!,
        method: ["create", "delete", "export"][i % 7 % 3]!,
        params: {
          amount: (i * 97) % 10_000,
          to: `customer${i}@corp.example`,
          body: "an automated note about an order",
          fields: { note: "x".repeat(i % 50), phone: i },
          limit: (i * 31) % 20_000
        }
      },
      expect: "allowed"
    })
))

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const isUp = (url: string) => fetch(`${url}/health`).then(({ ok }) => ok, () => false)

/** From a bundle with a revision: of plain files, the engine asks for the modules with each decision. */
const startServer = async (command: string) => {
  const folder = mkdtempSync(join(tmpdir(), "bench-opa-"))
  const bundle = join(folder, "policies.tar.gz")
  const build = ["build", "--bundle", policies, "--ignore", "*_test.rego", "--revision", "r1", "--output", bundle]
  execFileSync(command, build)
  const url = `http://127.0.0.1:${await freePort()}`
  const serve = ["run", "--server", "--addr", url.slice(7), "--log-level", "error", "--bundle", bundle]
  const child = spawn(command, serve, { stdio: "ignore" })
  while (!(await isUp(url))) await new Promise((resolve) => setTimeout(resolve, 20))
  return {
    url,
    end: () => {
      child.kill()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

type Engine = PolicyEngine.PolicyEngine["Service"]

/** Decisions a second, one after the other or several at a time. */
const rate = (engine: Engine, concurrency: number) => async (): Promise<number> => {
  const start = performance.now()
  await Effect.runPromise(
    Effect.forEach(documents, (document) => engine.evaluate(document), { concurrency, discard: true })
  )
  return size / (performance.now() - start) * 1000
}

const title = "Decisions of policies"
const scope = Effect.runSync(Scope.make())
const provided = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.runPromise(Effect.provideService(effect, Scope.Scope, scope))

if (opa === undefined) {
  hand({ title, about: "Not measured here.", tables: [], skipped: ["there is no OPA: `.ci/opa` builds it"] })
} else {
  const server = await startServer(opa)
  const client = await provided(Layer.build(NodeTransport.layer))
  const onServer = await provided(
    OpaEngine.make({ url: server.url, timeout: "1 minute" }).pipe(Effect.provide(client))
  )
  const policy = await Effect.runPromise(RegoPolicy.open(policies, { opa }))
  const compiled = await provided(OpaWasmEngine.make({ policy, timeout: "1 minute" }))
  const builtin = PolicyEngine.make()
  for (const document of documents) {
    const [ours, ...others] = await Promise.all(
      [builtin, compiled, onServer].map((engine) => Effect.runPromise(engine.evaluate(document)))
    )
    if (
      others.some(({ decision }) => JSON.stringify(decision.violations) !== JSON.stringify(ours!.decision.violations))
    ) {
      throw new Error(`another decision over ${JSON.stringify(document)}`)
    }
  }
  const engines = {
    "rules in TypeScript": builtin,
    "Rego in this process": compiled,
    "Rego on an OPA server": onServer
  }
  const taken = await inTurns<number>(
    rounds,
    Object.fromEntries(
      Object.entries(engines).flatMap(([name, engine]) => [
        [`${name}, 1`, rate(engine, 1)],
        [`${name}, ${atATime}`, rate(engine, atATime)]
      ])
    )
  )
  server.end()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  const ratio = (name: string, at: number) =>
    medianRatio(taken[`${name}, ${at}`]!, taken[`Rego on an OPA server, ${at}`]!)
  hand({
    title,
    about:
      `The templates on ${size} documents, one at a time and ${atATime} at a time, medians of ${rounds} rounds in ` +
      "turns. The server is a process beside this one with the policies in a bundle, asked over the transport of Node. Rego in this process has one thread.",
    tables: [{
      columns: ["engine", "at a time", "decisions a second", "x the rate of the server"],
      rows: Object.keys(engines).flatMap((name) =>
        [1, atATime].map((at) => [name, at, median(taken[`${name}, ${at}`]!), ratio(name, at)])
      )
    }],
    targets: [atLeast("Rego in this process, one at a time", 1, "x an OPA server", ratio("Rego in this process", 1))]
  })
}
