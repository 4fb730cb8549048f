/** The engine that asks an OPA server, on a scripted wire. `OpaServer.test.ts` runs it on the real thing. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { TestClock } from "effect/testing"
import { createServer, type IncomingMessage, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import * as OpaEngine from "../../../src/gateway/policy/OpaEngine.ts"
import { noRevision, PolicyEngine } from "../../../src/gateway/policy/PolicyEngine.ts"
import type { PolicyDecision } from "../../../src/gateway/policy/PolicyInput.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import { document } from "./policyDocument.ts"

const url = "http://127.0.0.1:8181"
const input = document("general")

const decision: PolicyDecision = {
  allow: false,
  requires_human: false,
  violations: ["a", "b"],
  severity: "high",
  alert_tier: "soc_ticket"
}

const ask = PolicyEngine.use((engine) => engine.evaluate(input))

const engine = (options: Partial<OpaEngine.Options> = {}) => OpaEngine.layer({ url, ...options })

/** The engine before a script about the decision. Its policy requires nothing, or what is given. */
const over = (...script: Parameters<typeof ScriptedTransport.layer>) => requiring({}, ...script)

const requiring = (required: unknown, ...script: Parameters<typeof ScriptedTransport.layer>) => {
  const aside = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      HttpClient.HttpClient,
      (client) =>
        HttpClient.make((request, url) =>
          url.pathname.endsWith("/required_fields")
            ? Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(required)))
            : client.execute(request)
        )
    )
  )
  return Layer.provideMerge(engine(), Layer.provideMerge(aside, ScriptedTransport.layer(...script)))
}

const { json, text } = ScriptedTransport
const bundles = (revisions: Record<string, string>) => ({
  bundles: Object.fromEntries(Object.entries(revisions).map(([name, revision]) => [name, { revision }]))
})
const decided = (result: unknown = decision) => json(200, { result, provenance: bundles({ main: "r7" }) })
const modules = (...raw: ReadonlyArray<string>) =>
  json(200, { result: raw.map((raw, index) => ({ id: `${index}.rego`, raw, ast: {} })) })

/** What the engine says to a wire that gives no decision. */
const detailOver = (...script: Parameters<typeof ScriptedTransport.layer>) =>
  Effect.map(Effect.flip(ask), (error) => {
    assert.strictEqual(error._tag, "PolicyUnavailable")
    return error.detail
  }).pipe(Effect.provide(over(...script)))

const logged = () => {
  const lines: Array<string> = []
  return { lines, layer: Logger.layer([Logger.make(({ message }) => lines.push([message].flat().join(" ")))]) }
}

describe("OpaEngine", () => {
  it.effect("sends the decision document and gives OPA's decision under its bundle's revision", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ask, { decision, revision: "r7" })
      const wire = yield* ScriptedTransport.ScriptedTransport
      assert.deepStrictEqual(
        (yield* wire.requests).map(({ body, method, path }) => ({ body, method, path })),
        [{ method: "POST", path: "/v1/data/vargate/policy/decision?provenance=true", body: { input } }]
      )
    }).pipe(Effect.provide(over([decided()]))))

  it.effect("puts violations in order, each once, and holds nothing that is denied", () =>
    Effect.gen(function*() {
      const ruling = yield* ask
      assert.deepStrictEqual(ruling.decision, decision)
    }).pipe(
      Effect.provide(over([decided({ ...decision, violations: ["b", "a", "b"], requires_human: true, more: 1 })]))
    ))

  describe("what the policy requires of the document", () => {
    const allowance: PolicyDecision = {
      allow: true,
      requires_human: false,
      violations: [],
      severity: "none",
      alert_tier: "none"
    }
    const ruledBy = (required: unknown, result: unknown = allowance) =>
      Effect.provide(ask, requiring({ result: required }, [decided(result)]), { local: true })

    it.effect("is there", () =>
      Effect.gen(function*() {
        const { decision } = yield* ruledBy(["agent.id", "history.last_24h.last_violation_at", "data.recipients"])
        assert.deepStrictEqual(decision, allowance)
      }))

    it.effect("is absent, so the call is denied by the name of the field", () =>
      Effect.gen(function*() {
        const { decision } = yield* ruledBy(["agent.roles", "agent.id", "agent.constructor.name", ""])
        assert.deepStrictEqual(decision, {
          allow: false,
          requires_human: false,
          violations: [
            "required_field_absent_",
            "required_field_absent_agent.constructor.name",
            "required_field_absent_agent.roles"
          ],
          severity: "high",
          alert_tier: "soc_ticket"
        })
      }))

    it.effect("is absent, beside violations of its own", () =>
      Effect.gen(function*() {
        const worse: PolicyDecision = { ...decision, severity: "critical", alert_tier: "soc_page" }
        assert.deepStrictEqual((yield* ruledBy(["agent.roles"], worse)).decision, {
          ...worse,
          violations: ["a", "b", "required_field_absent_agent.roles"]
        })
      }))

    it.effect("is absent, and the decision undefined", () =>
      Effect.gen(function*() {
        const { decision } = yield* ruledBy(["agent.roles"], undefined)
        assert.deepStrictEqual(decision.violations, ["required_field_absent_agent.roles"])
        assert.isFalse(decision.allow)
      }))

    it.effect("stands in the decision itself", () =>
      Effect.gen(function*() {
        const { decision } = yield* ruledBy(undefined, { ...allowance, required_fields: ["agent.roles"] })
        assert.deepStrictEqual(decision.violations, ["required_field_absent_agent.roles"])
      }))

    it.effect.each([{ list: "agent.roles" }, { list: { agent: "roles" } }, { list: [1] }, { list: null }])(
      "cannot be read: %j",
      ({ list }) =>
        Effect.gen(function*() {
          const unreadable = ["policy_required_fields_unreadable"]
          assert.deepStrictEqual((yield* ruledBy(list)).decision.violations, unreadable)
          const within = { ...allowance, required_fields: list }
          assert.deepStrictEqual((yield* ruledBy(undefined, within)).decision.violations, unreadable)
        })
    )
  })

  it.effect("denies what OPA refuses to read", () =>
    Effect.gen(function*() {
      const { decision } = yield* ask
      assert.isFalse(decision.allow)
      assert.deepStrictEqual(decision.violations, ["policy_document_refused"])
    }).pipe(
      Effect.provide(over(({ method }) =>
        method === "GET" ? modules() : json(400, { code: "invalid_parameter", message: "exceeded max depth" })
      ))
    ))

  describe("the revision", () => {
    const revisionOf = (provenance: unknown) =>
      Effect.map(ask, ({ revision }) => revision).pipe(
        Effect.provide(over(({ method }) => method === "GET" ? modules() : json(200, { result: decision, provenance })))
      )
    const ofNoModules = "modules-4f53cda18c2baa0c"

    it.effect("names every bundle where there are several", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* revisionOf(bundles({ mail: "r2", crm: "r7" })), "crm=r7,mail=r2")
        assert.strictEqual(yield* revisionOf({ revision: "legacy" }), "legacy")
      }))

    it.effect("is none of a bundle's where one of them has none", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* revisionOf(bundles({ mail: "r2", crm: "" })), ofNoModules)
        assert.strictEqual(yield* revisionOf({ bundles: { mail: {} } }), ofNoModules)
        assert.strictEqual(yield* revisionOf({ bundles: {} }), ofNoModules)
        assert.strictEqual(yield* revisionOf(undefined), ofNoModules)
      }))

    /** An OPA whose modules are those of the moment. */
    const files = (texts: { now: ReadonlyArray<string> }, during: () => void = () => {}) =>
      over(({ method }) => {
        if (method === "GET") return modules(...texts.now)
        const step = json(200, { result: { ...decision, alert_tier: texts.now.join() } })
        during()
        return step
      })

    it.effect("is otherwise a hash over the modules, whatever their order", () =>
      Effect.gen(function*() {
        const one = yield* Effect.provide(ask, files({ now: ["package a", "package b"] }), { local: true })
        const two = yield* Effect.provide(ask, files({ now: ["package b", "package a"] }), { local: true })
        const three = yield* Effect.provide(ask, files({ now: ["package a", "package b "] }), { local: true })
        // recorded for good, so it must stay what it was
        assert.strictEqual(one.revision, "modules-20ba270d4b41fea7")
        assert.strictEqual(two.revision, one.revision)
        assert.notStrictEqual(three.revision, one.revision)
      }))

    it.effect("belongs to the very modules that decided, although they change all the time", () => {
      const texts = { now: ["v0"] }
      let changes = 0
      const changing = files(texts, () => {
        if (changes < 5) texts.now = [`v${++changes}`]
      })
      return Effect.gen(function*() {
        const ruling = yield* ask
        assert.strictEqual(ruling.decision.alert_tier, "v5")
        texts.now = ["v6"]
        const next = yield* ask
        assert.strictEqual(next.decision.alert_tier, "v6")
        assert.notStrictEqual(next.revision, ruling.revision)
        texts.now = ["v5"]
        assert.deepStrictEqual(yield* ask, ruling)
      }).pipe(Effect.provide(changing))
    })

    it.effect("costs one more request for each decision, once the modules are known", () =>
      Effect.gen(function*() {
        const wire = yield* ScriptedTransport.ScriptedTransport
        yield* ask
        const before = (yield* wire.requests).length
        yield* ask
        assert.strictEqual((yield* wire.requests).length - before, 2)
      }).pipe(Effect.provide(files({ now: ["package a"] }))))

    it.effect("is none where OPA does not show its modules, of which it warns once", () => {
      const { layer, lines } = logged()
      return Effect.gen(function*() {
        assert.deepStrictEqual(yield* ask, { decision, revision: noRevision })
        assert.deepStrictEqual(yield* ask, { decision, revision: noRevision })
        assert.strictEqual(lines.length, 1)
        assert.include(lines[0], "cannot be replayed")
      }).pipe(
        Effect.provide(
          over(({ method }) =>
            method === "GET" ? json(403, { code: "unauthorized", message: "no" }) : json(200, { result: decision })
          )
        ),
        Effect.provide(layer)
      )
    })
  })

  describe("decides nothing", () => {
    it.effect("without a connection", () =>
      Effect.gen(function*() {
        assert.strictEqual(
          yield* detailOver([ScriptedTransport.refuse, ScriptedTransport.refuse]),
          "ECONNREFUSED: connection refused; see that OPA runs and can be reached"
        )
        assert.include(yield* detailOver([ScriptedTransport.disconnect, ScriptedTransport.disconnect]), "ECONNRESET")
        assert.include(yield* detailOver([ScriptedTransport.cut(decided(), 20)]), "UND_ERR_SOCKET")
      }))

    it.effect("when OPA answers an error", () =>
      Effect.gen(function*() {
        assert.strictEqual(
          yield* detailOver([json(500, { code: "internal_error", message: "evaluation failed", errors: [] })]),
          "OPA answered 500 (internal_error: evaluation failed); its log says more"
        )
        const long = yield* detailOver([json(401, { code: "unauthorized", message: "x".repeat(10_000) })])
        assert.isBelow(long.length, 300)
        assert.strictEqual(yield* detailOver([text(502, "<html>")]), "OPA answered 502; its log says more")
        assert.strictEqual(yield* detailOver([json(201, { result: decision })]), "OPA answered 201; its log says more")
      }))

    it.effect("when the decision is undefined", () =>
      Effect.gen(function*() {
        const detail = yield* detailOver([json(200, { provenance: bundles({ main: "r7" }) })])
        assert.include(detail, "data.vargate.policy.decision is undefined; load a policy")
        assert.strictEqual(
          yield* detailOver(({ method }) => method === "GET" ? modules() : json(200, {})),
          detail
        )
      }))

    it.effect.each([{ result: true }, { result: 1 }, { result: "allow" }, { result: null }, { result: [decision] }])(
      "when nobody meant the value as a decision: %j",
      ({ result }) =>
        Effect.gen(function*() {
          assert.include(yield* detailOver([decided(result)]), "is no decision; it must be an object with allow")
        })
    )

    it.effect.each(["", "<html>", "[]", "null", "{\"result\": ", "{\"provenance\": 1}"])(
      "when the answer is %j",
      (body) =>
        Effect.gen(function*() {
          assert.strictEqual(
            yield* detailOver([text(200, body)]),
            "the answer is not that of an OPA server; check its URL"
          )
        })
    )

    it.effect("when the answer is too large", () =>
      Effect.gen(function*() {
        const violations = Array.from({ length: 50_000 }, (_, index) => `a_rule_of_a_long_name_${index}`)
        assert.include(
          yield* detailOver([decided({ ...decision, violations })]),
          "OPA answered more than 1048576 bytes"
        )
      }))

    it.effect("when the answer takes too long, once the time is over", () =>
      Effect.gen(function*() {
        const waiting = yield* Effect.forkChild(Effect.flip(ask), { startImmediately: true })
        yield* TestClock.adjust("2999 millis")
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(
          (yield* Fiber.join(waiting)).detail,
          "no answer within 3s; relieve OPA, or allow it more time"
        )
      }).pipe(Effect.provide(over([ScriptedTransport.hang]))))

    it.effect("when the modules take too long, or change without end", () =>
      Effect.gen(function*() {
        let version = 0
        const restless = over(({ method }) =>
          method === "GET"
            ? ScriptedTransport.delayed(modules(`v${version++}`), "1 second")
            : json(200, { result: decision })
        )
        const waiting = yield* Effect.forkChild(Effect.provide(Effect.flip(ask), restless), { startImmediately: true })
        yield* TestClock.adjust("3 seconds")
        assert.include((yield* Fiber.join(waiting)).detail, "no answer within 3s")
      }))

    it.effect("when the document cannot be written as JSON", () =>
      Effect.gen(function*() {
        const odd = document("general", { config: { daily_action_limit: 1n } })
        const error = yield* Effect.flip(PolicyEngine.use((engine) => engine.evaluate(odd)))
        assert.include(error.detail, "policy_config")
      }).pipe(Effect.provide(over([]))))
  })

  const unreadable: PolicyDecision = {
    allow: false,
    requires_human: false,
    violations: ["policy_decision_unreadable"],
    severity: "high",
    alert_tier: "soc_ticket"
  }
  it.effect.each([
    {},
    { allow: true },
    { ...decision, allow: "true" },
    { ...decision, allow: true, severity: "urgent" },
    { ...decision, allow: true, violations: "none" },
    { ...decision, allow: true, violations: [1] },
    { ...decision, allow: true, violations: { a: "high" } },
    { ...decision, allow: true, alert_tier: null }
  ])("denies what was meant as a decision and is none: %j", (result) => {
    const { layer, lines } = logged()
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* ask, { decision: unreadable, revision: "r7" })
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /so the call is denied decision\.\w+/)
    }).pipe(Effect.provide(over([decided(result)])), Effect.provide(layer))
  })

  it.effect("tries a broken connection once more", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ask, { decision, revision: "r7" })
    }).pipe(Effect.provide(over([ScriptedTransport.disconnect, decided()]))))

  it.effect.each([
    { url: "" },
    { url: "127.0.0.1:8181" },
    { url: "unix:///tmp/opa.sock" },
    { url: "http://user:secret@127.0.0.1:8181" },
    { url: "http://127.0.0.1:8181?token=secret" },
    { url: "http://127.0.0.1:8181/#secret" },
    { timeout: "soon" as never }
  ])("refuses the option %j", (options) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(Layer.provide(engine(options), ScriptedTransport.layer([]))))
      )
      assert.strictEqual(error.operation, "OpaEngine.make")
      assert(error.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(error.reason.issues.map(({ path }) => path), [Object.keys(options)])
      assert.notInclude(JSON.stringify(error) + error.message, "secret")
    }))

  it.effect("keeps the path of a URL", () =>
    Effect.gen(function*() {
      yield* ask
      const wire = yield* ScriptedTransport.ScriptedTransport
      assert.strictEqual((yield* wire.requests)[0]?.path, "/opa/v1/data/vargate/policy/decision?provenance=true")
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          engine({ url: "https://host.example/opa/" }),
          ScriptedTransport.layer([decided(), json(200, {})])
        )
      )
    ))

  /** A server of this machine, and what it saw. */
  const served = Effect.fnUntraced(function*(listener: RequestListener) {
    const requests: Array<IncomingMessage> = []
    const server = createServer((request, response) => {
      requests.push(request)
      listener(request, response)
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () => Effect.sync(() => server.close())
    )
    return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  })

  it.effect("follows no redirect", () =>
    Effect.gen(function*() {
      const { requests, url } = yield* served((_, response) => {
        response.writeHead(307, { location: "/elsewhere" }).end()
      })
      const error = yield* Effect.flip(ask).pipe(
        Effect.provide(Layer.provide(engine({ url }), FetchHttpClient.layer))
      )
      assert.strictEqual(
        error.detail,
        "OPA answered 307, and redirects are never followed; give the URL that it leads to"
      )
      assert.strictEqual(requests.length, 1)
    }))

  it.effect("asks with what the HttpClient adds, such as a token", () =>
    Effect.gen(function*() {
      const { requests, url } = yield* served((request, response) => {
        const result = request.url?.includes("required_fields") === true ? undefined : decision
        response.end(JSON.stringify({ result, provenance: bundles({ main: "r7" }) }))
      })
      const withToken = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.mapRequest(HttpClientRequest.bearerToken("opa-token")))
      )
      const layer = engine({ url }).pipe(Layer.provide(withToken), Layer.provide(FetchHttpClient.layer))
      assert.deepStrictEqual(yield* Effect.provide(ask, layer), { decision, revision: "r7" })
      assert.strictEqual(requests[0]?.headers.authorization, "Bearer opa-token")
      assert.strictEqual(requests[0]?.headers["content-type"], "application/json")
      assert.strictEqual(requests[1]?.headers.authorization, "Bearer opa-token")
    }))
})
