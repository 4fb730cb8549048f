/** `inbox` in a process of its own, over a gateway of another one. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import { Redacted } from "effect"
import { Approvals, Authenticator, ToolCalls, Vargate } from "effect-vargate"
import { FetchHttpClient } from "effect/http"
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PanelServing, ReviewVerdict } from "../../src/cli/Output.ts"
import type { PageSession } from "../../src/http/ReviewPageGroup.ts"
import { clientId, clientSecret, makeProvider } from "../node/oidcProvider.ts"
import { decodeLines, runProcess, Served, served, startProcess, untilSaid } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const world = served({
  tenants: [{
    id: "t",
    apiKey: "the-key-of-all",
    burst: 1000,
    keys: [
      { name: "agents", scopes: ["agent"], apiKey: "the-agents-key" },
      { name: "panel", scopes: ["reviewer"], apiKey: "the-panels-key" }
    ]
  }],
  policy: { approvals: [() => true] }
})

const live = (name: string, test: Effect.Effect<void, unknown, Layer.Success<typeof world> | Scope.Scope>) =>
  it.live(name, () => Effect.provide(Effect.scoped(test), world))

const tokenOf = (id: string) => `a long random token of ${id}'s`

const panelFile = {
  reviewers: ["ann", "bob", "rob"].map((id) => ({
    id,
    name: id.toUpperCase(),
    groups: ["finance"],
    tokenHashes: [Authenticator.hashToken(Redacted.make(tokenOf(id)))]
  })),
  rules: [{ when: { tool: "bank", above: { amount: 100 } }, rule: { quorum: 2, groups: "finance", deadline: "45m" } }],
  otherwise: "finance",
  owners: { "robs-bot": ["rob"] },
  agentTokenHashes: [Authenticator.hashToken(Redacted.make("a long random token of an agent"))]
}

const submit = Effect.fnUntraced(function*(params: Readonly<Record<string, unknown>>) {
  const { url } = yield* Served
  const { actionId } = yield* ToolCalls.decide({
    tool: "bank",
    method: "pay",
    params,
    agent: { id: "robs-bot", type: "autonomous", version: "1.0.0" }
  }).pipe(
    Effect.provide(Vargate.layer({ apiKey: "the-agents-key", url })),
    Effect.provide(FetchHttpClient.layer)
  )
  return actionId
})

/** A browser without a page: the login, and then its cookie. */
const visit = Effect.fnUntraced(function*(url: string, id: string) {
  const send = (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
    Effect.promise(async () => {
      const answer = await fetch(new URL(path, url), {
        method,
        headers: { ...body === undefined ? {} : { "content-type": "application/json" }, ...headers },
        ...body === undefined ? {} : { body: JSON.stringify(body) }
      })
      const text = await answer.text()
      return { status: answer.status, text, cookie: answer.headers.get("set-cookie") ?? "", body: JSON.parse(text) }
    })
  const { body: { csrf }, cookie } = yield* send("POST", "panel/session", { token: tokenOf(id) })
  const own = { cookie: cookie.split(";")[0]!, "x-vargate-csrf": csrf as string }
  return {
    list: send("GET", "reviews", undefined, own),
    vote: Effect.fnUntraced(function*(actionId: string) {
      const { body: { digest } } = yield* send("GET", `reviews/${actionId}`, undefined, own)
      return yield* send("POST", `reviews/${actionId}/votes`, { digest, choice: "approve" }, own)
    })
  }
})

const until = (ready: Effect.Effect<boolean>) =>
  Effect.repeat(Effect.delay(ready, "50 millis"), { while: (so) => !so, times: 400 })

describe("effect-vargate inbox", () => {
  live(
    "is a panel's server: two reviewers decide, the key stays on its side, and votes outlive it",
    Effect.gen(function*() {
      const { env, url: gateway } = yield* Served
      const home = yield* folder
      const [file, data] = [join(home, "panel.json"), join(home, "panel.db")]
      writeFileSync(file, JSON.stringify(panelFile))
      const args = ["inbox", "--url", gateway, "--panel", file, "--data", data, "--port", "0", "--json"]
      const start = Effect.gen(function*() {
        const process = yield* startProcess(args, { env: { VARGATE_API_KEY: "the-panels-key" } })
        yield* untilSaid(process, /\n/)
        const [serving] = decodeLines(PanelServing, process.said())
        return serving === undefined ? assert.fail(process.said()) : { process, serving }
      })
      const stop = ({ process }: Effect.Success<typeof start>) =>
        Effect.andThen(
          process.interrupt,
          Effect.tap(process.end, ({ code, err }) => Effect.sync(() => assert.deepStrictEqual([code, err], [130, ""])))
        )
      const first = yield* start
      assert.deepInclude(first.serving, { data, reviewers: 3, provider: null })
      assert.match(first.serving.url, /^http:\/\/127\.0\.0\.1:\d+$/)
      const actionId = yield* submit({ amount: 500 })
      const texts: Array<string> = []
      const ann = yield* visit(first.serving.url, "ann")
      yield* until(Effect.map(ann.list, ({ body, text }) => {
        texts.push(text)
        return body.reviews.length === 1
      }))
      const [review] = (yield* ann.list).body.reviews
      assert.deepInclude(review, { actionId, because: "tool bank and amount above 100" })
      assert.deepStrictEqual(review.needs.slice(0, 1), ["Needs 2 of finance; rejected after 45 minutes."])
      assert.strictEqual((yield* ann.vote(actionId)).body.state, "open")
      assert.strictEqual((yield* (yield* visit(first.serving.url, "rob")).vote(actionId)).status, 403)
      const proposal = (token: string) =>
        Effect.promise(async () => {
          const headers = { authorization: `Bearer ${token}` }
          return (await fetch(new URL(`proposals/${"0".repeat(64)}`, first.serving.url), { headers })).status
        })
      assert.deepStrictEqual(
        [yield* proposal("a long random token of an agent"), yield* proposal(tokenOf("ann"))],
        [404, 401]
      )
      yield* stop(first)
      if (process.platform !== "win32") assert.strictEqual(statSync(`${data}.key`).mode & 0o777, 0o600)

      const second = yield* start
      assert.strictEqual(second.serving.publicKey, first.serving.publicKey)
      const decided = yield* (yield* visit(second.serving.url, "bob")).vote(actionId)
      assert.deepInclude(decided.body.outcome, { result: "approved", byPanel: true })
      texts.push(decided.text)
      yield* stop(second)
      const outcome = yield* Approvals.Approvals.use(({ outcome }) => outcome(actionId)).pipe(
        Effect.provide(Vargate.layer({ apiKey: "the-agents-key", url: gateway })),
        Effect.provide(FetchHttpClient.layer)
      )
      assert.match((outcome as Approvals.Approved).note!, /^review-panel\/1 approve sha256:[0-9a-f]{64} ann, bob$/)
      const verdict = yield* runProcess(
        ["reviews", "verify", "--data", data, "--key", first.serving.publicKey, "--json"],
        { env }
      )
      assert.strictEqual(verdict.code, 0)
      assert.isTrue(decodeLines(ReviewVerdict, verdict.out)[0]!.valid)
      const key = readFileSync(`${data}.key`, "utf8").trim()
      const said = [...texts, first.process.said(), second.process.said(), verdict.out, verdict.err].join("\n")
      for (const secret of ["the-panels-key", "a long random token", key]) assert.notInclude(said, secret)
    })
  )

  live(
    "logs reviewers in at a provider, where the panel's file names one",
    Effect.gen(function*() {
      const { env } = yield* Served
      const home = yield* folder
      const [file, data] = [join(home, "panel.json"), join(home, "panel.db")]
      const redirectUris = ["http://127.0.0.1:9/panel/callback"]
      const { issuer, start, state, walk } = yield* makeProvider(redirectUris)
      writeFileSync(file, JSON.stringify({ otherwise: "finance", oidc: { issuer, clientId, name: "the company" } }))
      const running = yield* startProcess(
        ["inbox", "--panel", file, "--data", data, "--port", "0", "--json"],
        { env: { ...env, VARGATE_OIDC_CLIENT_SECRET: clientSecret } }
      )
      yield* untilSaid(running, /\n/)
      const [serving] = decodeLines(PanelServing, running.said())
      if (serving === undefined) return assert.fail(running.said())
      assert.deepInclude(serving, { reviewers: 0, provider: issuer })
      redirectUris.push(`${serving.url}/panel/callback`)
      start(state.key)
      const visit = (url: URL, cookie = "") =>
        Effect.promise(async () => {
          const answer = await fetch(url, { redirect: "manual", headers: { cookie } })
          return { answer, cookie: answer.headers.getSetCookie().map((text) => text.split(";")[0]).join("; ") }
        })
      const begun = yield* visit(new URL("panel/login", serving.url))
      const asked = new URL(begun.answer.headers.get("location")!)
      assert.deepStrictEqual(
        [asked.origin, asked.searchParams.get("redirect_uri"), asked.searchParams.get("code_challenge_method")],
        [issuer, redirectUris[1], "S256"]
      )
      const back = yield* walk(asked.href)
      // Another browser cannot end this login.
      const stolen = yield* visit(back)
      assert.deepStrictEqual([stolen.answer.status, stolen.answer.headers.get("location")], [303, "/#login-refused"])
      const ended = yield* visit(back, begun.cookie)
      assert.deepStrictEqual([ended.answer.status, ended.answer.headers.get("location")], [303, "/"])
      const { answer } = yield* visit(new URL("panel/session", serving.url), ended.cookie)
      const { provider, reviewer } = (yield* Effect.promise(() => answer.json())) as typeof PageSession.Type
      assert.deepStrictEqual([provider, reviewer?.id, reviewer?.name], ["the company", "sub-ann", "Ann Archer"])
      yield* running.interrupt
      const { code } = yield* running.end
      assert.strictEqual(code, 130)
      assert.notInclude(running.said(), clientSecret)
    })
  )

  live(
    "does not begin with a panel's file, a place or a key that it cannot use",
    Effect.gen(function*() {
      const { env } = yield* Served
      const home = yield* folder
      const file = join(home, "panel.json")
      const refusal = Effect.fnUntraced(function*(content: unknown, ...more: ReadonlyArray<string>) {
        writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content))
        const { code, err, out } = yield* runProcess(
          ["inbox", "--panel", file, "--data", join(home, "panel.db"), "--port", "0", ...more],
          { env }
        )
        assert.strictEqual(out, "")
        return [code, err.replaceAll(file, "FILE")] as const
      })
      assert.match((yield* refusal("{"))[1], /FILE cannot be used/)
      assert.match((yield* refusal(panelFile, "--host", "0.0.0.0"))[1], /--public-url/)
      assert.match((yield* refusal(panelFile, "--public-url", "http://ops.example.com"))[1], /--public-url: url: /)
      assert.isTrue(existsSync(`${join(home, "panel.db")}.key`))
      writeFileSync(`${join(home, "panel.db")}.key`, "not a key")
      const [code, err] = yield* refusal(panelFile)
      assert.match(err, /the signing key: key: Expected 64 hexadecimal digits/)
      assert.notInclude(err, "not a key")
      assert.strictEqual(code, 2)
    })
  )
})
