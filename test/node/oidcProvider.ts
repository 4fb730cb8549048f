/** A real provider of OpenID Connect, behind a proxy that can put other answers in the place of its own. */
import { Effect } from "effect"
import * as jose from "jose"
import { createServer, type IncomingMessage, request as send, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type Configuration, Provider } from "oidc-provider"

export const clientId = "review-panel"
export const clientSecret = "a long random secret of the panel's"

/** Whom the provider knows, as its user info has them. */
const people: Readonly<Record<string, { readonly name: string; readonly groups: ReadonlyArray<string> }>> = {
  "sub-ann": { name: "Ann Archer", groups: ["finance"] },
  "sub-bob": { name: "Bob Baker", groups: ["finance"] }
}

export interface Key {
  readonly kid: string
  readonly privateKey: jose.CryptoKey
  readonly jwk: jose.JWK
}

export const newKey = (kid: string) =>
  Effect.promise(async (): Promise<Key> => {
    const { privateKey } = await jose.generateKeyPair("ES256", { extractable: true })
    return { kid, privateKey, jwk: { ...await jose.exportJWK(privateKey), kid, alg: "ES256", use: "sig" } }
  })

const listen = (server: Server) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<number>((resolve) =>
        server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
      )
    ),
    () =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

const whole = async (message: IncomingMessage) => {
  const chunks: Array<Buffer> = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** What the proxy puts in the place of an answer in JSON, by its path. */
export type Tampering = (path: string, body: Readonly<Record<string, unknown>>) => Promise<unknown>

export const makeProvider = Effect.fnUntraced(function*(redirectUris: ReadonlyArray<string>) {
  const first = yield* newKey("k1")
  const state = {
    key: first,
    /** Who is at the provider's login. */
    account: "sub-ann",
    tamper: undefined as Tampering | undefined,
    /** The requests to the token endpoint, as they were sent. */
    redeemed: [] as Array<string>
  }
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = () => undefined
  const inner = createServer((request, response) => void handle(request, response))
  const innerPort = yield* listen(inner)

  const proxy = createServer((incoming, outgoing) => {
    void (async () => {
      const body = await whole(incoming)
      const path = new URL(incoming.url ?? "/", "http://localhost").pathname
      if (path === "/token") state.redeemed.push(String(body))
      const forwarded = send({
        host: "127.0.0.1",
        port: innerPort,
        method: incoming.method,
        path: incoming.url,
        headers: incoming.headers
      }, (answer) => {
        void (async () => {
          const text = await whole(answer)
          const isJson = /json/.test(answer.headers["content-type"] ?? "")
          const { "content-length": _, "transfer-encoding": __, ...headers } = answer.headers
          outgoing.writeHead(answer.statusCode ?? 502, headers)
          outgoing.end(
            isJson && state.tamper !== undefined
              ? JSON.stringify(await state.tamper(path, JSON.parse(String(text))))
              : text
          )
        })()
      })
      forwarded.end(body)
    })()
  })
  const issuer = `http://127.0.0.1:${yield* listen(proxy)}`

  /** Starts it anew with these keys, as a restart after a rotation does. */
  const start = (...keys: ReadonlyArray<Key>) => {
    state.key = keys[0]!
    const configuration: Configuration = {
      clients: [{
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [...redirectUris],
        id_token_signed_response_alg: "ES256"
      }],
      jwks: { keys: keys.map(({ jwk }) => jwk) as never },
      cookies: { keys: ["of this provider's cookies"] },
      claims: { openid: ["sub"], profile: ["name", "groups"] },
      pkce: { required: () => true },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
      loadExistingGrant: async (ctx) => {
        const { client, session } = ctx.oidc
        const grant = new ctx.oidc.provider.Grant({ clientId: client!.clientId, accountId: session!.accountId! })
        grant.addOIDCScope("openid profile")
        await grant.save()
        return grant
      }
    }
    const provider = new Provider(issuer, configuration)
    const callback = provider.callback()
    handle = (request, response) =>
      request.url?.startsWith("/interaction/") === true
        ? provider.interactionFinished(request, response, { login: { accountId: state.account } }, {
          mergeWithLastSubmission: false
        })
        : callback(request, response)
  }
  start(first)

  /** A browser at the provider: follows its redirects until they lead elsewhere. */
  const walk = (url: string) =>
    Effect.promise(async () => {
      const jar = new Map<string, string>()
      for (let at = url, n = 0; n < 10; n++) {
        const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ")
        const answer = await fetch(at, { redirect: "manual", headers: cookie === "" ? {} : { cookie } })
        for (const text of answer.headers.getSetCookie()) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(text)!
          if (value === "") jar.delete(name!)
          else jar.set(name!, value!)
        }
        const location = answer.headers.get("location")
        if (location === null) return new URL(`${issuer}/stopped?status=${answer.status}`)
        at = new URL(location, at).href
        if (!at.startsWith(issuer)) return new URL(at)
      }
      throw new Error("too many redirects")
    })

  return { issuer, state, start, walk }
})
