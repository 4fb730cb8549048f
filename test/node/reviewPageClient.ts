/** A reviewer's browser without its page: it keeps the cookie, and says where a request comes from. */
import { Effect, Layer, Redacted } from "effect"
import { type Approvals, type AuditLog, Authenticator, type ReviewPanel } from "effect-vargate"
import * as ReviewPage from "effect-vargate/node/ReviewPage"
import { HttpRouter, HttpServer } from "effect/http"

export const tokenOf = (id: string) => `a long random token of ${id}'s`

export const entryOf = (id: string) => ({
  id,
  name: id.toUpperCase(),
  groups: id === "cid" ? ["legal"] : ["finance"],
  tokenHashes: [Authenticator.hashToken(Redacted.make(tokenOf(id)))]
})

export const reviewers = Authenticator.layerTokens(["ann", "bob", "cid", "rob"].map(entryOf))

interface Sent {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export const browse = Effect.fnUntraced(function*(options: ReviewPage.Options = {}, base = "http://localhost:8090") {
  const services = yield* Effect.context<
    ReviewPanel.ReviewPanel | Approvals.Approvals | AuditLog.AuditLog | Authenticator.Authenticator
  >()
  const { dispose, handler } = HttpRouter.toWebHandler(
    ReviewPage.layer(options).pipe(
      Layer.provide(Layer.succeedContext(services)),
      Layer.provideMerge(HttpServer.layerServices)
    ),
    { disableLogger: true }
  )
  yield* Effect.addFinalizer(() => Effect.promise(dispose))
  const state = { cookie: "", csrf: "", setCookie: "", texts: [] as Array<string> }
  const send = (method: string, path: string, { body, headers = {} }: Sent = {}) =>
    Effect.promise(async () => {
      const response = await handler(
        new Request(`${base}${path}`, {
          method,
          headers: {
            host: new URL(base).host,
            ...method === "GET" ? {} : { origin: new URL(base).origin, "sec-fetch-site": "same-origin" },
            ...state.cookie === "" ? {} : { cookie: state.cookie },
            ...state.csrf === "" ? {} : { "x-vargate-csrf": state.csrf },
            ...body === undefined ? {} : { "content-type": "application/json" },
            ...headers
          },
          ...body === undefined ? {} : { body: JSON.stringify(body) }
        })
      )
      const setCookie = response.headers.get("set-cookie")
      if (setCookie !== null) {
        state.setCookie = setCookie
        state.cookie = /^(vargate_review_session=[^;]+)/.exec(setCookie)?.[1] ?? ""
      }
      const text = await response.text()
      state.texts.push(text, JSON.stringify([...response.headers]))
      const isJson = response.headers.get("content-type")?.startsWith("application/json") === true
      const json = isJson ? JSON.parse(text) : undefined
      if (json?.csrf !== undefined) state.csrf = json.csrf ?? ""
      return { status: response.status, headers: response.headers, text, body: json }
    })
  return {
    state,
    send,
    logIn: (id: string) => send("POST", "/panel/session", { body: { token: tokenOf(id) } })
  }
})
