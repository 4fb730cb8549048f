/** An agent waits, a person decides, the agent goes on. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import type { Page, Route } from "playwright-core"
import { Approvals } from "../../../../src/approvals/Approvals.ts"
import { Ledger } from "../../../../src/gateway/ledger/Ledger.ts"
import * as Governed from "../../../../src/governed/Governed.ts"
import { TimeMachine } from "../../../support/worlds.ts"
import { approve, hold, log, reject } from "../../suite/cases.ts"
import { acme, Address } from "../../suite/doors.ts"
import { act, inBrowser, needs, person } from "./browser.ts"

const name = "files/delete"

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

const statusOf = Effect.fnUntraced(function*(id: string) {
  return (yield* Ledger.use((ledger) => ledger.held(acme.id, id)))?.status
})

describe(`deciding at the page${needs}`, () => {
  inBrowser("approves with a note, and the agent goes on", function*() {
    const { card, logIn } = yield* person()
    yield* logIn()
    const { deleted, fiber } = yield* agent("/reports/2025.csv")
    yield* act(async () => {
      await card(name).getByText(`"path": "/reports/2025.csv"`).waitFor()
      await card(name).getByLabel("Note").fill("checked with Ana")
    })
    assert.deepStrictEqual(deleted, [])
    yield* act(() => card(name).getByRole("button", { name: `Approve ${name}` }).click())
    yield* Fiber.join(fiber)
    assert.deepStrictEqual(deleted, ["/reports/2025.csv"])
    yield* act(async () => {
      await card(name).getByText("Approved. The agent may act now.").waitFor()
      await card(name).getByText("Your note: checked with Ana").waitFor()
    })
    assert.include((yield* log({ limit: 1 })).records[0]!.params, { note: "checked with Ana" })
  })

  inBrowser("rejects with a note, and the agent does not act", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    const { deleted, fiber } = yield* agent("/reports/2025.csv")
    yield* act(async () => {
      await card(name).getByLabel("Note").fill("needed for the audit")
      await card(name).getByRole("button", { name: `Reject ${name}` }).click()
    })
    assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "Rejected")
    assert.deepStrictEqual(deleted, [])
    yield* act(async () => {
      await card(name).getByText("Rejected.", { exact: true }).waitFor()
      await page.getByRole("heading", { name: "No pending actions" }).waitFor()
    })
    assert.include((yield* log({ limit: 1 })).records[0]!.params, { note: "needed for the audit" })
  })

  inBrowser("says what the gateway did where it executes the action itself", function*() {
    const { card, logIn } = yield* person()
    yield* logIn()
    for (
      const [method, sentence] of [["delete", "The gateway has carried it out."], ["drop", "the tool failed"]] as const
    ) {
      yield* hold({ tool: "files", method })
      yield* act(async () => {
        await card(`files/${method}`).getByRole("button", { name: "Approve" }).click()
        await card(`files/${method}`).getByText(sentence).waitFor()
      })
    }
  }, {
    tools: {
      "files/delete": () => Effect.succeed({ deleted: true }),
      "files/drop": () => Effect.succeed({ error: "disk on fire" })
    }
  })

  const focusedName = (page: Page) =>
    page.evaluate(() => {
      const element = document.activeElement!
      const label = element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement
        ? element.labels?.[0]?.textContent
        : element.textContent
      return element.getAttribute("aria-label") ?? label ?? ""
    })

  const tabTo = async (page: Page, pattern: RegExp, key = "Tab") => {
    const passed: Array<string> = []
    for (let n = 0; n < 20; n++) {
      await page.keyboard.press(key)
      const name = await focusedName(page)
      if (pattern.test(name)) {
        assert.isTrue(await page.evaluate(() => document.activeElement!.matches(":focus-visible")), name)
        return
      }
      passed.push(name)
    }
    assert.fail(`${key} reaches no ${pattern}: ${passed.join(", ")}`)
  }

  inBrowser("needs no mouse", function*() {
    const { page } = yield* person()
    const url = yield* Address
    const { deleted, fiber } = yield* agent("/a")
    yield* act(async () => {
      await page.goto(url)
      assert.match(await focusedName(page), /^API key/)
      await page.keyboard.type(acme.apiKey)
      await page.keyboard.press("Enter")
      await page.getByRole("article", { name }).waitFor()
      assert.match(await focusedName(page), /pending actions?$/)
      await tabTo(page, /^Parameters of files\/delete/)
      await tabTo(page, /^Note/)
      await page.keyboard.type("by hand")
      // A line feed in a note decides nothing.
      await page.keyboard.press("Enter")
      await tabTo(page, /^Approve files\/delete/)
      await page.keyboard.press("Enter")
      await page.getByText("Approved. The agent may act now.").waitFor()
      assert.match(await focusedName(page), /^Approved\. The agent may act now\.Your note: by hand$/)
      await tabTo(page, /^Clear files\/delete/, "Shift+Tab")
      await page.keyboard.press("Enter")
      await page.getByRole("article").waitFor({ state: "detached" })
      // The count is written a moment later.
      await page.getByText("No pending actions").waitFor()
      assert.strictEqual(await focusedName(page), "No pending actions")
    })
    yield* Fiber.join(fiber)
    assert.deepStrictEqual(deleted, ["/a"])
  })

  inBrowser("moves on to the next card when one is cleared", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    for (const method of ["delete", "drop", "purge"]) {
      yield* hold({ tool: "files", method })
      yield* act(() => card(`files/${method}`).waitFor())
    }
    yield* act(async () => {
      await card("files/drop").getByRole("button", { name: "Reject" }).click()
      await card("files/drop").getByRole("button", { name: "Clear" }).click()
      assert.match(await focusedName(page), /purge/)
      assert.deepStrictEqual(await page.getByRole("heading", { level: 3 }).allTextContents(), [
        "files/delete",
        "files/purge"
      ])
    })
  })
})

/** Holds the requests to a path back, so that something else can happen meanwhile. */
const delayed = Effect.fnUntraced(function*(page: Page, path: string) {
  const arrived = yield* Deferred.make<void>()
  const routes: Array<Route> = []
  yield* act(() =>
    page.route(path, (route) => {
      routes.push(route)
      Deferred.doneUnsafe(arrived, Effect.void)
    })
  )
  return {
    routes,
    arrived: Deferred.await(arrived),
    release: act(async () => {
      for (const route of routes.splice(0)) await route.continue()
    })
  }
})

describe(`a decision that is not the only one${needs}`, () => {
  inBrowser("is sent once, however often a button is pressed", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    const id = yield* hold()
    const { arrived, release, routes } = yield* delayed(page, "**/approve/*")
    yield* act(() => card(name).getByRole("button", { name: "Approve" }).dblclick())
    yield* arrived
    yield* act(async () => {
      await card(name).getByText("Sending your approval").waitFor()
      for (const button of ["Approve", "Reject"]) {
        assert.strictEqual(await card(name).getByRole("button", { name: button }).getAttribute("aria-disabled"), "true")
        await card(name).getByRole("button", { name: button }).dispatchEvent("click")
      }
    })
    assert.strictEqual(routes.length, 1)
    yield* release
    yield* act(() => card(name).getByText("Approved.").waitFor())
    assert.strictEqual(yield* statusOf(id), "approved")
    assert.strictEqual((yield* log()).total, 2)
  })

  inBrowser("tells who comes second what was decided", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    const id = yield* hold()
    const { arrived, release } = yield* delayed(page, "**/approve/*")
    yield* act(() => card(name).getByRole("button", { name: "Approve" }).click())
    yield* arrived
    yield* reject(id)
    yield* release
    yield* act(() => card(name).getByText("Too late. Rejected elsewhere.").waitFor())
    assert.strictEqual(yield* statusOf(id), "rejected")
  })

  inBrowser("shows by itself what others decided, and takes the buttons away", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    const [first, second] = [
      yield* hold({ tool: "files", method: "delete" }),
      yield* hold({ tool: "files", method: "drop" })
    ]
    yield* act(async () => {
      await card("files/drop").getByLabel("Note").fill("half a thou")
      await card("files/delete").waitFor()
    })
    yield* approve(first)
    yield* act(() => card("files/delete").getByText("Approved elsewhere.").waitFor())
    yield* act(async () => {
      assert.strictEqual(await card("files/drop").getByLabel("Note").inputValue(), "half a thou")
      assert.isTrue(await card("files/drop").getByLabel("Note").evaluate((note) => note === document.activeElement))
    })
    yield* reject(second)
    yield* act(async () => {
      await card("files/drop").getByText("Rejected elsewhere.").waitFor()
      // The focus does not fall off the page with the field that held it.
      assert.match(await focusText(page), /^Rejected elsewhere/)
      assert.strictEqual(await page.getByRole("button", { name: /^(Approve|Reject)/ }).count(), 0)
    })
  })

  const focusText = (page: Page) => page.evaluate(() => document.activeElement!.textContent ?? "")

  inBrowser("may be taken again when no answer came, and is done once", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    const id = yield* hold()
    yield* act(async () => {
      await page.route("**/approve/*", (route) => route.abort("connectionreset"))
      await card(name).getByLabel("Note").fill("try twice")
      await card(name).getByRole("button", { name: "Approve" }).click()
      await card(name).getByText("No answer arrived").waitFor()
      await page.unroute("**/approve/*")
    })
    assert.strictEqual(yield* statusOf(id), "pending")
    yield* act(async () => {
      await card(name).getByRole("button", { name: "Approve" }).click()
      await card(name).getByText("Your note: try twice").waitFor()
    })
    assert.strictEqual(yield* statusOf(id), "approved")
  })

  inBrowser("is known to have arrived although its answer was lost", function*() {
    const { card, logIn, page } = yield* person()
    yield* logIn()
    const id = yield* hold()
    yield* act(async () => {
      await page.route("**/approve/*", async (route) => {
        await route.fetch()
        await route.abort("connectionreset")
      })
      await card(name).getByRole("button", { name: "Approve" }).click()
      await card(name).getByText("Approved. The agent may act now.").waitFor()
    })
    assert.strictEqual(yield* statusOf(id), "approved")
    assert.strictEqual((yield* log()).total, 2)
  })
})

describe(`expiry at the page${needs}`, () => {
  inBrowser(
    "comes in the middle of a decision",
    function*() {
      const { card, logIn } = yield* person()
      yield* logIn()
      const id = yield* hold()
      yield* act(() => card(name).waitFor())
      const time = yield* TimeMachine
      yield* time.jump("61 minutes")
      yield* act(async () => {
        await card(name).getByRole("button", { name: "Approve" }).click()
        await card(name).getByText("Expired: no reviewer decided in time.").waitFor()
      })
      assert.strictEqual(yield* statusOf(id), "expired")
    }
  )

  inBrowser(
    "is shown as soon as anybody notices",
    function*() {
      const { card, logIn, page } = yield* person()
      yield* logIn()
      yield* hold()
      yield* act(() => card(name).getByText(/59 min left/).waitFor())
      const time = yield* TimeMachine
      yield* time.jump("61 minutes")
      yield* Approvals.use((approvals) => approvals.pending)
      yield* act(async () => {
        await card(name).getByText("Expired: no reviewer decided in time.").waitFor()
        await page.getByRole("heading", { name: "No pending actions" }).waitFor()
      })
    }
  )

  inBrowser(
    "is counted down, and asked about when the time is up",
    function*() {
      const { card, logIn, page } = yield* person()
      yield* act(() => page.clock.install())
      yield* logIn()
      yield* hold()
      yield* act(async () => {
        await card(name).waitFor()
        await page.clock.fastForward("52:00")
        await card(name).getByText(/^7:\d\d min left$/).waitFor()
        await page.clock.fastForward("05:00")
        await card(name).locator(".countdown.soon").waitFor()
      })
      const time = yield* TimeMachine
      yield* time.jump("61 minutes")
      yield* act(async () => {
        await page.clock.fastForward("03:00")
        await card(name).getByText("Expired: no reviewer decided in time.").waitFor()
      })
    }
  )
})
