/**
 * Whose signatures a head needs: the log's, and those of enough witnesses. A policy is a file that is kept by the one who
 * verifies, offline.
 *
 * **Details**
 *
 * Lines are `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|N MEMBER...` and `quorum NAME|none`; `#` begins
 * a comment. A group counts its members, witnesses or earlier groups, of which so many must have cosigned.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import * as LogHead from "./LogHead.ts"
import * as Note from "./Note.ts"

/**
 * A log or a witness, and where it is asked.
 *
 * @category models
 * @since 0.2.0
 */
export interface Party {
  readonly key: Note.VerifierKey
  readonly url: string | undefined
}

/**
 * So many of these must have cosigned.
 *
 * @category models
 * @since 0.2.0
 */
export interface Group {
  readonly threshold: number
  readonly members: ReadonlyArray<string>
}

/**
 * What a policy file says.
 *
 * @category models
 * @since 0.2.0
 */
export interface WitnessPolicy {
  readonly logs: ReadonlyArray<Party>
  /** By their names in the file. */
  readonly witnesses: ReadonlyMap<string, Party>
  readonly groups: ReadonlyMap<string, Group>
  /** A witness or a group; undefined where no witness is needed. */
  readonly quorum: string | undefined
}

const maxLines = 1000

/**
 * Reads a policy file. Fails with `InvalidRequest` and the number of the line where it is none, or where it names no log or
 * no quorum.
 *
 * @category reading
 * @since 0.2.0
 */
export const parse = Effect.fnUntraced(function*(text: string): Effect.fn.Return<WitnessPolicy, VargateError> {
  const operation = "WitnessPolicy.parse"
  const fault = (line: number, message: string) =>
    Effect.fail(invalidRequest(operation, [{ path: [line], message: `line ${line}: ${message}` }]))
  const logs: Array<Party> = []
  const witnesses = new Map<string, Party>()
  const groups = new Map<string, Group>()
  let quorum: string | undefined
  let hasQuorum = false
  const isKnown = (name: string) => witnesses.has(name) || groups.has(name)
  if (typeof text !== "string") return yield* fault(1, "a policy is a text")
  const lines = text.split("\n")
  if (lines.length > maxLines) return yield* fault(maxLines, "a policy has at most a thousand lines")
  for (const [place, content] of lines.entries()) {
    const line = place + 1
    const [word, ...rest] = content.replace(/#.*/, "").trim().split(/\s+/)
    switch (word) {
      case "":
        continue
      case "log": {
        const [vkey, url, ...more] = rest
        if (vkey === undefined || more.length > 0) return yield* fault(line, "log VKEY [URL] was expected")
        const key = yield* keyAt(line, vkey, "log")
        logs.push({ key, url })
        continue
      }
      case "witness": {
        const [name, vkey, url, ...more] = rest
        if (name === undefined || vkey === undefined || more.length > 0) {
          return yield* fault(line, "witness NAME VKEY [URL] was expected")
        }
        if (isKnown(name) || name === "none") return yield* fault(line, `${name} is taken`)
        const key = yield* keyAt(line, vkey, "witness")
        // A cosignature by Ed25519 says nothing of a name: written down under another one, it holds a second time.
        if ([...witnesses.values()].some((known) => isSameKey(known.key, key))) {
          return yield* fault(line, "this key has another name already: a witness counts once")
        }
        witnesses.set(name, { key, url })
        continue
      }
      case "group": {
        const [name, count, ...members] = rest
        if (name === undefined || count === undefined || members.length === 0) {
          return yield* fault(line, "group NAME all|any|N MEMBER... was expected")
        }
        if (isKnown(name) || name === "none") return yield* fault(line, `${name} is taken`)
        const unknown = members.find((member) => !isKnown(member))
        if (unknown !== undefined) return yield* fault(line, `${unknown} is not known yet`)
        if (new Set(members).size < members.length) return yield* fault(line, "a member counts once")
        if ([...groups.values()].some((group) => group.members.some((member) => members.includes(member)))) {
          return yield* fault(line, "a member is in one group only")
        }
        const threshold = count === "all" ? members.length : count === "any" ? 1 : Number(count)
        if (!/^(?:all|any|\d{1,4})$/.test(count) || threshold < 1 || threshold > members.length) {
          return yield* fault(line, `all, any, or a number from 1 to ${members.length} was expected`)
        }
        groups.set(name, { threshold, members })
        continue
      }
      case "quorum": {
        const [name, ...more] = rest
        if (name === undefined || more.length > 0 || hasQuorum) {
          return yield* fault(line, "one quorum NAME was expected")
        }
        if (name !== "none" && !isKnown(name)) return yield* fault(line, `${name} is not known`)
        hasQuorum = true
        quorum = name === "none" ? undefined : name
        continue
      }
      default:
        return yield* fault(line, "log, witness, group or quorum was expected")
    }
  }
  if (logs.length === 0 || !hasQuorum) {
    return yield* fault(lines.length, logs.length === 0 ? "no log is named" : "no quorum is named")
  }
  return { logs, witnesses, groups, quorum }
})

const isSameKey = (a: Note.VerifierKey, b: Note.VerifierKey) =>
  a.publicKey.length === b.publicKey.length && a.publicKey.every((byte, i) => byte === b.publicKey[i])

const keyAt = (line: number, text: string, kind: Note.KeyKind) =>
  Note.parseVerifier(text).pipe(
    Effect.filterOrFail((key) => key.kind === kind, () => undefined),
    Effect.mapError(() =>
      invalidRequest("WitnessPolicy.parse", [{ path: [line], message: `line ${line}: this is no key of a ${kind}` }])
    )
  )

/**
 * Why a head is not accepted.
 *
 * | reason | meaning |
 * | --- | --- |
 * | `NotANote` | the text is no note, or no checkpoint |
 * | `UnknownLog` | none of the policy's logs has signed it, under this origin |
 * | `NoQuorum` | too few witnesses have cosigned it |
 * | `NotSupported` | enough witnesses have, if those cosignatures hold that this runtime cannot verify |
 *
 * @category models
 * @since 0.2.0
 */
export type HeadFailure = "NotANote" | "UnknownLog" | "NoQuorum" | "NotSupported"

/**
 * Whether a head is accepted. `witnesses` have cosigned it, with the time of each; of those in `unsupported` this runtime
 * cannot say it, since it has no ML-DSA-44: they count for nothing.
 *
 * @category models
 * @since 0.2.0
 */
export interface HeadVerdict {
  readonly valid: boolean
  readonly reason?: HeadFailure | undefined
  readonly head?: LogHead.LogHead | undefined
  readonly witnesses: ReadonlyMap<string, number>
  readonly unsupported?: ReadonlyArray<string> | undefined
}

/**
 * Whether the witnesses that have cosigned are enough.
 *
 * @category verifying
 * @since 0.2.0
 */
export const isQuorum = ({ groups, quorum }: WitnessPolicy, cosigned: ReadonlySet<string>): boolean => {
  // A group that is a member of itself, which no file can say, counts for nothing there.
  const counts = (name: string, within: ReadonlyArray<string>): boolean => {
    const group = groups.get(name)
    if (group === undefined) return cosigned.has(name)
    const members = group.members.filter((member) => member !== name && !within.includes(member))
    return members.filter((member) => counts(member, [...within, name])).length >= group.threshold
  }
  return quorum === undefined || counts(quorum, [])
}

/**
 * Verifies a signed head by a policy, without asking any party.
 *
 * **Details**
 *
 * The name of the log's key must be the origin of the head, as C2SP demands.
 *
 * @category verifying
 * @since 0.2.0
 */
export const verifyHead = Effect.fnUntraced(function*(
  content: string | Uint8Array,
  policy: WitnessPolicy
): Effect.fn.Return<HeadVerdict> {
  const none: ReadonlyMap<string, number> = new Map()
  const read = yield* Effect.option(
    Effect.flatMap(Note.parse(content), (note) => Effect.map(LogHead.parse(note.text), (head) => ({ head, note })))
  )
  if (read._tag === "None") return { valid: false, reason: "NotANote", witnesses: none }
  const { head, note } = read.value
  const logs = policy.logs.flatMap(({ key }) => key.name === head.origin ? [key] : [])
  if ((yield* Note.verify(note, logs)).length === 0) {
    return { valid: false, reason: "UnknownLog", head, witnesses: none }
  }
  const keys = [...policy.witnesses.values()].map(({ key }) => key)
  const { unsupported: unknown, verified } = yield* Note.examine(note, keys)
  const times = new Map(verified.map(({ at, key }) => [key, at ?? 0]))
  const witnesses = new Map([...policy.witnesses].flatMap(([name, { key }]) => {
    const at = times.get(key)
    return at === undefined ? [] : [[name, at] as const]
  }))
  const unsupported = [...policy.witnesses].flatMap(([name, { key }]) => unknown.includes(key) ? [name] : [])
  const about = { head, witnesses, ...unsupported.length === 0 ? {} : { unsupported } }
  if (isQuorum(policy, new Set(witnesses.keys()))) return { valid: true, ...about }
  const isPossible = isQuorum(policy, new Set([...witnesses.keys(), ...unsupported]))
  return { valid: false, reason: isPossible ? "NotSupported" : "NoQuorum", ...about }
})
