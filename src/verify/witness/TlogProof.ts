/**
 * Proofs that records are in a log, in files that are verified offline: `c2sp.org/tlog-proof@v1`.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import * as LogHead from "./LogHead.ts"
import * as WitnessPolicy from "./WitnessPolicy.ts"

/**
 * A record's place in a log, its path to the root, and the head that has it.
 *
 * @category models
 * @since 0.2.0
 */
export interface TlogProof {
  readonly index: number
  /** In hex. */
  readonly path: ReadonlyArray<string>
  /** The signed head, as a text. */
  readonly head: string
}

const header = "c2sp.org/tlog-proof@v1"

/**
 * The text of a file.
 *
 * @category texts
 * @since 0.2.0
 */
export const format = ({ head, index, path }: TlogProof): string =>
  `${[header, `index ${index}`, ...path.map(LogHead.hashToBase64)].join("\n")}\n\n${head}`

const refused = Effect.fail(
  invalidRequest("TlogProof.parse", [{ path: [], message: `this is no proof: it begins with ${header}` }])
)

/**
 * Reads a file. Nothing is verified. Fails with `InvalidRequest` where it is none.
 *
 * @category texts
 * @since 0.2.0
 */
export const parse = (text: string): Effect.Effect<TlogProof, VargateError> => {
  if (typeof text !== "string") return refused
  const end = text.indexOf("\n\n")
  const [first, ...lines] = text.slice(0, Math.max(0, end)).split("\n")
  // Applications may put data of their own before the index.
  const [index, ...path] = lines[0]?.startsWith("extra ") === true ? lines.slice(1) : lines
  const place = /^index (0|[1-9]\d{0,15})$/.exec(index ?? "")?.[1]
  const hashes = path.map(LogHead.hashFromBase64)
  return first !== header || place === undefined || !Number.isSafeInteger(Number(place)) || path.length > 63 ||
      hashes.includes(undefined)
    ? refused
    : Effect.succeed({ index: Number(place), path: hashes as ReadonlyArray<string>, head: text.slice(end + 2) })
}

/**
 * Why a proof does not hold: for the reasons of a head, or because its path does not lead from the record to the root.
 *
 * @category models
 * @since 0.2.0
 */
export type ProofFailure = WitnessPolicy.HeadFailure | "NotAProof" | "NotIncluded"

/**
 * Whether a record is proved to be in a log.
 *
 * @category models
 * @since 0.2.0
 */
export interface ProofVerdict {
  readonly valid: boolean
  readonly reason?: ProofFailure | undefined
  readonly head?: LogHead.LogHead | undefined
  readonly index?: number | undefined
  /** The witnesses that have cosigned the head, with the time of each in seconds. */
  readonly witnesses: ReadonlyMap<string, number>
  /** Those whose cosignature this runtime cannot verify. */
  readonly unsupported?: ReadonlyArray<string> | undefined
}

/**
 * Verifies a proof of a record by a policy, without asking any party.
 *
 * @category verifying
 * @since 0.2.0
 */
export const verify = Effect.fnUntraced(function*(
  text: string,
  recordHash: string,
  policy: WitnessPolicy.WitnessPolicy
): Effect.fn.Return<ProofVerdict> {
  const proof = yield* Effect.option(parse(text))
  if (proof._tag === "None") return { valid: false, reason: "NotAProof", witnesses: new Map() }
  const { head: note, index, path } = proof.value
  const verdict = yield* WitnessPolicy.verifyHead(note, policy)
  if (!verdict.valid || verdict.head === undefined) return { ...verdict, valid: false, index }
  return (yield* LogHead.isIncluded(recordHash, index, verdict.head, path))
    ? { ...verdict, index }
    : { ...verdict, valid: false, reason: "NotIncluded", index }
})
