/**
 * Sessions of the embedded gateway: signed tokens that stand in for a key.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"

/**
 * What a token says. `email` is `unknown` for a tenant without an address.
 *
 * @category models
 * @since 0.1.0
 */
export const Claims = Schema.Struct({
  tenant_id: Schema.String,
  email: Schema.String,
  /** Seconds since 1970, as `exp`. */
  iat: Schema.Int,
  exp: Schema.Int
})

/**
 * Opens sessions and knows them again.
 *
 * **Details**
 *
 * JSON Web Tokens, signed with HMAC-SHA256 under a secret that the gateway makes for itself: they are good for 7 days, and
 * only while the gateway runs. They outlive the key that they were opened with, as on the measured gateway.
 *
 * @category services
 * @since 0.1.0
 */
export class Sessions extends Context.Service<Sessions, {
  readonly open: (tenant: {
    readonly id: string
    readonly email: string | null
  }) => Effect.Effect<Redacted.Redacted>
  /** Undefined for a token that is not ours, or over. */
  readonly read: (token: Redacted.Redacted) => Effect.Effect<typeof Claims.Type | undefined>
}>()("effect-vargate/gateway/Sessions") {}

const week = 7 * 24 * 60 * 60

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

const header = encode({ alg: "HS256", typ: "JWT" })

const decodeClaims = Schema.decodeUnknownOption(Schema.fromJsonString(Claims))

/**
 * Sessions under a secret of their own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Sessions> = Layer.sync(Sessions, () => {
  const secret = randomBytes(32)
  const sign = (payload: string) => createHmac("sha256", secret).update(`${header}.${payload}`).digest()

  return Sessions.of({
    open: ({ email, id }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const iat = Math.floor(now / 1000)
        const payload = encode({ tenant_id: id, email: email ?? "unknown", iat, exp: iat + week })
        return Redacted.make(`${header}.${payload}.${sign(payload).toString("base64url")}`)
      }),

    read: (token) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const [head, payload = "", signature = "", ...more] = Redacted.value(token).split(".")
        const given = Buffer.from(signature, "base64url")
        const expected = sign(payload)
        if (head !== header || more.length > 0 || given.length !== expected.length) return undefined
        if (!timingSafeEqual(given, expected)) return undefined
        const claims = decodeClaims(Buffer.from(payload, "base64url").toString())
        return claims._tag === "Some" && claims.value.exp * 1000 > now ? claims.value : undefined
      })
  })
})
