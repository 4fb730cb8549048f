/**
 * The state of a call that is under way, as the client keeps it (`requestState`): sealed with HMAC-SHA256, since a client
 * can send whatever it likes. What was changed, or was sealed for another purpose, opens as nothing.
 *
 * The code is synchronous. `effect/crypto/Mac` computes on `crypto.subtle`, whose answers come in a time of their own: a
 * governed call would wait for them in the middle of its decision.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Hex from "effect/encoding/Hex"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { FieldIssue, VargateError } from "../../errors/VargateError.ts"
import { concatBytes } from "../../internal/concatBytes.ts"
import { sha256Of } from "../../internal/sha256.ts"

/** @internal */
export interface Sealer<State> {
  readonly seal: (state: State) => string
  /** Undefined for what was not sealed with one of the keys. Says nothing of expiry. */
  readonly open: (sealed: string) => State | undefined
  /**
   * Four digits that follow from a sealed state and stand nowhere in it; undefined for what was not sealed with one of the
   * keys.
   */
  readonly codeOf: (sealed: string) => string | undefined
}

type Keys = ReadonlyArray<Redacted.Redacted> | undefined

/** The shortest key that is taken, in characters. */
const minKeyLength = 32

/**
 * What is wrong with keys: there is none in the list, or one is short enough to be guessed.
 *
 * @internal
 */
export const issuesOfKeys = (keys: Keys): ReadonlyArray<FieldIssue> =>
  keys?.length === 0 || keys?.some((key) => Redacted.value(key).length < minKeyLength)
    ? [{ path: ["stateKeys"], message: `Expected keys of at least ${minKeyLength} characters` }]
    : []

/**
 * A sealer, or what is wrong with its keys. States of one purpose do not open as those of another, whatever their keys.
 *
 * @internal
 */
export const makeSealer = <State>(
  operation: string,
  purpose: string,
  schema: Schema.Codec<State, unknown>,
  keys: Keys
): Effect.Effect<Sealer<State>, VargateError> =>
  Effect.suspend(() => {
    const issues = issuesOfKeys(keys)
    return issues.length === 0
      ? Effect.succeed(sealerOf(purpose, schema, keys))
      : Effect.fail(invalidRequest(operation, issues))
  })

/**
 * The first key seals, and each of them opens, so that keys can be exchanged one after the other. Without keys: a random
 * one, which no other process has.
 *
 * @internal
 */
export const sealerOf = <State>(
  purpose: string,
  schema: Schema.Codec<State, unknown>,
  keys: Keys = [randomKey()]
): Sealer<State> => {
  const decodeState = Schema.decodeUnknownResult(Schema.fromJsonString(schema))
  const macs = keys.map((key) => hmac(encoder.encode(Redacted.value(key))))
  const sealOf = (mac: Mac, body: string) => Base64Url.encode(mac(`${purpose}.${body}`))
  /** The body of a sealed state, and the key that it was sealed with. */
  const opened = (sealed: string) => {
    const [body = "", seal = "", ...rest] = sealed.split(".", 3)
    // Each of them is compared, and each in full.
    const fits = macs.map((mac) => isSame(sealOf(mac, body), seal))
    const at = fits.indexOf(true)
    return at < 0 || rest.length > 0 ? undefined : { body, mac: macs[at]! }
  }
  return {
    seal: (state) => {
      const body = Base64Url.encode(JSON.stringify(state))
      return `${body}.${sealOf(macs[0]!, body)}`
    },
    open: (sealed) => {
      const found = opened(sealed)
      return found && Result.getOrUndefined(Result.flatMap(Base64Url.decodeString(found.body), decodeState))
    },
    codeOf: (sealed) => {
      const found = opened(sealed)
      if (found === undefined) return undefined
      const code = found.mac(`${purpose} code.${found.body}`)
      return String(new DataView(code.buffer).getUint32(0) % 10_000).padStart(4, "0")
    }
  }
}

/** A key that no other process has. */
const randomKey = (): Redacted.Redacted => Redacted.make(Hex.encode(crypto.getRandomValues(new Uint8Array(32))))

type Mac = (text: string) => Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()
const blockSize = 64

const hmac = (key: Uint8Array): Mac => {
  const padded = new Uint8Array(blockSize)
  padded.set(key.length > blockSize ? sha256Of(key) : key)
  const inner = padded.map((byte) => byte ^ 0x36)
  const outer = padded.map((byte) => byte ^ 0x5c)
  return (text) => sha256Of(concatBytes([outer, sha256Of(concatBytes([inner, encoder.encode(text)]))]))
}

/** Takes as long whatever differs. */
const isSame = (a: string, b: string): boolean => {
  let different = a.length ^ b.length
  for (let i = 0; i < a.length; i++) different |= a.charCodeAt(i) ^ b.charCodeAt(i % (b.length || 1))
  return different === 0
}
