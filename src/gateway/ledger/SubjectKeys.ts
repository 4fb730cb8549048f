/**
 * One key per data subject: personal data in a record is encrypted under it, and is unreadable once the key is deleted.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { hash, randomBytes } from "node:crypto"
import { seal, unseal } from "./internal/sealing.ts"
import { Ledger, type SubjectKey } from "./Ledger.ts"

/**
 * Encrypts, decrypts and forgets.
 *
 * **Details**
 *
 * Values read `[ENCRYPTED:key-{subject}-v{n}:{base64}]`, where the base64 is nonce, ciphertext and tag of AES-256-GCM. In
 * the place of a subject of more than 256 characters stands its hash, `sha256-{hex}`. A
 * measured gateway writes what comes after an erasure in plain text; here the subject gets another key.
 *
 * @category services
 * @since 0.1.0
 */
export class SubjectKeys extends Context.Service<SubjectKeys, {
  /** The params with the given fields encrypted. */
  readonly encryptFields: (
    tenantId: string,
    subjectId: string,
    params: Readonly<Record<string, unknown>>,
    fields: ReadonlyArray<string>
  ) => Effect.Effect<Readonly<Record<string, unknown>>>
  /** Undefined where the key is gone, or the value is none of ours. */
  readonly decrypt: (tenantId: string, subjectId: string, value: string) => Effect.Effect<string | undefined>
  /** Deletes the subject's keys. Undefined where there never was one; a second time changes nothing. */
  readonly erase: (tenantId: string, subjectId: string, now: DateTime.Utc) => Effect.Effect<SubjectKey | undefined>
}>()("effect-vargate/gateway/SubjectKeys") {}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")

/** A longer name stands once in a record, and not beside each of its encrypted fields. */
const maxNameLength = 256

const keyId = (name: string, version: number) => `key-${name}-v${version}`

const nameOf = (subjectId: string): string =>
  subjectId.length <= maxNameLength ? subjectId : `sha256-${hash("sha256", subjectId, "hex")}`

const make = Effect.gen(function*() {
  const ledger = yield* Ledger

  // Two first calls about a subject at once must not make two keys of one version.
  const making = yield* Semaphore.make(1)

  const newestKey = (tenantId: string, subjectId: string) =>
    Effect.map(ledger.subjectKeys(tenantId, subjectId), (keys) => keys.at(-1))

  const makeKey = Effect.fnUntraced(function*(tenantId: string, subjectId: string) {
    const newest = yield* newestKey(tenantId, subjectId)
    if (newest?.secret !== undefined) return { version: newest.version, secret: newest.secret }
    const created = { version: (newest?.version ?? 0) + 1, secret: randomBytes(32), erasedAt: undefined }
    yield* ledger.putSubjectKey(tenantId, subjectId, created)
    return created
  }, making.withPermits(1))

  const activeKey = Effect.fnUntraced(function*(tenantId: string, subjectId: string) {
    const newest = yield* newestKey(tenantId, subjectId)
    return newest?.secret === undefined
      ? yield* makeKey(tenantId, subjectId)
      : { version: newest.version, secret: newest.secret }
  })

  const encryptFields = Effect.fnUntraced(function*(
    tenantId: string,
    subjectId: string,
    params: Readonly<Record<string, unknown>>,
    fields: ReadonlyArray<string>
  ) {
    const { secret, version } = yield* activeKey(tenantId, subjectId)
    const isPersonal = new Set(fields)
    const id = keyId(nameOf(subjectId), version)
    return Object.fromEntries(
      Object.entries(params).map(([field, value]) =>
        isPersonal.has(field)
          ? [field, `[ENCRYPTED:${id}:${base64(seal(secret, String(value)))}]`]
          : [field, value]
      )
    )
  })

  const decrypt = Effect.fnUntraced(function*(tenantId: string, subjectId: string, value: string) {
    for (const { secret, version } of yield* ledger.subjectKeys(tenantId, subjectId)) {
      // Earlier versions wrote out every name.
      const prefix = [nameOf(subjectId), subjectId].map((name) => `[ENCRYPTED:${keyId(name, version)}:`)
        .find((prefix) => value.startsWith(prefix))
      if (secret !== undefined && prefix !== undefined) {
        return unseal(secret, Buffer.from(value.slice(prefix.length, -1), "base64"))
      }
    }
    return undefined
  })

  const erase = Effect.fnUntraced(function*(tenantId: string, subjectId: string, now: DateTime.Utc) {
    for (const { secret, version } of yield* ledger.subjectKeys(tenantId, subjectId)) {
      if (secret !== undefined) {
        yield* ledger.putSubjectKey(tenantId, subjectId, { version, secret: undefined, erasedAt: now })
      }
    }
    return yield* newestKey(tenantId, subjectId)
  }, making.withPermits(1))

  return SubjectKeys.of({ encryptFields, decrypt, erase })
})

/**
 * Keys that are kept in the ledger in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SubjectKeys, never, Ledger> = Layer.effect(SubjectKeys, make)
