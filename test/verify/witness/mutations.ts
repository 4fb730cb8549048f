/** Notes and proofs that were changed in a place: none of them may be accepted. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import * as TlogProof from "../../../src/verify/witness/TlogProof.ts"
import * as WitnessPolicy from "../../../src/verify/witness/WitnessPolicy.ts"
import { seeded } from "../../support/generateJson.ts"
import { cast, headOf, recordsOf, signed } from "./heads.ts"

/** A head of 13 records with the signatures that its policy needs and no others, and a proof of each record. */
export const scene = Effect.gen(function*() {
  const { log, policy, witnesses } = yield* cast
  const records = recordsOf(13)
  const note = yield* signed(yield* headOf("vargate.test/log", records), [log, ...witnesses.slice(0, 2)])
  const paths = yield* LogHead.proveRecords(records, records.map((_, i) => i))
  const proofs = paths.map((path, index) => TlogProof.format({ index, path, head: note }))
  return { note, policy, proofs, records }
})

const alphabet = "ABCXYZabcxyz0189+/=\n —.#"

/** Changes, removes, doubles or swaps characters or lines. */
export const mutationsOf = (count: number, seed = 7) =>
  Effect.gen(function*() {
    const { note, policy, proofs, records } = yield* scene
    const random = seeded(seed)
    let refused = 0
    while (refused < count) {
      const isProof = random.below(2) === 0
      const place = random.below(proofs.length)
      const text = isProof ? proofs[place]! : note
      const at = random.below(text.length)
      const lines = text.split("\n")
      const line = random.below(lines.length)
      const changed = [
        () => text.slice(0, at) + random.pick([...alphabet]) + text.slice(at + 1),
        () => text.slice(0, at) + text.slice(at + 1),
        () => text.slice(0, at) + text[at] + text.slice(at),
        () => text.slice(0, at),
        () => lines.toSpliced(line, 1).join("\n"),
        () => lines.toSpliced(line, 0, lines[line]!).join("\n"),
        () => text.slice(0, at) + (text[at + 1] ?? "") + (text[at] ?? "") + text.slice(at + 2)
      ][random.below(7)]!()
      // A second copy of a signature says nothing new; where signatures stand does not matter.
      if (same(changed, text)) continue
      const { valid } = isProof
        ? yield* TlogProof.verify(changed, records[place]!, policy)
        : yield* WitnessPolicy.verifyHead(changed, policy)
      assert.isFalse(valid, changed)
      refused++
    }
    return refused
  }).pipe(Effect.provide(NodeHasher.layer))

const same = (a: string, b: string) => {
  const parts = (text: string) => {
    const lines = text.split("\n")
    return JSON.stringify([
      lines.filter((line) => !line.startsWith("—")),
      [...new Set(lines.filter((line) => line.startsWith("—")))].sort()
    ])
  }
  return parts(a) === parts(b)
}
