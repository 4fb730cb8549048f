/** Reviewers at the page of a panel, in a real browser. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, type Scope } from "effect"
import { type Ballots, Governed, Grants, Proposals, ReviewPanel, ReviewRules, Reviews } from "effect-vargate"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import type { Page } from "playwright-core"
import { act, needs } from "../gateway/inbox/page/browser.ts"
import { approve, hold, log } from "../gateway/suite/cases.ts"
import { type House, overSocket, send, wireCall } from "../gateway/suite/doors.ts"
import { type TimeMachine, timeMachine } from "../support/worlds.ts"
import { PanelAddress, panelLayer, proxied, reviewer, tokenOf, until } from "./reviewPagePerson.ts"

type World =
  | House
  | PanelAddress
  | ReviewPanel.ReviewPanel
  | Ballots.Ballots
  | Grants.Grants
  | TimeMachine
  | Scope.Scope

const isSkipped = needs !== ""

const inBrowser = (name: string, body: () => Effect.fn.Return<void, unknown, World>, rules?: ReviewRules.ReviewRules) =>
  it.live.skipIf(isSkipped)(
    `${name}${needs}`,
    () =>
      Effect.gen(body).pipe(
        Effect.scoped,
        Effect.provide(
          panelLayer({}, rules).pipe(Layer.provideMerge(overSocket.layer({})), Layer.provideMerge(timeMachine))
        )
      )
  )

/** An agent that deletes a file, where it may. */
const agent = Effect.fnUntraced(function*(path: string) {
  const deleted: Array<string> = []
  const remove = Governed.tool({
    tool: "files",
    method: "delete",
    params: Schema.Struct({ path: Schema.String }),
    onPending: Governed.wait({ timeout: "5 minutes" }),
    run: ({ path }) => Effect.sync(() => void deleted.push(path))
  })
  return { deleted, fiber: yield* Effect.forkChild(remove({ path })) }
})

const button = (page: Page, name: RegExp) => page.getByRole("button", { name })

describe(`the page of a panel${needs}`, () => {
  inBrowser("brings an action to its quorum by two reviewers in two browsers, while an agent waits", function*() {
    const url = yield* PanelAddress
    const { deleted, fiber } = yield* agent("/reports/2025.csv")
    const [ann, bob, cid] = [yield* reviewer(url), yield* reviewer(url), yield* reviewer(url)]
    yield* ann.logIn("ann")
    yield* bob.logIn("bob")
    yield* cid.logIn("cid")
    yield* act(async () => {
      const card = ann.card("files/delete")
      await ann.page.getByRole("heading", { name: "1 action needs you" }).waitFor()
      await card.getByText("Needs you").waitFor()
      await card.getByText("Needs 2 of finance").waitFor()
      await card.getByLabel("Note").fill("the quarter is closed")
      await card.getByRole("button", { name: "Approve" }).click()
      await card.getByText("You approved: your vote is recorded.").waitFor()
      await ann.page.getByRole("heading", { name: "Nothing needs you" }).waitFor()
      assert.strictEqual(await card.getByRole("button", { name: "Approve" }).count(), 0)
      assert.strictEqual(await card.getByRole("button", { name: "Reject" }).count(), 1)
    })
    assert.deepStrictEqual(deleted, [])
    yield* act(async () => {
      const card = bob.card("files/delete")
      await card.getByText("Ann Archer approved").waitFor()
      await card.getByText("the quarter is closed").waitFor()
      await cid.card("files/delete").getByText("This waits for other reviewers, not for you.").waitFor()
      assert.strictEqual(await cid.card("files/delete").getByRole("button", { name: /Approve|Reject/ }).count(), 0)
      await card.getByRole("button", { name: "Approve" }).click()
      await card.getByText("Approved by Ann Archer and Bob Baker.").waitFor()
    })
    yield* Fiber.join(fiber)
    assert.deepStrictEqual(deleted, ["/reports/2025.csv"])
    yield* act(async () => {
      for (const { card, page } of [ann, cid]) {
        await card("files/delete").getByText("Approved by Ann Archer and Bob Baker.").waitFor()
        await page.getByRole("region", { name: "History" }).getByText("by Ann Archer, Bob Baker").waitFor()
      }
      const chart = ann.page.locator(".chart")
      assert.strictEqual(await chart.locator("rect.approved").count(), 1)
      assert.strictEqual(await chart.locator("circle.wait").count(), 1)
    })
    const { records: [record] } = yield* log()
    assert.match(JSON.stringify(record!.params), /review-panel\/1 approve sha256:[0-9a-f]{64} ann, bob/)
  })

  inBrowser("lets a reviewer change the params, which the agent then submits, and another one approves", function*() {
    const url = yield* PanelAddress
    const deleted: Array<string> = []
    const remove = Governed.tool({
      tool: "files",
      method: "delete",
      params: Schema.Struct({ path: Schema.String }),
      onPending: Governed.wait({ timeout: "5 minutes" }),
      run: ({ path }) => Effect.sync(() => void deleted.push(path))
    })
    const fiber = yield* Effect.forkChild(remove({ path: "/reports" }).pipe(Effect.provide(Proposals.layer)))
    const [ann, bob] = [yield* reviewer(url), yield* reviewer(url)]
    yield* ann.logIn("ann")
    yield* act(async () => {
      const card = ann.card("files/delete")
      await card.getByRole("button", { name: "Change the params" }).click()
      const editor = card.getByLabel("Params, as you would approve them")
      assert.strictEqual(await editor.inputValue(), `{\n  "path": "/reports"\n}`)
      await editor.fill("{ none")
      await card.getByRole("button", { name: "Reject, and propose these" }).click()
      await card.getByText("These params are no JSON object. Nothing was sent.").waitFor()
      await editor.fill(`{ "path": "/reports/2025.csv" }`)
      await card.getByRole("button", { name: "Reject, and propose these" }).click()
      await ann.page.getByText("Rejected by Ann Archer, who proposes other params.").waitFor()
    })
    yield* bob.logIn("bob")
    yield* act(async () => {
      const card = bob.card("files/delete").filter({ hasText: "/reports/2025.csv" })
      await card.getByRole("button", { name: "Approve" }).click()
      await card.getByText("Approved by Bob Baker.").waitFor()
    })
    yield* Fiber.join(fiber)
    assert.deepStrictEqual(deleted, ["/reports/2025.csv"])
  }, ReviewRules.make({ otherwise: ReviewRules.allowChanges()(ReviewRules.anyOf("finance")) }))

  inBrowser(
    "lets a reviewer answer always within a scope, shows what is granted, and ends it",
    function*() {
      const url = yield* PanelAddress
      const call = (folder: string, size: number) =>
        hold({ tool: "files", method: "delete", params: { folder, size, deep: { a: 1 } } })
      yield* call("2024", 10)
      const ann = yield* reviewer(url)
      yield* ann.logIn("ann")
      yield* act(async () => {
        const card = ann.card("files/delete")
        await card.getByRole("button", { name: "Always … for files/delete" }).press("Enter")
        const form = card.getByRole("group", { name: "Approve this and, from now on, calls like it by this agent" })
        await form.getByLabel("folder may be").selectOption("one of")
        await form.getByLabel("folder, one of these, each on a line").fill("2023\n2025")
        const grant = card.getByRole("button", { name: "Approve, and always approve these" })
        await grant.click()
        await card.getByText("folder needs this action's own value among them. Nothing was sent.").waitFor()
        await form.getByLabel("folder, one of these, each on a line").fill("2023\n2024")
        await form.getByLabel("size may be").selectOption("between")
        await form.getByLabel("size, to").fill("5")
        await grant.click()
        await card.getByText("size needs numbers between which this action's own is. Nothing was sent.").waitFor()
        await form.getByLabel("size, to").fill("50")
        assert.strictEqual(await form.getByLabel("size, from").inputValue(), "0")
        await form.getByLabel("How often at most").fill("1.5")
        await grant.click()
        await card.getByText("How often has to be a whole number, from 1 on. Nothing was sent.").waitFor()
        await form.getByLabel("How often at most").fill("3")
        await form.getByLabel("Limit the sum").selectOption("of size")
        await grant.click()
        await card.getByText("The largest sum has to be a number. Nothing was sent.").waitFor()
        await form.getByLabel("Largest sum", { exact: true }).fill("60")
        await form.getByLabel("It ends after").selectOption("1 hour")
        await card.getByLabel("Note").fill("old reports")
        await grant.click()
        await card.getByText("Approved by Ann Archer.").waitFor()
      })
      const { store } = yield* Grants.Grants
      const [{ grant } = assert.fail("no grant")] = yield* store.list({ limit: 10 })
      assert.deepInclude(grant, {
        reviewerId: "ann",
        tool: "files",
        method: "delete",
        params: {
          folder: Grants.oneOf("2023", "2024"),
          size: Grants.range(0, 50),
          deep: Grants.equals({ a: 1 })
        },
        count: 3,
        budgets: [{ sum: "size", per: "day", max: 60 }],
        note: "old reports"
      })
      assert.strictEqual(grant.expiresAt.epochMilliseconds - grant.createdAt.epochMilliseconds, 3_600_000)
      // The panel approves what is covered by itself, and nothing else.
      yield* call("2023", 50)
      yield* until(Effect.map(store.find(grant.id), (status) => status?.uses === 1))
      yield* call("2023", 11)
      yield* act(async () => {
        const panel = ann.page.getByRole("region", { name: "Standing approvals" })
        await panel.getByText("used 1 of 3 times").waitFor()
        await panel.getByText("at most 60 of size per day").waitFor()
        const scope = `folder: one of "2023", "2024", size: 0 to 50, deep: {"a":1}`
        await panel.getByText(scope).waitFor()
        await ann.card("files/delete").filter({ hasText: "Needs you" }).waitFor()
        await panel.getByRole("button", { name: "Revoke files/delete" }).click()
        await panel.getByText("Revoked: files/delete is asked again.").waitFor()
        await panel.getByText("None is in force.").waitFor()
      })
      assert.strictEqual((yield* store.find(grant.id))?.revokedBy, "ann")
    },
    ReviewRules.make({ otherwise: ReviewRules.anyOf("finance") })
  )

  inBrowser("offers no standing approval of what nobody can compare, or to one who may not approve", function*() {
    const url = yield* PanelAddress
    yield* hold({ tool: "files", method: "delete", params: { to: "[ENCRYPTED:email]", path: "/a" } })
    const fields = Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`f${n}`, n]))
    yield* hold({ tool: "files", method: "drop", params: fields })
    const [ann, cid] = [yield* reviewer(url), yield* reviewer(url)]
    yield* ann.logIn("ann")
    yield* cid.logIn("cid")
    yield* act(async () => {
      await ann.card("files/delete").getByRole("button", { name: "Always …" }).click()
      assert.deepStrictEqual(
        await ann.card("files/delete").getByLabel("to may be").locator("option").allTextContents(),
        [
          "anything"
        ]
      )
      await ann.card("files/drop").getByRole("button", { name: "Always …" }).click()
      await ann.card("files/drop").getByText("These params have too many fields for this form").waitFor()
      await cid.card("files/delete").waitFor()
      assert.strictEqual(await cid.page.getByRole("button", { name: "Always …" }).count(), 0)
    })
  })

  inBrowser("leaves the one who asked no button, and refuses their request", function*() {
    const url = yield* PanelAddress
    const id = yield* hold({
      tool: "files",
      method: "delete",
      agent: { id: "robs-bot", type: "autonomous", version: "1.0.0" }
    })
    const { card, logIn, page } = yield* reviewer(url)
    yield* logIn("rob")
    const statuses = yield* act(async () => {
      await card("files/delete").getByText("You asked for this: another reviewer has to decide.").waitFor()
      assert.strictEqual(await button(page, /^(?:Approve|Reject)/).count(), 0)
      return page.evaluate(async (id) => {
        const session = await (await fetch("panel/session")).json()
        const { digest } = await (await fetch(`reviews/${id}`)).json()
        const vote = (choice: string, csrf: string) =>
          fetch(`reviews/${id}/votes`, {
            method: "POST",
            headers: { "content-type": "application/json", "x-vargate-csrf": csrf },
            body: JSON.stringify({ digest, choice })
          })
        const answers = [
          await vote("approve", session.csrf),
          await vote("reject", session.csrf),
          await vote("approve", "")
        ]
        return Promise.all(answers.map(async (answer) => [answer.status, (await answer.json()).refusal ?? "none"]))
      }, id)
    })
    assert.deepStrictEqual(statuses, [[403, "Requester"], [403, "Requester"], [403, "none"]])
  })

  inBrowser("keeps no token, asks nothing but its panel, and ends where the reviewer logs out", function*() {
    const url = yield* PanelAddress
    const { logIn, page, urls } = yield* reviewer(url)
    yield* act(async () => {
      await page.goto(url)
      await page.getByLabel("Your token").fill("a long random token of eve's")
      await page.keyboard.press("Enter")
      await page.getByRole("alert").getByText("The panel does not know this token.").waitFor()
      assert.strictEqual(await page.getByLabel("Your token").inputValue(), "")
    })
    yield* logIn("ann")
    yield* act(async () => {
      const kept = await page.evaluate(() =>
        JSON.stringify([
          document.cookie,
          { ...localStorage },
          { ...sessionStorage },
          document.documentElement.outerHTML
        ])
      )
      assert.notInclude(kept, tokenOf("ann"))
      assert.notInclude(kept, "vargate_review_session")
      await page.reload()
      await page.locator("[data-link=live]").waitFor()
      await page.getByRole("button", { name: "Log out" }).click()
      await page.getByText("You are logged out.").waitFor()
      await page.reload()
      await page.getByLabel("Your token").waitFor()
    })
    assert.isTrue(urls.every((one) => one.startsWith(url)))
  })

  inBrowser("works under a path, whether the proxy keeps it or removes it", function*() {
    const direct = yield* PanelAddress
    const id = yield* hold({ tool: "files", method: "delete" })
    let at = direct
    for (const keeps of [true, false]) {
      const url = yield* proxied(() => at, "/gov/", keeps)
      const built = yield* Layer.build(Layer.fresh(panelLayer({ url })))
      at = yield* Effect.provide(PanelAddress, built)
      const { card, logIn, page } = yield* reviewer(url)
      yield* logIn("ann")
      yield* act(async () => {
        await card("files/delete").getByRole("button", { name: "Approve" }).click()
        await card("files/delete").getByText("You approved").first().waitFor()
        const [cookie] = await page.context().cookies()
        assert.deepInclude(cookie, { path: "/gov/", httpOnly: true, sameSite: "Strict" })
      })
    }
    yield* approve(id)
  })

  inBrowser("shows a summary above long params, and what is new since the last approved call", function*() {
    const url = yield* PanelAddress
    const items = Array.from({ length: 20 }, (_, n) => ({ sku: `A-${n}`, price: n }))
    const first = yield* hold({
      tool: "files",
      method: "delete",
      params: { to: "ann@example.com", folder: "2024", amount: 10, items }
    })
    yield* Reviews.Reviews.use(({ approve }) => approve(first))
    yield* hold({
      tool: "files",
      method: "delete",
      params: { to: "bob@example.com", folder: "2025", amount: 10, items: items.slice(1), cc: "x" }
    })
    const { card, logIn } = yield* reviewer(url)
    yield* logIn("ann")
    yield* act(async () => {
      const one = card("files/delete")
      const summary = await one.locator(".summary").innerText()
      for (const line of [/to\s+"bob@example.com"/, /amount\s+10/, /items\s+\[19 items\]/, /cc\s+"x"/]) {
        assert.match(summary, line)
      }
      const changes = await one.locator(".changes").innerText()
      assert.match(changes, /New since its last approved call at/)
      assert.match(changes, /folder\s+"2024"\s+is now\s+→\s+"2025"/)
      assert.match(changes, /Not compared, since the log keeps it encrypted: to$/)
      assert.match(changes, /cc\s+new: "x"/)
      assert.match(changes, /items\s+\[20 items\]\s+is now\s+→\s+\[19 items\]/)
      assert.notMatch(changes, /amount/)
    })
  })

  inBrowser("filters by agent, tool and age, and by what needs the reviewer", function*() {
    const url = yield* PanelAddress
    yield* hold({ tool: "files", method: "delete", agent: { id: "robs-bot", type: "autonomous", version: "1.0.0" } })
    yield* hold({ tool: "files", method: "drop" })
    yield* hold({ tool: "disk", method: "delete" })
    const { logIn, page } = yield* reviewer(url)
    yield* logIn("rob")
    const shown = () => page.getByRole("article").getByRole("heading", { level: 3 }).allTextContents()
    const visible = async () => {
      const all = await page.getByRole("heading", { level: 3 }).all()
      const texts: Array<string> = []
      for (const one of all) if (await one.isVisible()) texts.push((await one.textContent())!)
      return texts.sort()
    }
    yield* act(async () => {
      assert.strictEqual((await shown()).length, 3)
      await page.getByLabel("Show").selectOption("what needs me")
      assert.deepStrictEqual(await visible(), ["disk/delete", "files/drop"])
      await page.getByLabel("Tool").selectOption("disk")
      assert.deepStrictEqual(await visible(), ["disk/delete"])
      await page.getByRole("button", { name: "Clear filters" }).click()
      await page.getByLabel("Agent").selectOption("robs-bot")
      assert.deepStrictEqual(await visible(), ["files/delete"])
      await page.getByLabel("Age", { exact: true }).selectOption("older than 15 min")
      assert.deepStrictEqual(await visible(), [])
      await page.getByText("The filters hide all that is pending.").waitFor()
    })
  })

  inBrowser(
    "says that what it shows may be old while the panel cannot be reached, and takes a vote afterwards",
    function*() {
      const url = yield* PanelAddress
      yield* hold({ tool: "files", method: "delete" })
      const { card, logIn, page } = yield* reviewer(url)
      yield* logIn("ann")
      yield* act(async () => {
        await page.route("**/reviews**", (route) => route.fulfill({ status: 503, body: "no" }))
        await page.getByText("Offline. What you see may be old.").waitFor()
        await card("files/delete").getByRole("button", { name: "Approve" }).click()
        await card("files/delete").getByText("it is unknown whether your vote was recorded").waitFor()
        await page.unroute("**/reviews**")
        await page.getByRole("button", { name: "Retry now" }).click()
        await page.getByText("Live", { exact: true }).waitFor()
        await card("files/delete").getByRole("button", { name: "Approve" }).click()
        await card("files/delete").getByText("You approved: your vote is recorded.").waitFor()
      })
    }
  )

  inBrowser("can be used by keys, none of which decides by itself", function*() {
    const url = yield* PanelAddress
    yield* hold({ tool: "files", method: "delete" })
    yield* hold({ tool: "files", method: "drop" })
    const { card, logIn, page } = yield* reviewer(url)
    yield* logIn("ann")
    yield* act(async () => {
      const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "")
      const press = (...keys: ReadonlyArray<string>) =>
        keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve())
      await card("files/drop").waitFor()
      await press("j", "j")
      assert.strictEqual(await focused(), "files/drop")
      await press("k", "a")
      assert.include(await focused(), "Approve files/delete")
      await press("n")
      await page.keyboard.type("ajr?")
      assert.strictEqual(await card("files/delete").getByLabel("Note").inputValue(), "ajr?")
      await page.keyboard.press("Tab")
      await press("j", "r")
      assert.include(await focused(), "Reject files/drop")
      await press("?")
      await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor()
      await page.getByRole("button", { name: "Turn them off" }).click()
      await press("Escape", "j")
      assert.strictEqual(await page.locator(".votes li").count(), 0)
      await card("files/drop").getByRole("button", { name: "Reject" }).focus()
      await press("Enter")
      await card("files/drop").getByText("Rejected by Ann Archer.").waitFor()
    })
  })
})

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

/** Elements that our page never makes in what it shows of others; its chart is the one drawing. */
const foreignElements = (page: Page) =>
  page.locator("main").locator("script, img, iframe, style, object, embed, form, a, b, .cards svg").count()

describe(`what agents and reviewers write${needs}`, () => {
  inBrowser("stays text everywhere: markup, hidden characters, other directions", function*() {
    const url = yield* PanelAddress
    yield* hold({ tool: "files", method: "delete", params: { before: "x" } }).pipe(
      Effect.flatMap((id) => approve(id, markup[1]))
    )
    const params = {
      markup,
      [markup[0]!]: markup[1],
      file: "user\u202Egpj.exe",
      to: "pay\u200Bpal",
      blank: "a\u00A0\u2003b",
      esc: "\u001b[2Jx",
      word: "שלום"
    }
    yield* hold({ tool: "files", method: "delete", params })
    const [ann, bob] = [yield* reviewer(url), yield* reviewer(url)]
    yield* ann.logIn("ann")
    yield* bob.logIn("bob")
    yield* act(async () => {
      const card = ann.card("files/delete")
      await card.locator(".changes li").first().waitFor()
      const shown = await card.getByRole("region").evaluate((box) => box.textContent!)
      for (const text of markup) assert.include(shown, JSON.stringify(text))
      for (const name of ["userU+202Egpj.exe", "payU+200Bpal", "U+2003", "\\u001b[2Jx", "שלום"]) {
        assert.include(shown, name)
      }
      const changes = await card.locator(".changes").evaluate((box) => box.textContent!)
      assert.include(changes, "userU+202Egpj.exe")
      assert.include(changes, `new: ${JSON.stringify(markup[1])}`)
      await card.getByLabel("Note").fill(`${markup[1]!} \u202Eevil`)
      await card.getByRole("button", { name: "Approve" }).click()
      const vote = bob.card("files/delete").locator(".votes li")
      await vote.waitFor()
      const text = await vote.evaluate((item) => item.textContent!)
      assert.include(text, markup[1]!)
      assert.include(text, "U+202Eevil")
      await bob.card("files/delete").getByRole("button", { name: "Approve" }).click()
      await bob.card("files/delete").getByText("Approved by Ann Archer and Bob Baker.").waitFor()
      for (const { page } of [ann, bob]) {
        assert.strictEqual(await foreignElements(page), 0)
        // Anything that was run would have asked for a dialog, which fails the case.
        assert.strictEqual(await page.locator("article button", { hasText: /^Approve$/ }).count(), 0)
      }
    })
  })

  inBrowser("fits at 320, 390 and 1280 pixels, whatever it is called", function*() {
    const url = yield* PanelAddress
    yield* send("POST", "/mcp/tools/call", {
      body: wireCall({
        agent_id: "a".repeat(256),
        tool: "t".repeat(256),
        method: "delete",
        params: { long: "x".repeat(5000), ["k".repeat(500)]: 1, wide: "﷽".repeat(300) }
      })
    })
    for (const width of [320, 390, 1280]) {
      const { logIn, page } = yield* reviewer(url, { viewport: { width, height: 700 } })
      yield* act(async () => {
        await page.goto(url)
        await page.getByLabel("Your token").waitFor()
        assert.isAtMost(await page.evaluate(() => document.documentElement.scrollWidth), width)
      })
      yield* logIn("ann")
      yield* act(async () => {
        await page.getByRole("article").waitFor()
        assert.isAtMost(await page.evaluate(() => document.documentElement.scrollWidth), width)
        await page.getByRole("button", { name: "Always …" }).click()
        await page.getByRole("group", { name: "Approve this and" }).getByRole("combobox").first().waitFor()
        assert.isAtMost(await page.evaluate(() => document.documentElement.scrollWidth), width)
        const box = (await page.getByRole("button", { name: /^Approve t/ }).boundingBox())!
        assert.isAtLeast(Math.min(box.height, box.width), 44)
      })
    }
  })
})

describe(`accessibility of the panel's page${needs}`, () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

  interface Fault {
    readonly id: string
    readonly impact: string | null
    readonly nodes: ReadonlyArray<{ readonly html: string }>
  }

  /** What axe finds, by the debugger's hand: the page's own policy lets no such script in. */
  const faults = async (page: Page): Promise<ReadonlyArray<string>> => {
    await page.evaluate(axe)
    const { violations } = await page.evaluate("axe.run()") as { readonly violations: ReadonlyArray<Fault> }
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) =>
      `${id}: ${nodes.map(({ html }) => html).join(" ").slice(0, 300)}`
    )
  }

  for (const colorScheme of ["light", "dark"] as const) {
    inBrowser(`has no serious fault by axe, ${colorScheme}, from the login to the end of a ballot`, function*() {
      const url = yield* PanelAddress
      const items = Array.from({ length: 20 }, (_, n) => ({ n }))
      const first = yield* hold({ tool: "files", method: "delete", params: { items, folder: "2024" } })
      yield* until(ReviewPanel.ReviewPanel.use(({ status }) => Effect.map(status(first), (one) => one !== undefined)))
      yield* approve(first)
      yield* hold({ tool: "files", method: "delete", params: { items, folder: "2025" } })
      yield* hold({ tool: "files", method: "drop", agent: { id: "robs-bot", type: "autonomous", version: "1.0.0" } })
      const ann = { id: "ann" as never, name: "Ann Archer", groups: ["finance" as never] }
      yield* Grants.Grants.use(({ grant }) =>
        grant(ann, {
          agentId: "bot",
          tool: "files",
          method: "drop",
          params: { folder: Grants.any },
          note: "for the move",
          expiresIn: "1 day"
        })
      )
      for (const width of [1280, 390]) {
        const { card, logIn, page } = yield* reviewer(url, { viewport: { width, height: 800 }, colorScheme })
        yield* act(async () => {
          await page.goto(url)
          await page.getByLabel("Your token").waitFor()
          assert.deepStrictEqual(await faults(page), [])
          // It does find what is wrong.
          await page.evaluate(() => document.querySelector("label")!.remove())
          assert.match((await faults(page)).join(), /\blabel: /)
        })
        yield* logIn(width === 390 ? "rob" : "ann")
        yield* act(async () => {
          await card("files/delete").locator(".changes ul").waitFor()
          await page.locator(".chart svg").waitFor()
          assert.deepStrictEqual(await faults(page), [])
          await card("files/delete").getByRole("button", { name: "Always …" }).click()
          await card("files/delete").getByLabel("folder may be").selectOption("one of")
          await page.getByRole("region", { name: "Standing approvals" }).getByText("used 0 times").waitFor()
          assert.deepStrictEqual(await faults(page), [])
          await card("files/delete").getByRole("button", {
            name: width === 390 ? "Reject" : "Approve files/delete"
          }).click()
          await card("files/delete").getByText(width === 390 ? "Rejected by" : "your vote is recorded").waitFor()
          assert.deepStrictEqual(await faults(page), [])
          if (width === 1280) {
            await page.keyboard.press("Escape")
            await page.getByRole("button", { name: "Shortcuts" }).click()
            await page.getByRole("dialog").waitFor()
            assert.deepStrictEqual(await faults(page), [])
          }
        })
      }
    })
  }
})
