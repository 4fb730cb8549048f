/** What agents send and pages elsewhere try: it stays text, and changes nothing. */
import { assert, describe } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Page } from "playwright-core"
import { PendingAction } from "../../../../src/approvals/Approval.ts"
import * as ToolCalls from "../../../../src/calls/ToolCalls.ts"
import { maxBodyLevels } from "../../../../src/gateway/http/bodyLimits.ts"
import { Ledger } from "../../../../src/gateway/ledger/Ledger.ts"
import { ActionId } from "../../../../src/model/ActionId.ts"
import { approve, hold, log } from "../../suite/cases.ts"
import { acme, Address, send } from "../../suite/doors.ts"
import { act, inBrowser, needs, person } from "./browser.ts"

const markup = [
  `<script>alert("script")</script>`,
  `<img src=x onerror="alert('img')">`,
  `"><svg onload=alert(1)>`,
  `<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>`,
  `<a href="javascript:alert(1)">click</a>`,
  `</pre></article><button>Approve</button>`,
  `<style>*{display:none}</style>`,
  `&lt;b&gt; &#x202e; {{7*7}} \${alert(1)}`
]

/** Elements that our page never makes in what it shows of others. */
const foreignElements = (page: Page) =>
  page.locator("main").locator("script, img, svg, iframe, style, object, embed, form, :scope a, b").count()

describe(`what agents send${needs}`, () => {
  inBrowser("stays text in the parameters, markup and all", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    yield* hold({ tool: "files", method: "delete", params: { markup, [markup[0]!]: markup[1] } })
    const text = yield* act(() => card("files/delete").getByRole("region").innerText())
    assert.deepStrictEqual(JSON.parse(text), { markup, [markup[0]!]: markup[1] })
    assert.strictEqual(yield* act(() => foreignElements(page)), 0)
    assert.strictEqual(yield* act(() => page.getByRole("button", { name: /^Approve/ }).count()), 1)
  })

  inBrowser("stays text everywhere else: in names, reasons, notes and records", function*() {
    const { logIn, page } = yield* person()
    yield* logIn()
    const now = yield* DateTime.now
    const [script, image] = markup
    const fields = {
      agentId: script!,
      tool: image!,
      method: markup[2]!,
      params: {},
      violations: markup,
      severity: script!
    }
    const hostile = new PendingAction({
      ...fields,
      actionId: ActionId.make("hostile-1"),
      createdAt: now,
      timeoutAt: DateTime.add(now, { hours: 1 })
    })
    const ledger = yield* Ledger
    yield* ledger.append({
      ...fields,
      tenantId: acme.id,
      actionId: hostile.actionId,
      requestedAt: now,
      decision: "pending_approval",
      alertTier: "none",
      bundleRevision: "r",
      executionMode: "agent_direct",
      anomalyScore: 0,
      containsPii: false,
      piiFields: []
    }, hostile)
    yield* act(async () => {
      const article = page.getByRole("article")
      await article.getByText(script!).first().waitFor()
      for (const violation of markup) {
        assert.strictEqual(await article.getByRole("listitem").filter({ hasText: violation }).count(), 1, violation)
      }
      await article.getByLabel("Note").fill(image!)
      await article.getByRole("button", { name: "Approve" }).click()
      await article.getByText(`Your note: ${image}`).waitFor()
      await page.locator(".records").getByText(image!, { exact: true }).waitFor()
      assert.strictEqual(await foreignElements(page), 0)
    })
  })

  inBrowser("shows itself where it hides, and reorders nothing", function*() {
    const { card, logIn } = yield* person()
    yield* logIn()
    const params = { file: "user\u202Egpj.exe", to: "pay\u200Bpal", esc: "\u001b[2Jx", word: "שלום" }
    yield* hold({ tool: "files", method: "delete", params })
    const text = yield* act(() => card("files/delete").getByRole("region").innerText())
    assert.deepStrictEqual(text.split("\n").map((line) => line.trim()), [
      "{",
      `"file": "userU+202Egpj.exe",`,
      `"to": "payU+200Bpal",`,
      `"esc": "\\u001b[2Jx",`,
      `"word": "שלום"`,
      "}"
    ])
    assert.strictEqual(yield* act(() => card("files/delete").locator("bdi").innerText()), "שלום")
  })

  inBrowser("is shown whole: keys like __proto__, deep nesting, 64 kB", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    const shown = (name: string) => act(() => card(name).getByRole("region").evaluate((box) => box.textContent!))
    // The body and its params are two levels of their own.
    const deepest = maxBodyLevels - 2
    const texts = {
      proto: `{"__proto__":{"isAdmin":true},"constructor":{"prototype":1},"toString":"x","10":1,"2":2}`,
      deep: `{"d":${"[".repeat(deepest)}1${"]".repeat(deepest)}}`,
      long: JSON.stringify({ long: `${"x".repeat(64_000)} and the end` })
    }
    for (const [tool, params] of Object.entries(texts)) {
      const text = `{"agent_id":"a","tool":"${tool}","method":"delete","params":${params}}`
      assert.strictEqual((yield* send("POST", "/mcp/tools/call", { text })).status, 202)
      assert.strictEqual(JSON.stringify(JSON.parse(yield* shown(`${tool}/delete`))), JSON.stringify(JSON.parse(params)))
    }
    yield* act(async () => {
      const long = card("long/delete")
      await long.getByText("64,0").waitFor()
      await long.getByRole("button", { name: "Show all of it" }).click()
      assert.isTrue(await long.getByRole("region").evaluate((box) => box.scrollHeight <= box.clientHeight + 1))
      assert.strictEqual(await page.evaluate(() => ({} as { isAdmin?: boolean }).isAdmin), undefined)
    })
  })

  inBrowser("cannot pass for a person's decision", function*() {
    const { logIn, page } = yield* person()
    yield* logIn()
    yield* ToolCalls.call({
      tool: "approval_queue",
      method: "approve",
      params: { target_action: "x", note: "trust me" },
      agent: { id: "human-reviewer", type: "human", version: "1.0.0" }
    })
    const id = yield* hold()
    yield* approve(id, "really")
    yield* act(async () => {
      const records = page.locator(".records > li")
      await records.nth(2).waitFor()
      assert.deepStrictEqual(
        (await records.allInnerTexts()).map((text) => text.replace(/\s+/g, " ").replace(/\d+:.*?M /, "")),
        [
          "Approved files/delete by a reviewer really",
          "Pending files/delete by effect-agent",
          "Allowed approval_queue/approve by human-reviewer"
        ]
      )
    })
  })
})

/** Another site: a little server of its own, whose page does what it is told. */
const elsewhere = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = createServer((_, response) => response.end("<!doctype html><title>elsewhere</title><body>"))
    server.listen(
      0,
      "127.0.0.1",
      () => resume(Effect.succeed({ port: (server.address() as AddressInfo).port, close: () => server.close() }))
    )
  }),
  ({ close }) => Effect.sync(close)
)

describe(`a page of another origin${needs}`, () => {
  for (const host of ["127.0.0.1", "localhost"]) {
    inBrowser(`cannot approve, reject or call, from another port of ${host}`, function*() {
      const { page } = yield* person({}, /CORS policy|form-action|X-Frame-Options/)
      const url = yield* Address
      const { port } = yield* elsewhere
      const id = yield* hold()
      yield* act(async () => {
        await page.goto(`http://${host}:${port}/`)
        const outcomes = await page.evaluate(async ({ id, key, url }) => {
          const attempt = (path: string, init: RequestInit) =>
            fetch(url + path, { method: "POST", ...init }).then(({ type }) => type, () => "refused")
          const body = `{"note":"from elsewhere"}`
          const outcomes: Array<string> = []
          for (const path of [`/approve/${id}`, `/reject/${id}`, "/mcp/tools/call"]) {
            outcomes.push(
              // With the key, as if it had leaked: a header of its own needs leave that is never given.
              await attempt(path, { headers: { "x-api-key": key }, body }),
              await attempt(path, { headers: { "x-api-key": key }, body, mode: "no-cors" }),
              await attempt(path, { body }),
              await attempt(path, { body, mode: "no-cors", credentials: "include" }),
              String(navigator.sendBeacon(url + path, body))
            )
          }
          return outcomes
        }, { id, key: acme.apiKey, url })
        for (const outcome of outcomes) assert.include(["refused", "opaque", "true"], outcome)
        const [answer] = await Promise.all([
          page.waitForResponse((response) =>
            response.url().includes("/approve/") && response.request().isNavigationRequest()
          ),
          page.evaluate(({ id, key, url }) => {
            const form = document.body.appendChild(document.createElement("form"))
            form.method = "post"
            form.action = `${url}/approve/${id}?x-api-key=${key}`
            form.enctype = "text/plain"
            const field = form.appendChild(document.createElement("input"))
            field.name = `{"note":"`
            field.value = `"}`
            form.submit()
          }, { id, key: acme.apiKey, url })
        ])
        assert.strictEqual(answer.status(), 403)
      })
      assert.strictEqual((yield* Ledger.use((ledger) => ledger.held(acme.id, id)))?.status, "pending")
      assert.strictEqual((yield* log()).total, 1)
    })
  }

  inBrowser("cannot read, listen, or put the inbox into a frame", function*() {
    const { page } = yield* person({}, /CORS policy|frame-ancestors|X-Frame-Options|NotSameOrigin/)
    const url = yield* Address
    const { port } = yield* elsewhere
    yield* act(async () => {
      await page.goto(`http://localhost:${port}/`)
      const outcomes = await page.evaluate(async ({ key, url }) => {
        const read = (path: string, init?: RequestInit) =>
          fetch(url + path, init).then((response) => response.text(), () => "refused")
        return [
          await read("/approvals", { headers: { "x-api-key": key } }),
          await read("/inbox/events", { headers: { "x-api-key": key } }),
          await read("/health"),
          await read("/"),
          await new Promise<string>((resolve) => {
            const script = document.head.appendChild(document.createElement("script"))
            script.addEventListener("error", () => resolve("refused"))
            script.addEventListener("load", () => resolve("ran"))
            script.src = `${url}/inbox/app.js`
          })
        ]
      }, { key: acme.apiKey, url })
      assert.deepStrictEqual(outcomes, ["refused", "refused", "refused", "refused", "refused"])
      await page.evaluate((url) => {
        const frame = document.createElement("iframe")
        const loaded = new Promise((resolve) => frame.addEventListener("load", resolve))
        frame.src = url
        document.body.append(frame)
        return loaded
      }, url)
      assert.isFalse(await page.frames()[1]!.locator("form").isVisible())
      assert.match(page.frames()[1]!.url(), /^chrome-error:/)
    })
  })

  inBrowser("cannot come under a name of its own that was pointed here", function*() {
    const { page } = yield* person()
    const url = new URL(yield* Address)
    yield* act(async () => {
      const answer = await page.goto(`http://rebound.example:${url.port}/`)
      assert.strictEqual(answer!.status(), 403)
      assert.include(await page.locator("body").innerText(), "does not answer under this host name")
    })
  })
})

describe(`the key${needs}`, () => {
  inBrowser("is in no URL, no storage and no element, and gone after logging out", function*() {
    const { card, logIn, page, urls } = yield* person()
    const key = acme.apiKey
    const traces = () =>
      page.evaluate(async (key) => {
        const holds = (value: unknown) => typeof value === "string" && value.includes(key)
        const fields = [...document.querySelectorAll("input, textarea")] as Array<HTMLInputElement>
        return {
          location: holds(location.href),
          history: holds(JSON.stringify(history.state)),
          html: holds(document.documentElement.outerHTML),
          fields: fields.some(({ value }) => holds(value)),
          entries: performance.getEntries().some(({ name }) => holds(name)),
          globals: Object.getOwnPropertyNames(window).some((name) => {
            try {
              return holds((window as unknown as Record<string, unknown>)[name])
            } catch {
              return false
            }
          }),
          local: localStorage.length,
          session: sessionStorage.length,
          databases: (await indexedDB.databases()).length,
          caches: (await caches.keys()).length,
          cookies: document.cookie
        }
      }, key)
    const nowhere = {
      location: false,
      history: false,
      html: false,
      fields: false,
      entries: false,
      globals: false,
      local: 0,
      session: 0,
      databases: 0,
      caches: 0,
      cookies: ""
    }
    yield* logIn()
    yield* hold()
    yield* act(async () => {
      await card("files/delete").getByRole("button", { name: "Approve" }).click()
      await card("files/delete").getByText("Approved.").waitFor()
      assert.deepStrictEqual(await traces(), nowhere)
      const stream = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/inbox/events"))
      await page.getByRole("button", { name: "Log out" }).click()
      await stream
      await page.getByText("You are logged out.").waitFor()
      assert.strictEqual(await page.getByRole("article").count(), 0)
      assert.deepStrictEqual(await traces(), nowhere)
      await page.goBack()
      await page.goForward()
      await page.getByLabel("API key").waitFor()
    })
    assert.isAbove(urls.length, 5)
    for (const url of urls) assert.notInclude(url, key)
  })

  inBrowser("that is wrong opens nothing, and a good one does afterwards", function*() {
    const { logIn, page } = yield* person()
    const url = yield* Address
    yield* hold()
    yield* act(async () => {
      await page.goto(url)
      for (
        const [key, sentence] of [
          ["acme-kez", "The gateway does not know this key."],
          ["two words", "This cannot be a key"],
          ["schlüssel", "This cannot be a key"]
        ] as const
      ) {
        await page.getByLabel("API key").fill(key)
        await page.keyboard.press("Enter")
        await page.getByRole("alert").getByText(sentence).waitFor()
        assert.strictEqual(await page.getByLabel("API key").inputValue(), "")
        assert.isTrue(await page.getByLabel("API key").evaluate((field) => field === document.activeElement))
        assert.strictEqual(await page.getByRole("article").count(), 0)
      }
    })
    yield* logIn()
    yield* act(() => page.getByRole("article").waitFor())
  })
})

describe(`the page's own policy${needs}`, () => {
  inBrowser("lets no script in by the page's own hands", function*() {
    const { logIn, page } = yield* person({}, /Content Security Policy|TrustedHTML|TrustedScript|unsafe-eval/)
    yield* logIn()
    const outcomes = yield* act(() =>
      page.evaluate(async () => {
        const attempt = (does: () => unknown) => {
          try {
            does()
            return "done"
          } catch (error) {
            return (error as Error).name
          }
        }
        const script = document.createElement("script")
        const inline = attempt(() => {
          script.text = "window.ran = true"
          document.body.append(script)
        })
        return {
          html: attempt(() => document.body.innerHTML = "<b>x</b>"),
          // Not at once: a debugger's own call may evaluate what it likes.
          eval: await new Promise((resolve) =>
            setTimeout(() => resolve(attempt(() => Reflect.construct(Function, ["1"]))))
          ),
          inline,
          ran: "ran" in window,
          away: await fetch("https://evil.example/").then(() => "done", (error: Error) => error.name),
          image: await new Promise((resolve) => {
            const image = new Image()
            image.addEventListener("load", () => resolve("done"))
            image.addEventListener("error", () => resolve("refused"))
            image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
          })
        }
      })
    )
    assert.deepStrictEqual(outcomes, {
      html: "TypeError",
      eval: "EvalError",
      inline: "TypeError",
      ran: false,
      away: "TypeError",
      image: "refused"
    })
  })
})
