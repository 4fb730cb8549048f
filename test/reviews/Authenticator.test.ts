import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Authenticator, VoteSigner } from "effect-vargate"

const token = Redacted.make("a long random token of Ann's")
const entry = { id: "ann", name: "Ann", groups: ["finance"], tokenHashes: [Authenticator.hashToken(token)] }

const authenticate = (credential: Redacted.Redacted) =>
  Authenticator.Authenticator.use((authenticator) => authenticator.authenticate(credential))

describe("Authenticator.layerTokens", () => {
  it.effect("knows a reviewer by the token alone", () =>
    Effect.gen(function*() {
      const { groups, id, name } = yield* authenticate(token)
      assert.deepStrictEqual([id, name, groups], ["ann", "Ann", ["finance"]])
      for (const other of ["ann", "", "a long random token of Bob's", entry.tokenHashes[0]!]) {
        const error = yield* Effect.flip(authenticate(Redacted.make(other)))
        assert.strictEqual(error._tag, "NotAuthenticated")
        assert.notInclude(`${error.message} ${JSON.stringify(error)}`, other === "" ? "\0" : `"${other}"`)
      }
    }).pipe(Effect.provide(Authenticator.layerTokens([entry]))))

  it.effect("refuses short tokens, though their hash is in the table", () =>
    Effect.gen(function*() {
      const short = Redacted.make("1234567890123456789")
      const layer = Authenticator.layerTokens([{ ...entry, tokenHashes: [Authenticator.hashToken(short)] }])
      assert.strictEqual((yield* Effect.flip(Effect.provide(authenticate(short), layer)))._tag, "NotAuthenticated")
    }))

  it.effect("refuses a table in which two are the same, or that holds no hashes", () =>
    Effect.gen(function*() {
      const tables: ReadonlyArray<ReadonlyArray<Authenticator.TokenEntry>> = [
        [entry, { ...entry, tokenHashes: [] }],
        [entry, { ...entry, id: "bob" }],
        [{ ...entry, tokenHashes: [Redacted.value(token)] }],
        [{ ...entry, id: "ann or\nbob" }],
        [{ ...entry, groups: [""] }]
      ]
      for (const table of tables) {
        const error = yield* Effect.flip(Layer.build(Authenticator.layerTokens(table)).pipe(Effect.scoped))
        assert.strictEqual(error.reason._tag, "InvalidRequest")
        assert.notInclude(JSON.stringify(error), Redacted.value(token))
      }
    }))

  it.effect("makes tokens that it takes, each another one", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* Authenticator.makeToken, yield* Authenticator.makeToken]
      assert.match(Redacted.value(one), /^vr_[A-Za-z0-9_-]{43}$/)
      assert.notStrictEqual(Redacted.value(one), Redacted.value(two))
      const layer = Authenticator.layerTokens([{ ...entry, tokenHashes: [Authenticator.hashToken(one)] }])
      assert.strictEqual((yield* Effect.provide(authenticate(one), layer)).id, "ann")
    }))
})

describe("VoteSigner", () => {
  it.effect("signs as RFC 8032 says", () =>
    Effect.gen(function*() {
      const { keyId, publicKey, sign } = yield* VoteSigner.VoteSigner
      // Its first test: an empty message.
      const signature = yield* sign("")
      assert.strictEqual(
        Buffer.from(publicKey, "base64url").toString("hex"),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
      )
      assert.strictEqual(
        Buffer.from(signature, "base64url").toString("hex"),
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
      )
      assert.strictEqual(keyId, VoteSigner.keyIdOf(publicKey))
      assert.isTrue(yield* VoteSigner.verify(publicKey, "", signature))
      for (
        const [key, text, signed] of [
          [publicKey, "x", signature],
          [publicKey, "", signature.replace(/^./, "A")],
          [publicKey, "", "no signature"],
          ["no key", "", signature],
          ["", "", ""]
        ] as const
      ) {
        assert.isFalse(yield* VoteSigner.verify(key, text, signed))
      }
    }).pipe(
      Effect.provide(
        VoteSigner.layer(Redacted.make("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
      )
    ))

  it.effect("refuses a key that is none, and does not show it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Layer.build(VoteSigner.layer(Redacted.make("secret-secret"))).pipe(Effect.scoped)
      )
      assert.strictEqual(error.reason._tag, "InvalidRequest")
      assert.notInclude(JSON.stringify(error) + error.message, "secret-secret")
      const made = yield* VoteSigner.makeKey
      assert.strictEqual((yield* Effect.provide(VoteSigner.VoteSigner, VoteSigner.layer(made))).keyId.length, 16)
    }))
})
