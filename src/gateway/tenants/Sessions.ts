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
import { monotonicMillis } from "../../internal/elapsed.ts"
import { KeyScope } from "../../model/KeyScope.ts"
import type { Bond } from "../../transport/wire/ApiKey.ts"

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
  exp: Schema.Int,
  /** What the key that opened it may do. */
  scopes: Schema.Array(KeyScope),
  /** The keys that the session ends with, each under a seal that shows nothing of it. */
  bonds: Schema.Array(Schema.Struct({
    tenant_id: Schema.String,
    name: Schema.NullOr(Schema.String),
    seal: Schema.String
  })),
  /** Seconds on the gateway's own clock, which is never set back. */
  age: Schema.Finite
})

/**
 * Opens sessions and knows them again.
 *
 * **Details**
 *
 * JSON Web Tokens, signed with HMAC-SHA256 under a secret that the gateway makes for itself: they are good for 7 days, and
 * only while the gateway runs. A session ends with the key that it was opened with: where that is rotated or removed, the
 * session is refused. On the measured gateway it outlives its key.
 *
 * @category services
 * @since 0.1.0
 */
export class Sessions extends Context.Service<Sessions, {
  readonly open: (
    tenant: { readonly id: string; readonly email: string | null },
    scopes: ReadonlyArray<KeyScope>,
    bonds: ReadonlyArray<Bond>
  ) => Effect.Effect<Redacted.Redacted>
  /** Undefined for a token that is not ours, or over. `isBoundTo` says whether a bond is to the key with this hash. */
  readonly read: (token: Redacted.Redacted) => Effect.Effect<typeof Claims.Type | undefined>
  readonly isBoundTo: (bond: (typeof Claims.Type)["bonds"][number], hash: string) => boolean
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
  const sealOf = (hash: string) => createHmac("sha256", secret).update(`key ${hash}`).digest("base64url")

  return Sessions.of({
    open: Effect.fnUntraced(function*({ email, id }, scopes, bonds) {
      const iat = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const age = (yield* monotonicMillis) / 1000
      const sealed = bonds.map(({ hash, name, tenantId }) => ({ tenant_id: tenantId, name, seal: sealOf(hash) }))
      const payload = encode({
        tenant_id: id,
        email: email ?? "unknown",
        iat,
        exp: iat + week,
        scopes,
        bonds: sealed,
        age
      })
      return Redacted.make(`${header}.${payload}.${sign(payload).toString("base64url")}`)
    }),

    read: (token) =>
      Effect.map(monotonicMillis, (now) => {
        const [head, payload = "", signature = "", ...more] = Redacted.value(token).split(".", 4)
        const given = Buffer.from(signature, "base64url")
        const expected = sign(payload)
        if (head !== header || more.length > 0 || given.length !== expected.length) return undefined
        if (!timingSafeEqual(given, expected)) return undefined
        const claims = decodeClaims(Buffer.from(payload, "base64url").toString())
        return claims._tag === "Some" && claims.value.age + week > now / 1000 ? claims.value : undefined
      }),

    isBoundTo: ({ seal }, hash) => seal === sealOf(hash)
  })
})
