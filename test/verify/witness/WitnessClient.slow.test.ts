/** Go's own notes and trees, and a real witness. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Result } from "effect"
import { generateKeyPairSync, hash } from "node:crypto"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as NodeMlDsa44 from "../../../src/node/NodeMlDsa44.ts"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import { MlDsa44, NotSupported } from "../../../src/verify/witness/MlDsa44.ts"
import * as Note from "../../../src/verify/witness/Note.ts"
import * as WitnessClient from "../../../src/verify/witness/WitnessClient.ts"
import * as WitnessPolicy from "../../../src/verify/witness/WitnessPolicy.ts"
import { hasPeer, needsPeer, startTlog, startWitness } from "../../support/tlogPeer.ts"
import { headOf, recordsOf, signed } from "./heads.ts"

const hasMlDsa = Result.isSuccess(Result.try(() => generateKeyPairSync("ml-dsa-44" as "ed25519")))

const layers = Layer.merge(NodeHasher.layer, NodeHttpClient.layerUndici)

describe.skipIf(!hasPeer)(`Go's notes and trees${needsPeer}`, () => {
  it.live("accept ours, and ours accept theirs", () =>
    Effect.gen(function*() {
      const ask = yield* startTlog
      const key = yield* Note.makeKey("vargate.test/log")
      const head = yield* headOf("vargate.test/log", recordsOf(20))
      const note = yield* signed(head, [key])
      const Key = Note.formatVerifier(key.verifier)
      assert.deepStrictEqual(yield* ask({ Op: "open", Key, Text: note }), { result: LogHead.format(head) })
      assert.property(yield* ask({ Op: "open", Key, Text: note.replace("\n20\n", "\n21\n") }), "error")

      const witness = yield* Note.makeKey("witness.test/own", "witness")
      const cosigned = yield* signed(head, [witness])
      const answer = yield* ask({ Op: "cosigned", Key: Note.formatVerifier(witness.verifier), Text: cosigned })
      assert.deepStrictEqual(answer, { result: LogHead.format(head) })

      const [skey, vkey] = (yield* ask({ Op: "generate", Key: "go.test/log" })).result as [string, string]
      const theirs = yield* Note.parseVerifier(vkey)
      assert.strictEqual(Redacted.value(Note.formatSigner(yield* Note.parseSigner(skey))), skey)
      const text = "a text\nof two lines\n"
      const signedByGo = yield* Note.parse((yield* ask({ Op: "sign", Key: skey, Text: text })).result as string)
      assert.lengthOf(yield* Note.verify(signedByGo, [theirs]), 1)
      assert.lengthOf(yield* Note.verify({ ...signedByGo, text: "another\n" }, [theirs]), 0)
    }).pipe(Effect.scoped, Effect.provide(layers)))

  it.live("have the same roots and proofs", () =>
    Effect.gen(function*() {
      const ask = yield* startTlog
      for (const size of [1, 2, 3, 5, 8, 13, 31, 64, 100]) {
        const Leaves = recordsOf(size)
        const head = yield* headOf("log", Leaves)
        assert.deepStrictEqual(yield* ask({ Op: "root", Leaves }), { result: head.root })
        const paths = yield* LogHead.proveRecords(Leaves, Leaves.map((_, index) => index))
        for (const Index of [0, size >> 1, size - 1]) {
          const theirs = (yield* ask({ Op: "proveRecord", Leaves, Index })).result as ReadonlyArray<string>
          assert.deepStrictEqual(theirs, paths[Index])
          const check = {
            Op: "checkRecord",
            Text: Leaves[Index]!,
            Index,
            Size: size,
            Root: head.root,
            Path: paths[Index]!
          }
          assert.deepStrictEqual(yield* ask(check), { result: true })
        }
        for (const Old of new Set([1, size >> 1, size].filter((old) => old > 0))) {
          const path = yield* LogHead.proveGrowth(yield* LogHead.grow(Leaves.slice(0, Old)), Leaves.slice(Old))
          const older = yield* headOf("log", Leaves.slice(0, Old))
          const theirs = (yield* ask({ Op: "proveTree", Leaves, Old })).result as ReadonlyArray<string>
          assert.deepStrictEqual(theirs, path)
          const check = { Op: "checkTree", Old, Older: older.root, Size: size, Root: head.root, Path: path }
          assert.deepStrictEqual(yield* ask(check), { result: true })
        }
      }
    }).pipe(Effect.scoped, Effect.provide(layers)))
})

describe.skipIf(!hasPeer)(`a real witness${needsPeer}`, () => {
  it.live("cosigns growth, is followed to the size that it has seen, and refuses a rewritten log", () =>
    Effect.gen(function*() {
      const key = yield* Note.makeKey("vargate.test/log")
      const { url, vkey } = yield* startWitness(Note.formatVerifier(key.verifier))
      const policyOf = (log: Note.SignerKey) =>
        WitnessPolicy.parse(`log ${Note.formatVerifier(log.verifier)}\nwitness w1 ${vkey} ${url}\nquorum w1\n`)
      const policy = yield* policyOf(key)
      const cosign = (
        recordHashes: ReadonlyArray<string>,
        known: Record<string, number> = {},
        { log = key, origin = "vargate.test/log" } = {}
      ) =>
        Effect.gen(function*() {
          const note = yield* signed(yield* headOf(origin, recordHashes), [log])
          return yield* WitnessClient.cosign({ note, recordHashes, policy: yield* policyOf(log), known })
        })
      const first = yield* cosign(recordsOf(5))
      assert.deepStrictEqual([first.isQuorum, [...first.sizes], first.missing], [true, [["w1", 5]], []])
      assert.isTrue((yield* WitnessPolicy.verifyHead(first.note, policy)).valid)
      assert.isTrue((yield* cosign(recordsOf(12), { w1: 5 })).isQuorum)
      // It says itself that it has seen 12.
      assert.isTrue((yield* cosign(recordsOf(30))).isQuorum)
      assert.isTrue((yield* cosign(recordsOf(30), { w1: 12 })).isQuorum)
      const cut = yield* cosign(recordsOf(29), { w1: 29 })
      assert.deepStrictEqual(cut.missing, [
        { name: "w1", why: "has cosigned 30 records, and this head has 29", seen: 30 }
      ])
      const rewritten = recordsOf(40).with(3, hash("sha256", "rewritten", "hex"))
      const refused = yield* cosign(rewritten, { w1: 30 })
      assert.deepStrictEqual([refused.isQuorum, refused.missing.map(({ why }) => why)], [
        false,
        ["has seen another log: the proof of growth does not hold for it (422)"]
      ])
      const stranger = yield* Note.makeKey("stranger.test/log")
      const unknown = yield* cosign(recordsOf(3), {}, { log: stranger, origin: "stranger.test/log" })
      assert.deepStrictEqual(unknown.missing.map(({ why }) => why), ["does not know the log (404)"])
      const impostor = yield* Note.makeKey("vargate.test/log")
      const wrongKey = yield* cosign(recordsOf(41), {}, { log: impostor })
      assert.isFalse(wrongKey.isQuorum)
      // What was refused has changed nothing.
      assert.isTrue((yield* cosign(recordsOf(41), { w1: 30 })).isQuorum)
    }).pipe(Effect.scoped, Effect.provide(layers)))

  it.live.skipIf(!hasMlDsa)(
    "cosigns by ML-DSA-44, which is verified, or told to be of a kind that is not supported",
    () =>
      Effect.gen(function*() {
        const key = yield* Note.makeKey("vargate.test/log")
        const { url, vkey } = yield* startWitness(Note.formatVerifier(key.verifier), "witness-mldsa")
        const policy = yield* WitnessPolicy.parse(
          `log ${Note.formatVerifier(key.verifier)}\nwitness w1 ${vkey} ${url}\nquorum w1\n`
        )
        assert.strictEqual(policy.witnesses.get("w1")?.key.algorithm, "ML-DSA-44")
        const cosign = (size: number, known: Record<string, number> = {}) =>
          Effect.gen(function*() {
            const recordHashes = recordsOf(size)
            const note = yield* signed(yield* headOf("vargate.test/log", recordHashes), [key])
            return yield* WitnessClient.cosign({ note, recordHashes, policy, known })
          })
        const first = yield* cosign(5)
        assert.deepStrictEqual([first.isQuorum, [...first.sizes], first.missing], [true, [["w1", 5]], []])
        const grown = yield* Effect.provide(cosign(12, { w1: 5 }), NodeMlDsa44.layer)
        assert.isTrue(grown.isQuorum)
        assert.isTrue((yield* WitnessPolicy.verifyHead(grown.note, policy)).valid)
        const mixed = grown.note.replace("\n12\n", "\n13\n")
        assert.isFalse((yield* WitnessPolicy.verifyHead(mixed, policy)).valid)
        const without = Effect.provideService(MlDsa44, { verify: () => Effect.fail(new NotSupported()) })
        const unknown = yield* without(cosign(20, { w1: 12 }))
        assert.deepStrictEqual(unknown.missing, [
          { name: "w1", why: "has cosigned by ML-DSA-44, which this runtime cannot verify" }
        ])
        assert.strictEqual((yield* without(WitnessPolicy.verifyHead(grown.note, policy))).reason, "NotSupported")
        const tlog = yield* startTlog
        assert.deepStrictEqual(yield* tlog({ Op: "cosigned", Key: vkey, Text: grown.note }), {
          result: LogHead.format(yield* headOf("vargate.test/log", recordsOf(12)))
        })
      }).pipe(Effect.scoped, Effect.provide(layers))
  )
})
