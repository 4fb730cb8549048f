/** What somebody sees who only looks: what waits, what was recorded, whether the record is sound, whether it is current. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { AuditRecord } from "../../../../src/audit/AuditRecord.ts"
import * as ToolCalls from "../../../../src/calls/ToolCalls.ts"
import * as Gateway from "../../../../src/gateway/Gateway.ts"
import { genesis, hashRecord } from "../../../../src/gateway/ledger/internal/chain.ts"
import { Ledger } from "../../../../src/gateway/ledger/Ledger.ts"
import { Tenants } from "../../../../src/gateway/tenants/Tenants.ts"
import { allowed, denied, forbidding, hold } from "../../suite/cases.ts"
import { acme, Address, send, wireCall } from "../../suite/doors.ts"
import { act, inBrowser, needs, person } from "./browser.ts"

describe(`what waits${needs}`, () => {
  inBrowser("is nothing at first, with a call to try", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    const text = yield* act(async () => {
      await page.getByRole("heading", { name: "No pending actions" }).waitFor()
      return page.getByRole("region", { name: "Example call" }).innerText()
    })
    assert.include(text, "$VARGATE_API_KEY")
    const url = yield* Address
    assert.isTrue(text.startsWith(`curl ${url}/mcp/tools/call `))
    const answer = yield* send("POST", "/mcp/tools/call", { text: /-d '([^']*)'$/.exec(text)![1]! })
    assert.strictEqual(answer.status, 202)
    yield* act(async () => {
      await card("files/delete").getByText("asked by my-agent at").waitFor()
      await page.getByRole("status").getByText("New: my-agent asks for files/delete.").waitFor({ state: "attached" })
      assert.isFalse(await page.getByRole("region", { name: "Example call" }).isVisible())
      assert.strictEqual(await page.title(), "(1) Approval inbox")
    })
  })

  inBrowser("is listed with the longest wait first, and nothing moves when more comes", function*() {
    const { logIn, page } = yield* person()
    yield* hold({ tool: "files", method: "delete" })
    yield* hold({ tool: "files", method: "drop" })
    yield* logIn()
    const names = () => page.getByRole("heading", { level: 3 }).allTextContents()
    yield* act(async () => assert.deepStrictEqual(await names(), ["files/delete", "files/drop"]))
    yield* hold({ tool: "files", method: "purge" })
    yield* act(async () => {
      await page.getByRole("heading", { name: "3 pending actions" }).waitFor()
      assert.deepStrictEqual(await names(), ["files/delete", "files/drop", "files/purge"])
    })
  })

  inBrowser("may be more than the gateway shows", function*() {
    const { logIn, page } = yield* person()
    for (let n = 0; n < 53; n++) yield* send("POST", "/mcp/tools/call", { body: wireCall({ method: "delete" }) })
    yield* logIn()
    yield* act(async () => {
      await page.getByRole("heading", { name: "53 pending actions" }).waitFor()
      await page.getByText("The gateway shows the newest 50 of 53.").waitFor()
      await page.getByRole("button", { name: /^Approve/ }).first().click()
      await page.getByRole("heading", { name: "52 pending actions" }).waitFor()
      // The oldest of the others has come up, at the end.
      await page.getByRole("article").nth(50).waitFor()
    })
  })

  inBrowser("stays on the page when newer actions push it out of the gateway's list", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    yield* hold({ tool: "files", method: "purge" })
    yield* act(() => card("files/purge").waitFor())
    for (let n = 0; n < 51; n++) yield* send("POST", "/mcp/tools/call", { body: wireCall({ method: "delete" }) })
    yield* act(async () => {
      await page.getByRole("heading", { name: "52 pending actions" }).waitFor()
      await card("files/purge").getByRole("button", { name: "Approve" }).click()
      await card("files/purge").getByText("Approved. The agent may act now.").waitFor()
    })
  })

  inBrowser("fits on a narrow phone, whatever it is called", function*() {
    const { logIn, page } = yield* person({ viewport: { width: 320, height: 640 } })
    const url = yield* Address
    const width = () => page.evaluate(() => document.documentElement.scrollWidth)
    yield* act(async () => {
      await page.goto(url)
      await page.getByLabel("API key").waitFor()
      assert.isAtMost(await width(), 320)
    })
    yield* send("POST", "/mcp/tools/call", {
      body: wireCall({
        agent_id: "a".repeat(256),
        tool: "t".repeat(256),
        method: "delete",
        params: { long: "x".repeat(5000), wide: "﷽".repeat(300) }
      })
    })
    yield* logIn()
    yield* act(async () => {
      await page.getByRole("article").waitFor()
      assert.isAtMost(await width(), 320)
      const { height, width: wide } = (await page.getByRole("button", { name: /^Approve/ }).boundingBox())!
      assert.isAtLeast(Math.min(height, wide), 44)
    })
  })
})

describe(`the latest records${needs}`, () => {
  inBrowser("come by themselves, the newest first, with their decisions and reasons", function*() {
    const { logIn, page } = yield* person()
    yield* logIn()
    yield* act(() => page.getByText("Every decision will be recorded here.").waitFor())
    yield* ToolCalls.call(allowed)
    yield* ToolCalls.decide(denied)
    yield* hold()
    yield* act(async () => {
      const records = page.locator(".records > li")
      await records.nth(2).waitFor()
      assert.deepStrictEqual(await records.locator(".badge").allTextContents(), ["Pending", "Denied", "Allowed"])
      assert.deepStrictEqual(await records.locator("code").allTextContents(), [
        "files/delete",
        "forbidden/use",
        "slack/post_message"
      ])
      assert.strictEqual(await records.locator(".because").textContent(), "and_seen, tool_forbidden")
    })
  }, { policy: forbidding })
})

/** Changes what one record says, past all interfaces. `rehash` mends the hashes, as a forger would. */
const tamper = Effect.fnUntraced(function*(index: number, rehash: boolean) {
  const ledger = yield* Ledger
  const records = yield* ledger.records(acme.id)
  let prevHash: string = genesis
  const forged = records.map((record, n) => {
    const changed = n === index ? { ...record, decision: "allow" } : record
    if (!rehash) return new AuditRecord(changed)
    const next = new AuditRecord({ ...changed, prevHash, recordHash: hashRecord({ ...changed, prevHash }) })
    prevHash = next.recordHash
    return next
  })
  yield* ledger.replaceRecords(acme.id, forged)
  return { record: records[index]!, mend: ledger.replaceRecords(acme.id, records) }
})

/** Runs in the page, before its script. */
const countInstances = `() => {
  globalThis.instances = 0
  WebAssembly.Instance = class extends WebAssembly.Instance {
    constructor(...args) {
      super(...args)
      instances++
    }
  }
  const refuses = (run) => {
    try {
      run()
      return false
    } catch {
      return true
    }
  }
  // What a test evaluates itself is under no policy; what a timer does is.
  globalThis.refused = new Promise((resolve) =>
    setTimeout(() => resolve([() => eval("1"), () => new Function("1")].map(refuses)), 100)
  )
}`

describe(`the audit chain${needs}`, () => {
  inBrowser("is verified in the browser, record by record", function*() {
    const { logIn, page } = yield* person()
    yield* ToolCalls.call(allowed)
    yield* hold()
    yield* logIn()
    const panel = page.getByRole("region", { name: "Audit chain" })
    const { records } = yield* Ledger.use((ledger) => ledger.page(acme.id, 1, 0))
    yield* act(async () => {
      await panel.getByText("Unbroken").waitFor()
      await panel.getByText("2 records, verified in this browser").waitFor()
      assert.strictEqual(await panel.locator("code").getAttribute("title"), records[0]!.recordHash)
    })
    yield* ToolCalls.call(allowed)
    yield* act(() => panel.getByText("3 records, verified in this browser").waitFor())
  })

  inBrowser("is read by WebAssembly there, and nothing more may be compiled", function*() {
    const { logIn, page } = yield* person({}, /Content Security Policy|Trusted/)
    yield* ToolCalls.call(allowed)
    yield* act(() => page.addInitScript("(" + countInstances + ")()"))
    yield* logIn()
    const panel = page.getByRole("region", { name: "Audit chain" })
    yield* act(() => panel.getByText("1 record, verified in this browser").waitFor())
    assert.strictEqual(yield* act(() => page.evaluate("instances")), 1)
    const refused = yield* act(() => page.evaluate("refused"))
    assert.deepStrictEqual(refused, [true, true])
  })

  inBrowser("that is broken is shown with the record at fault, and mended when it is whole", function*() {
    const { logIn, page } = yield* person()
    for (let n = 0; n < 3; n++) yield* hold()
    yield* logIn()
    const panel = page.getByRole("region", { name: "Audit chain" })
    yield* act(() => panel.getByText("Unbroken").waitFor())
    const { mend, record } = yield* tamper(1, false)
    yield* act(async () => {
      await panel.getByRole("button", { name: "Verify again" }).click()
      await panel.getByText("Broken").waitFor()
      await page.getByRole("link", { name: "The audit chain is broken" }).waitFor()
    })
    yield* mend
    yield* act(async () => {
      await panel.getByText(`Record ${record.id} (action ${record.actionId}) was changed after it was written`)
        .waitFor()
      await page.getByRole("status").getByText("The audit chain is broken.").waitFor({ state: "attached" })
      await panel.getByRole("button", { name: "Verify again" }).click()
      await panel.getByText("Unbroken").waitFor()
      assert.isFalse(await page.getByRole("link", { name: "The audit chain is broken" }).isVisible())
    })
  })

  inBrowser("is found broken without being asked, with the next event", function*() {
    const { logIn, page } = yield* person()
    for (let n = 0; n < 3; n++) yield* hold()
    yield* logIn()
    yield* act(() => page.getByText("3 records, verified in this browser").waitFor())
    yield* tamper(1, false)
    yield* ToolCalls.call(allowed)
    yield* act(() => page.getByRole("link", { name: "The audit chain is broken" }).waitFor())
  })

  inBrowser("that was forged from end to end differs from what this page saw", function*() {
    const { logIn, page } = yield* person()
    for (let n = 0; n < 3; n++) yield* hold()
    yield* logIn()
    yield* act(() => page.getByText("3 records, verified in this browser").waitFor())
    yield* tamper(0, true)
    yield* act(async () => {
      await page.getByRole("button", { name: "Verify again" }).click()
      await page.getByRole("listitem").getByText("is not what it was when this page verified it earlier").waitFor()
    })
  })
})

describe(`the connection${needs}`, () => {
  inBrowser("comes back after the gateway was away, with what happened meanwhile", function*() {
    const options = { tenants: [acme] }
    const parts = yield* Layer.build(Gateway.layerParts(options))
    const start = Effect.fnUntraced(function*(port: number) {
      const scope = yield* Scope.make()
      const server = createServer()
      yield* Layer.buildWithScope(
        Gateway.serve(options).pipe(
          Layer.provide(Layer.succeedContext(parts)),
          Layer.provide(NodeHttpServer.layer(() => server, { host: "127.0.0.1", port }))
        ),
        scope
      )
      return { port: (server.address() as AddressInfo).port, stop: Scope.close(scope, Exit.void) }
    })
    const first = yield* start(0)
    const url = `http://127.0.0.1:${first.port}`
    const { card, logIn, page } = yield* Effect.provideService(person(), Address, url)
    yield* logIn()
    yield* first.stop
    yield* act(() => page.getByText("Offline. What you see may be old.").waitFor())
    const second = yield* start(first.port)
    yield* Effect.provideService(
      send("POST", "/mcp/tools/call", { body: wireCall({ tool: "files", method: "delete" }) }),
      Address,
      url
    )
    yield* act(async () => {
      await page.getByText("Live", { exact: true }).waitFor()
      await card("files/delete").getByRole("button", { name: "Approve" }).click()
      await card("files/delete").getByText("Approved.").waitFor()
    })
    yield* second.stop
  })

  inBrowser("that brings nothing new is said to be old", function*() {
    const { logIn, page } = yield* person()
    yield* logIn()
    yield* act(async () => {
      await page.route("**/approvals", (route) => route.fulfill({ status: 500, body: "no" }))
      await page.clock.install()
    })
    yield* hold()
    yield* act(async () => {
      for (const _ of Array.from({ length: 10 })) await page.clock.runFor(10_000)
      await page.getByText("Offline. What you see may be old.").waitFor()
      await page.unroute("**/approvals")
      await page.getByRole("button", { name: "Retry now" }).click()
      await page.getByRole("article").waitFor()
      await page.getByText("Live", { exact: true }).waitFor()
    })
  })

  inBrowser("ends with the key, when that is replaced", function*() {
    const { logIn, page } = yield* person()
    yield* logIn()
    yield* hold()
    yield* act(() => page.getByRole("article").waitFor())
    yield* Tenants.use((tenants) => tenants.put({ ...acme, apiKey: "next-key" }))
    yield* act(async () => {
      await page.getByRole("button", { name: "Approve" }).click()
      await page.getByText("The gateway does not accept this key any more.").waitFor()
      assert.strictEqual(await page.getByRole("article").count(), 0)
    })
  })
})

describe(`a fault of the page${needs}`, () => {
  inBrowser("is admitted, and leaves nothing to press", function*() {
    const { logIn, page } = yield* person({}, /a fault/)
    yield* hold()
    yield* logIn()
    yield* act(() =>
      page.evaluate(() => {
        document.querySelector(".cards")!.append = () => {
          throw new Error("a fault")
        }
      })
    )
    yield* hold()
    yield* act(async () => {
      await page.getByRole("alert").getByText("This page has a fault. Load it again.").waitFor()
      assert.strictEqual(await page.getByRole("button").count(), 0)
    })
  })
})

describe("the colours", () => {
  const css = readFileSync(new URL("../../../../src/gateway/inbox/page/inbox.css", import.meta.url), "utf8")
  const palettes = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, body]) =>
    Object.fromEntries([...body!.matchAll(/--([\w-]+): (#[\da-f]{6});/g)].map(([, name, value]) => [name!, value!]))
  )
  const luminance = (colour: string) => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const part = parseInt(colour.slice(at, at + 2), 16) / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
  }
  const contrast = (a: string, b: string) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y)
    return (light! + 0.05) / (dark! + 0.05)
  }
  const texts = [
    ...["paper", "surface", "sunken"].flatMap((ground) =>
      ["ink", "soft", "accent", "bad", "warn"].map((ink) => [ink, ground] as const)
    ),
    ["accent-ink", "accent"],
    ["good", "good-wash"],
    ["warn", "warn-wash"],
    ["bad", "bad-wash"],
    ["ink", "bad-wash"],
    ["soft", "bad-wash"],
    ["ink", "good-wash"]
  ] as const

  for (const [index, scheme] of ["light", "dark"].entries()) {
    it(`of the ${scheme} scheme can be told apart`, () => {
      const palette = palettes[index]!
      for (const [ink, ground] of texts) {
        assert.isAtLeast(contrast(palette[ink]!, palette[ground]!), 4.5, `${ink} on ${ground}`)
      }
      for (const ground of ["paper", "surface"]) assert.isAtLeast(contrast(palette["edge"]!, palette[ground]!), 3)
    })
  }
})
