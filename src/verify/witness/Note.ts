/**
 * Signed notes and the keys of those who sign them, as Go's `sumdb/note` and C2SP write them: Ed25519 for logs, timestamped
 * cosignatures for witnesses, by Ed25519 or ML-DSA-44.
 *
 * **Details**
 *
 * Keys are texts: `name+id+key` for verification, `PRIVATE+KEY+name+id+seed` for signing. Ed25519 comes from Web Crypto, so
 * that it runs wherever JavaScript does. Cosignatures by ML-DSA-44 are verified where the runtime has it (`MlDsa44`), and not
 * made.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { Hasher } from "../Hasher.ts"
import * as LogHead from "./LogHead.ts"
import { MlDsa44 } from "./MlDsa44.ts"

/**
 * What a key signs: `log` a note as it stands, `witness` a cosignature with a time.
 *
 * @category models
 * @since 0.2.0
 */
export const KeyKind = Schema.Literals(["log", "witness"])

/**
 * The type of {@link KeyKind}.
 *
 * @category models
 * @since 0.2.0
 */
export type KeyKind = typeof KeyKind.Type

/**
 * What a key signs by. Logs have Ed25519.
 *
 * @category models
 * @since 0.2.0
 */
export const Algorithm = Schema.Literals(["Ed25519", "ML-DSA-44"])

/**
 * The type of {@link Algorithm}.
 *
 * @category models
 * @since 0.2.0
 */
export type Algorithm = typeof Algorithm.Type

/**
 * A key that verifies.
 *
 * @category models
 * @since 0.2.0
 */
export interface VerifierKey {
  readonly name: string
  readonly kind: KeyKind
  readonly algorithm: Algorithm
  /** The first four bytes of SHA-256(name, newline, kind, key), in hex. */
  readonly id: string
  readonly publicKey: Uint8Array<ArrayBuffer>
}

/**
 * A key that signs.
 *
 * @category models
 * @since 0.2.0
 */
export interface SignerKey {
  readonly verifier: VerifierKey
  readonly seed: Redacted.Redacted<Uint8Array<ArrayBuffer>>
}

/**
 * One line under a note: who signed, with which key, and the bytes.
 *
 * @category models
 * @since 0.2.0
 */
export interface Signature {
  readonly name: string
  /** In hex. */
  readonly keyId: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/**
 * A text with signatures. The text ends with a newline.
 *
 * @category models
 * @since 0.2.0
 */
export interface Note {
  readonly text: string
  readonly signatures: ReadonlyArray<Signature>
}

interface KeyType {
  readonly kind: KeyKind
  readonly algorithm: Algorithm
}

/** By the byte before a key. */
const types: Readonly<Record<number, KeyType>> = {
  1: { kind: "log", algorithm: "Ed25519" },
  4: { kind: "witness", algorithm: "Ed25519" },
  6: { kind: "witness", algorithm: "ML-DSA-44" }
}

const typeOf = ({ algorithm, kind }: KeyType): number => algorithm === "ML-DSA-44" ? 6 : kind === "witness" ? 4 : 1

/** In bytes. */
const sizes: Readonly<Record<Algorithm, { readonly publicKey: number; readonly signature: number }>> = {
  "Ed25519": { publicKey: 32, signature: 64 },
  "ML-DSA-44": { publicKey: 1312, signature: 2420 }
}

/** A name with a blank or a plus would make lines and keys ambiguous. */
const namePattern = /^[^\s+\p{Cc}]+$/u
const maxName = 255
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

const hexOf = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

const isName = (name: string) =>
  typeof name === "string" && name.length <= maxName && namePattern.test(name) && name.isWellFormed()

/** Exactly as it would be written: another spelling of the same bytes is refused. */
const fromBase64 = (text: string): Uint8Array<ArrayBuffer> | undefined => {
  const bytes = Base64.decode(text)
  return Result.isSuccess(bytes) && Base64.encode(bytes.success) === text ? new Uint8Array(bytes.success) : undefined
}

const joined = (...parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0)
  return whole
}

const idOf = (name: string, type: number, key: Uint8Array) =>
  Effect.flatMap(
    Hasher,
    ({ hashAll }) =>
      Effect.map(
        hashAll([joined(encoder.encode(`${name}\n`), Uint8Array.of(type), key)]),
        ([hash]) => hash!.slice(0, 8)
      )
  )

const refused = (operation: string, message: string): Effect.Effect<never, VargateError> =>
  Effect.fail(invalidRequest(operation, [{ path: [], message }]))

// --- keys ------------------------------------------------------------------------------------------------------------

/** What stands before the 32 bytes of a seed in PKCS #8. */
const pkcs8 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20)

const privateKeyOf = (seed: Uint8Array) =>
  crypto.subtle.importKey("pkcs8", joined(pkcs8, seed), "Ed25519", true, ["sign"])

const publicKeyOf = async (seed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> => {
  const { x = "" } = await crypto.subtle.exportKey("jwk", await privateKeyOf(seed))
  return new Uint8Array(Result.getOrThrow(Base64.decode(x.replaceAll("-", "+").replaceAll("_", "/").padEnd(44, "="))))
}

const verifierOf = (
  name: string,
  { algorithm, kind }: KeyType,
  publicKey: Uint8Array<ArrayBuffer>
): Effect.Effect<VerifierKey> =>
  Effect.map(
    idOf(name, typeOf({ algorithm, kind }), publicKey),
    (id) => ({ name, kind, algorithm, id, publicKey })
  )

/**
 * A signing key from 32 bytes of randomness. Fails with `InvalidRequest` for a name with blanks or a plus.
 *
 * @category keys
 * @since 0.2.0
 */
export const makeKey = Effect.fnUntraced(function*(
  name: string,
  kind: KeyKind = "log"
): Effect.fn.Return<SignerKey, VargateError> {
  if (!isName(name)) {
    return yield* refused("Note.makeKey", "a name has no blank and no plus, and at most 255 characters")
  }
  const seed = crypto.getRandomValues(new Uint8Array(32))
  return {
    verifier: yield* verifierOf(name, { kind, algorithm: "Ed25519" }, yield* Effect.promise(() => publicKeyOf(seed))),
    seed: Redacted.make(seed)
  }
})

/**
 * A key for verification as a text.
 *
 * @category keys
 * @since 0.2.0
 */
export const formatVerifier = ({ algorithm, id, kind, name, publicKey }: VerifierKey): string =>
  `${name}+${id}+${Base64.encode(joined(Uint8Array.of(typeOf({ algorithm, kind })), publicKey))}`

/**
 * A key for signing as a text, which is a secret.
 *
 * @category keys
 * @since 0.2.0
 */
export const formatSigner = ({ seed, verifier }: SignerKey): Redacted.Redacted =>
  Redacted.make(
    `PRIVATE+KEY+${verifier.name}+${verifier.id}+${
      Base64.encode(joined(Uint8Array.of(typeOf(verifier)), Redacted.value(seed)))
    }`
  )

const splitKey = (text: unknown) => {
  if (typeof text !== "string") return undefined
  const [name, id, key, ...rest] = text.split("+")
  // Base64 has pluses of its own.
  const bytes = key === undefined ? undefined : fromBase64([key, ...rest].join("+"))
  const type = bytes === undefined ? undefined : types[bytes[0]!]
  return name === undefined || id === undefined || bytes === undefined || type === undefined ||
      bytes.length !== 1 + sizes[type.algorithm].publicKey || !isName(name) || !/^[0-9a-f]{8}$/.test(id)
    ? undefined
    : { name, id, type, key: bytes.slice(1) }
}

/**
 * Reads a key for verification. Fails with `InvalidRequest` where it is none, of another algorithm, or its id does not
 * belong to it.
 *
 * @category keys
 * @since 0.2.0
 */
export const parseVerifier = Effect.fnUntraced(function*(text: string): Effect.fn.Return<VerifierKey, VargateError> {
  const parts = splitKey(text)
  if (parts === undefined) {
    return yield* refused("Note.parseVerifier", "this is no key by Ed25519 or ML-DSA-44: name+id+base64")
  }
  const verifier = yield* verifierOf(parts.name, parts.type, parts.key)
  return verifier.id === parts.id ? verifier : yield* refused("Note.parseVerifier", "the id is not that of the key")
})

/**
 * Reads a key for signing. Fails with `InvalidRequest` where it is none; the error does not show it.
 *
 * @category keys
 * @since 0.2.0
 */
export const parseSigner = Effect.fnUntraced(function*(
  text: Redacted.Redacted | string
): Effect.fn.Return<SignerKey, VargateError> {
  const plain: unknown = Redacted.isRedacted(text) ? Redacted.value(text) : text
  const prefix = "PRIVATE+KEY+"
  const parts = typeof plain === "string" && plain.startsWith(prefix) ? splitKey(plain.slice(prefix.length)) : undefined
  if (parts?.type.algorithm !== "Ed25519") {
    return yield* refused("Note.parseSigner", "this is no key for signing by Ed25519")
  }
  const publicKey = yield* Effect.promise(() => publicKeyOf(parts.key))
  const verifier = yield* verifierOf(parts.name, parts.type, publicKey)
  return verifier.id === parts.id
    ? { verifier, seed: Redacted.make(parts.key) }
    : yield* refused("Note.parseSigner", "the id is not that of the key")
})

// --- notes -----------------------------------------------------------------------------------------------------------

const maxSignatures = 100
const maxBytes = 1024 * 1024

/**
 * A signature as a line, without its newline.
 *
 * @category notes
 * @since 0.2.0
 */
export const formatSignature = ({ bytes, keyId, name }: Signature): string =>
  `— ${name} ${
    Base64.encode(joined(
      Uint8Array.from({ length: 4 }, (_, i) => Number.parseInt(keyId.slice(2 * i, 2 * i + 2), 16)),
      bytes
    ))
  }`

/**
 * A note as a text.
 *
 * @category notes
 * @since 0.2.0
 */
export const format = ({ signatures, text }: Note): string =>
  `${text}\n${signatures.map((signature) => `${formatSignature(signature)}\n`).join("")}`

const parseLine = (line: string): Signature | undefined => {
  const [dash, name, base64, ...rest] = line.split(" ")
  if (dash !== "—" || name === undefined || base64 === undefined || rest.length > 0 || !isName(name)) return undefined
  const bytes = fromBase64(base64)
  return bytes === undefined || bytes.length < 5
    ? undefined
    : { name, keyId: hexOf(bytes.subarray(0, 4)), bytes: bytes.slice(4) }
}

/**
 * Reads signature lines, each ended by a newline. Fails with `InvalidRequest` where one is none.
 *
 * @category notes
 * @since 0.2.0
 */
export const parseSignatures = (text: string): Effect.Effect<ReadonlyArray<Signature>, VargateError> => {
  const lines = text.split("\n")
  const signatures = lines.slice(0, -1).map(parseLine)
  return lines.at(-1) !== "" || signatures.length > maxSignatures || signatures.includes(undefined)
    ? refused("Note.parse", "the signatures are not lines of a dash, a name and base64")
    : Effect.succeed(signatures as ReadonlyArray<Signature>)
}

/**
 * Reads a note. Nothing is verified. Fails with `InvalidRequest` where it is none.
 *
 * @category notes
 * @since 0.2.0
 */
export const parse = Effect.fnUntraced(function*(content: string | Uint8Array): Effect.fn.Return<Note, VargateError> {
  let whole: string
  if (typeof content === "string") {
    whole = content
  } else {
    const decoded = Result.try(() => decoder.decode(content))
    if (Result.isFailure(decoded)) return yield* refused("Note.parse", "a note is UTF-8")
    whole = decoded.success
  }
  if (whole.length > maxBytes) return yield* refused("Note.parse", "a note has at most a megabyte")
  const end = whole.lastIndexOf("\n\n")
  // Control characters would let a note look like another one.
  if (end <= 0 || /[^\n\P{Cc}]/u.test(whole) || !whole.isWellFormed()) {
    return yield* refused("Note.parse", "a note is a text, an empty line, and lines of signatures")
  }
  const signatures = yield* parseSignatures(whole.slice(end + 2))
  if (signatures.length === 0) return yield* refused("Note.parse", "no key has signed this note")
  return { text: whole.slice(0, end + 1), signatures }
})

const cosigned = (text: string, seconds: number) => `cosignature/v1\ntime ${seconds}\n${text}`

const numberBytes = (number: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number))
  return bytes
}

/**
 * Signs a text. A witness key signs it with a time, in seconds.
 *
 * @category signing
 * @since 0.2.0
 */
export const sign = (
  text: string,
  { seed, verifier: { id, kind, name } }: SignerKey,
  seconds: number
): Effect.Effect<Signature> =>
  Effect.map(
    Effect.promise(async () => {
      const message = encoder.encode(kind === "witness" ? cosigned(text, seconds) : text)
      return new Uint8Array(await crypto.subtle.sign("Ed25519", await privateKeyOf(Redacted.value(seed)), message))
    }),
    (signature) => ({
      name,
      keyId: id,
      bytes: kind === "witness" ? joined(numberBytes(seconds), signature) : signature
    })
  )

/**
 * A signature that holds. `at` is the time of a cosignature, in seconds.
 *
 * @category models
 * @since 0.2.0
 */
export interface Verified {
  readonly key: VerifierKey
  readonly at: number | undefined
}

const check = (publicKey: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>, message: string) =>
  Effect.promise(async () => {
    try {
      const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"])
      return await crypto.subtle.verify("Ed25519", key, signature, encoder.encode(message))
    } catch {
      // The bytes of the key are no point of the curve.
      return false
    }
  })

/** What ML-DSA-44 signs of a checkpoint: the whole tree as a subtree that begins at 0. Undefined where it is none. */
const subtreeOf = Effect.fnUntraced(function*(text: string, name: string, seconds: number) {
  const head = yield* Effect.option(LogHead.parse(text))
  if (head._tag === "None") return undefined
  const { origin, root, size } = head.value
  const named = [name, origin].map((part) => encoder.encode(part))
  if (named.some(({ length }) => length > maxName)) return undefined
  const [cosigner, log] = named.map((part) => joined(Uint8Array.of(part.length), part))
  const hash = Hex.decode(root)
  return joined(
    encoder.encode("subtree/v1\n\0"),
    cosigner!,
    numberBytes(seconds),
    log!,
    numberBytes(0),
    numberBytes(size),
    Result.isSuccess(hash) ? hash.success : new Uint8Array()
  )
})

/**
 * Which signatures of a note hold, by the keys that are known, and those of which this runtime cannot say whether they do.
 * Signatures of unknown keys are left out; a key counts once.
 *
 * @category verifying
 * @since 0.2.0
 */
export const examine = Effect.fnUntraced(function*(
  { signatures, text }: Note,
  keys: ReadonlyArray<VerifierKey>
): Effect.fn.Return<{
  readonly verified: ReadonlyArray<Verified>
  readonly unsupported: ReadonlyArray<VerifierKey>
}> {
  const verified: Array<Verified> = []
  const unsupported = new Set<VerifierKey>()
  const mlDsa44 = yield* MlDsa44
  const holds = Effect.fnUntraced(function*(key: VerifierKey, bytes: Uint8Array<ArrayBuffer>, at: number | undefined) {
    const signature = at === undefined ? bytes : bytes.slice(8)
    if (key.algorithm === "Ed25519" || at === undefined) {
      return yield* check(key.publicKey, signature, at === undefined ? text : cosigned(text, at))
    }
    const message = yield* subtreeOf(text, key.name, at)
    if (message === undefined) return false
    return yield* Effect.catch(mlDsa44.verify(key.publicKey, signature, message), () =>
      Effect.sync(() => {
        unsupported.add(key)
        return false
      }))
  })
  for (const key of keys) {
    for (const { bytes, keyId, name } of signatures) {
      if (name !== key.name || keyId !== key.id || verified.some((known) => known.key === key)) continue
      const isTimed = key.kind === "witness"
      if (bytes.length !== sizes[key.algorithm].signature + (isTimed ? 8 : 0)) continue
      const at = isTimed ? Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)) : undefined
      if (at !== undefined && !Number.isSafeInteger(at)) continue
      if (yield* holds(key, bytes, at)) verified.push({ key, at })
    }
  }
  return { verified, unsupported: [...unsupported] }
})

/**
 * The signatures of a note that hold, by the keys that are known.
 *
 * @category verifying
 * @since 0.2.0
 */
export const verify = (
  note: Note,
  keys: ReadonlyArray<VerifierKey>
): Effect.Effect<ReadonlyArray<Verified>> => Effect.map(examine(note, keys), ({ verified }) => verified)
