/** A person at the inbox page, in a real browser. */
import { afterAll, assert, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { existsSync } from "node:fs"
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"
import type * as Gateway from "../../../../src/gateway/Gateway.ts"
import { type TimeMachine, timeMachine } from "../../../support/worlds.ts"
import { acme, Address, type House, overSocket } from "../../suite/doors.ts"

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path)
)

/** For the title of a suite that is skipped. */
export const needs = executablePath === undefined ? " (needs chromium)" : ""

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A name on the internet that was pointed at this machine.
  "--host-resolver-rules=MAP rebound.example 127.0.0.1"
]

/** One for all cases of a file: each has a context of its own in it. */
let browser: Promise<Browser> | undefined

const launched = Effect.promise(() => browser ??= chromium.launch({ executablePath: executablePath!, args: quiet }))

afterAll(() => browser?.then((browser) => browser.close()))

/** What is done with a page, as an effect. */
export const act = <A>(does: () => Promise<A>): Effect.Effect<A> => Effect.promise(does)

/** What a browser writes where a request fails, whether the page copes with it or not. */
const failedRequest = /^Failed to load resource/

export interface Person {
  readonly page: Page
  /** Every URL that the browser asked for. */
  readonly urls: ReadonlyArray<string>
  /** Opens the page and logs in. */
  readonly logIn: (key?: string) => Effect.Effect<void>
  /** One card, by the name of its action. */
  readonly card: (name: string) => ReturnType<Page["locator"]>
}

type ContextOptions = NonNullable<Parameters<Browser["newContext"]>[0]>

/**
 * A person with a browser of their own. At the end nothing must have gone wrong that a browser would complain of: no
 * violated policy, no uncaught error, no dialog. What a case provokes, it expects by a pattern.
 */
export const person = Effect.fnUntraced(function*(options: ContextOptions = {}, expected?: RegExp) {
  const browser = yield* launched
  const url = yield* Address
  const trouble: Array<string> = []
  const complain = (text: string) => {
    if (!failedRequest.test(text) && expected?.test(text) !== true) trouble.push(text)
  }
  const urls: Array<string> = []
  const context: BrowserContext = yield* Effect.acquireRelease(
    act(() => browser.newContext(options)),
    (context) => act(() => context.close())
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => assert.deepStrictEqual(trouble, [])))
  context.on("weberror", (error) => complain(String(error.error())))
  context.on("dialog", (dialog) => {
    complain(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  context.on("console", (message) => {
    if (message.type() === "error") complain(message.text())
  })
  context.on("request", (request) => urls.push(request.url()))
  const page = yield* act(() => context.newPage())
  const person: Person = {
    page,
    urls,
    logIn: (key = acme.apiKey) =>
      act(async () => {
        await page.goto(url)
        await page.getByLabel("API key").fill(key)
        await page.getByRole("button", { name: "Open the inbox" }).click()
        await page.locator("[data-link=live]").waitFor()
      }),
    card: (name) => page.getByRole("article", { name })
  }
  return person
})

/** A case in the browser, over a fresh gateway on a port of this machine. The gateway's time can be moved forward. */
export const inBrowser = (
  name: string,
  body: () => Effect.fn.Return<void, unknown, House | TimeMachine | Scope.Scope>,
  options: Gateway.Options = {}
) =>
  it.live.skipIf(executablePath === undefined)(
    executablePath === undefined ? `${name} (needs chromium)` : name,
    () =>
      Effect.gen(body).pipe(
        Effect.scoped,
        Effect.provide(overSocket.layer(options).pipe(Layer.provideMerge(timeMachine)))
      )
  )
