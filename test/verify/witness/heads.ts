/** Logs of record hashes, their keys, and signed heads of them. */
import { Effect } from "effect"
import { hash } from "node:crypto"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import * as Note from "../../../src/verify/witness/Note.ts"
import * as WitnessPolicy from "../../../src/verify/witness/WitnessPolicy.ts"

export const recordsOf = (count: number, salt = ""): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => hash("sha256", `record ${i}${salt}`, "hex"))

export const headOf = (origin: string, records: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const peaks = yield* LogHead.grow(records)
    return new LogHead.LogHead({ origin, size: records.length, root: yield* LogHead.rootOf(peaks), extensions: [] })
  })

/** A head with the signatures of these keys. */
export const signed = (head: LogHead.LogHead, keys: ReadonlyArray<Note.SignerKey>, seconds = 1_800_000_000) =>
  Effect.gen(function*() {
    const text = LogHead.format(head)
    return Note.format({ text, signatures: yield* Effect.forEach(keys, (key) => Note.sign(text, key, seconds)) })
  })

/** A log, three witnesses, and a policy that wants two of them. */
export const cast = Effect.gen(function*() {
  const log = yield* Note.makeKey("vargate.test/log", "log")
  const witnesses = yield* Effect.forEach(["w1", "w2", "w3"], (name) => Note.makeKey(`witness.test/${name}`, "witness"))
  const text = [
    "# two of three",
    `log ${Note.formatVerifier(log.verifier)}`,
    ...witnesses.map(({ verifier }, i) =>
      `witness w${i + 1} ${Note.formatVerifier(verifier)} https://witness.test/${i}`
    ),
    "group two 2 w1 w2 w3",
    "quorum two"
  ].join("\n")
  return { log, witnesses, text, policy: yield* WitnessPolicy.parse(text) }
})
