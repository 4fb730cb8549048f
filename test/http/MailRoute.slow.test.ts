/** The page behind a one-time link, in a real browser. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { MailLinks, Reviewer } from "effect-vargate"
import * as MailRoute from "effect-vargate/http/MailRoute"
import { HttpRouter, HttpServer } from "effect/http"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { chromium } from "playwright-core"
import { minute } from "../reviews/ballots.ts"

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path)
)

const markup =
  "</pre><script>document.title = 'broken'</script><img src=x onerror=\"document.title='broken'\">\u202egpj"

const view: MailLinks.LinkView = {
  _tag: "Open",
  reviewer: new Reviewer.Reviewer({ id: "ann", name: "Ann", groups: ["finance"] }),
  onBehalfOf: null,
  digest: "0".repeat(64),
  agentId: "refund-bot",
  tool: "stripe",
  method: "create_refund",
  params: { amount: 4000, [markup]: markup, long: "0123456789".repeat(60), ש: "\u05e9\u05dc\u05d5\u05dd" },
  violations: ["amount_above_limit", markup],
  createdAt: minute(0),
  timeoutAt: minute(60),
  votes: [{ reviewerId: "bob", choice: "approve" }],
  needs: ["Needs 2 of finance.", "2 of finance: approved by bob."]
}

interface Fault {
  readonly id: string
  readonly impact: string | null
}

describe.skipIf(executablePath === undefined)("MailRoute in a browser (needs chromium)", () => {
  it.live("shows texts as texts, violates no policy of its own, takes a click, and has no serious fault by axe", () =>
    Effect.gen(function*() {
      const votes: Array<MailLinks.LinkVote> = []
      let taken = false
      const links: MailLinks.MailLinks["Service"] = {
        reviewers: [],
        create: () => Effect.succeed(Redacted.make("")),
        look: () =>
          Effect.sync((): MailLinks.LinkView => taken ? { _tag: "Over", reason: "Used", status: undefined } : view),
        vote: (_, vote) =>
          Effect.sync(() => {
            votes.push(vote)
            taken = true
            return undefined
          })
      }
      const context = yield* Layer.build(
        HttpRouter.serve(MailRoute.layer("/review"), { disableLogger: true, disableListenLog: true }).pipe(
          Layer.provide(Layer.succeed(MailLinks.MailLinks, links)),
          Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
        )
      )
      const { address } = Effect.runSync(Effect.provide(HttpServer.HttpServer, context))
      const url = `http://127.0.0.1:${"port" in address ? address.port : 0}/review?sig=${"t".repeat(43)}`
      const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
      const browser = yield* Effect.acquireRelease(
        Effect.promise(() =>
          chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox", "--disable-gpu"] })
        ),
        (browser) => Effect.promise(() => browser.close())
      )
      for (const colorScheme of ["light", "dark"] as const) {
        for (const width of [1280, 390]) {
          yield* Effect.promise(async () => {
            taken = false
            const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } })
            const page = await context.newPage()
            const complaints: Array<string> = []
            page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
            page.on("pageerror", (error) => complaints.push(String(error)))
            await page.goto(url)
            assert.strictEqual(await page.title(), "Review needed")
            assert.strictEqual(await page.locator("img, script").count(), 0)
            assert.include(await page.locator("pre").innerText(), "<script>document.title")
            const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert.isAtMost(overflow as number, 0)
            assert.deepStrictEqual(complaints, [])
            // By the debugger's hand: the page's own policy lets no such script in.
            await page.evaluate(axe)
            const { violations } = await page.evaluate("axe.run()") as { readonly violations: ReadonlyArray<Fault> }
            assert.deepStrictEqual(violations.filter(({ impact }) => impact === "serious" || impact === "critical"), [])
            complaints.length = 0
            await page.getByLabel("Why, for the record").fill("a note")
            await page.getByRole("button", { name: width === 390 ? "Reject" : "Approve" }).click()
            await page.getByRole("heading", { name: "This link was used" }).waitFor()
            assert.deepStrictEqual(complaints.filter((text) => !/status of 410/.test(text)), [])
            await context.close()
          })
        }
      }
      assert.deepStrictEqual(
        votes.map(({ choice, digest, note }) => [choice, digest, note]),
        ["approve", "reject", "approve", "reject"].map((choice) => [choice, "0".repeat(64), "a note"])
      )
    }).pipe(Effect.scoped))
})
