/** Cosignatures by ML-DSA-44, as `node:crypto` makes them, in heads and policies. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import * as NodeMlDsa44 from "../../../src/node/NodeMlDsa44.ts"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import { MlDsa44, NotSupported } from "../../../src/verify/witness/MlDsa44.ts"
import * as Note from "../../../src/verify/witness/Note.ts"
import * as TlogProof from "../../../src/verify/witness/TlogProof.ts"
import * as WitnessPolicy from "../../../src/verify/witness/WitnessPolicy.ts"
import { headOf, recordsOf, signed } from "./heads.ts"

const generate = () => {
  try {
    return generateKeyPairSync("ml-dsa-44" as "ed25519")
  } catch {
    return undefined
  }
}
const pair = generate()
const needsNode = pair === undefined ? " (needs Node 24.6)" : ""

const u64 = (number: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(number))
  return bytes
}
const short = (text: string) => Buffer.concat([Buffer.of(Buffer.byteLength(text)), Buffer.from(text)])

/** The message, byte by byte as C2SP's tlog-cosignature has it. */
const messageOf = ({ origin, root, size }: LogHead.LogHead, name: string, seconds: number, start = 0) =>
  Buffer.concat([
    Buffer.from("subtree/v1\n\0"),
    short(name),
    u64(seconds),
    short(origin),
    u64(start),
    u64(size),
    Buffer.from(root, "hex")
  ])

const name = "witness.test/pq"
const seconds = 1_800_000_000

const vkeyOf = (publicKey: KeyObject) => {
  const key = Buffer.concat([Buffer.of(6), publicKey.export({ format: "der", type: "spki" }).subarray(-1312)])
  const id = createHash("sha256").update(`${name}\n`).update(key).digest("hex").slice(0, 8)
  return { id, vkey: `${name}+${id}+${key.toString("base64")}` }
}

const scene = Effect.gen(function*() {
  const { privateKey, publicKey } = pair!
  const { id, vkey } = vkeyOf(publicKey)
  const log = yield* Note.makeKey("vargate.test/log", "log")
  const ed = yield* Note.makeKey("witness.test/w1", "witness")
  const policyOf = (quorum: string) =>
    WitnessPolicy.parse([
      `log ${Note.formatVerifier(log.verifier)}`,
      `witness pq ${vkey}`,
      `witness w1 ${Note.formatVerifier(ed.verifier)}`,
      "group both all pq w1",
      `quorum ${quorum}`
    ].join("\n"))
  const records = recordsOf(9)
  const head = yield* headOf("vargate.test/log", records)
  const line = (message: Uint8Array, at = seconds) => {
    const bytes = Buffer.concat([Buffer.from(id, "hex"), u64(at), sign(null, message, privateKey)])
    return `— ${name} ${bytes.toString("base64")}\n`
  }
  return { ed, head, line, log, own: yield* signed(head, [log]), policyOf, records, vkey }
})

const layers = { "Web Crypto": Layer.empty, "node:crypto": NodeMlDsa44.layer }

describe.skipIf(pair === undefined)(`a cosignature by ML-DSA-44${needsNode}`, () => {
  it.effect.each(Object.entries(layers))(
    "is verified by %s, in heads and in proofs",
    ([, layer]) =>
      Effect.gen(function*() {
        const { ed, head, line, log, own, policyOf, records, vkey } = yield* scene
        const both = yield* policyOf("both")
        assert.strictEqual(Note.formatVerifier(both.witnesses.get("pq")!.key), vkey)
        const cosigned = own + line(messageOf(head, name, seconds))
        const alone = yield* WitnessPolicy.verifyHead(cosigned, yield* policyOf("pq"))
        assert.deepStrictEqual([alone.valid, [...alone.witnesses]], [true, [["pq", seconds]]])
        assert.strictEqual((yield* WitnessPolicy.verifyHead(cosigned, both)).reason, "NoQuorum")
        const whole = (yield* signed(head, [log, ed])) + line(messageOf(head, name, seconds))
        assert.isTrue((yield* WitnessPolicy.verifyHead(whole, both)).valid)
        const [path] = yield* LogHead.proveRecords(records, [4])
        const proof = TlogProof.format({ index: 4, path: path!, head: whole })
        assert.isTrue((yield* TlogProof.verify(proof, records[4]!, both)).valid)
      }).pipe(Effect.provide(layer))
  )

  it.effect.each(Object.entries(layers))(
    "that is not of this head, witness and time does not hold by %s",
    ([, layer]) =>
      Effect.gen(function*() {
        const { head, line, own, policyOf } = yield* scene
        const policy = yield* policyOf("pq")
        const other = yield* headOf("vargate.test/log", recordsOf(9, " other"))
        const good = line(messageOf(head, name, seconds))
        const flipped = (place: number) => {
          const [dash, by, base64] = good.trimEnd().split(" ") as [string, string, string]
          const bytes = Buffer.from(base64, "base64")
          bytes[place]! ^= 1
          return `${dash} ${by} ${bytes.toString("base64")}\n`
        }
        const bad = [
          line(messageOf(other, name, seconds)),
          line(messageOf(head, "witness.test/p2", seconds)),
          line(messageOf(head, name, seconds + 1)),
          line(messageOf(head, name, seconds), seconds + 1),
          line(messageOf(head, name, seconds, 1)),
          line(messageOf(new LogHead.LogHead({ ...head, size: 8 }), name, seconds)),
          line(messageOf(new LogHead.LogHead({ ...head, origin: "other.test/log" }), name, seconds)),
          line(Buffer.from(`cosignature/v1\ntime ${seconds}\n${LogHead.format(head)}`)),
          ...[3, 4, 11, 12, 700, 2431].map(flipped),
          `${good.slice(0, -10)}\n`
        ]
        for (const [place, text] of bad.entries()) {
          const verdict = yield* WitnessPolicy.verifyHead(own + text, policy)
          assert.isFalse(verdict.valid, `line ${place}`)
          assert.isUndefined(verdict.unsupported)
        }
        assert.isTrue((yield* WitnessPolicy.verifyHead(own + good, policy)).valid)
      }).pipe(Effect.provide(layer))
  )

  it.effect("is not known to hold where the runtime cannot verify it, which is told apart", () =>
    Effect.gen(function*() {
      const { ed, head, line, log, own, policyOf } = yield* scene
      const cosigned = own + line(messageOf(head, name, seconds))
      const [pq, both] = [yield* policyOf("pq"), yield* policyOf("both")]
      const unknown = yield* WitnessPolicy.verifyHead(cosigned, pq)
      assert.deepInclude(unknown, { valid: false, reason: "NotSupported", unsupported: ["pq"] })
      assert.strictEqual(unknown.witnesses.size, 0)
      // It would not be enough, even if it held.
      assert.strictEqual((yield* WitnessPolicy.verifyHead(cosigned, both)).reason, "NoQuorum")
      // It is not needed.
      const without = yield* WitnessPolicy.verifyHead(
        (yield* signed(head, [log, ed])) + line(messageOf(head, name, seconds)),
        yield* policyOf("w1")
      )
      assert.deepInclude(without, { valid: true, unsupported: ["pq"] })
      // A line that is not even there is no cosignature.
      assert.strictEqual((yield* WitnessPolicy.verifyHead(own, pq)).reason, "NoQuorum")
    }).pipe(Effect.provideService(MlDsa44, { verify: () => Effect.fail(new NotSupported()) })))

  it.effect("is by a key of its own kind", () =>
    Effect.gen(function*() {
      const { log, vkey } = yield* scene
      const [, id, base64] = vkey.split("+") as [string, string, string]
      const key = Buffer.from(vkey.slice(name.length + 10), "base64")
      assert.isDefined(base64)
      const bad = [
        `${name}+00000000+${key.toString("base64")}`,
        `${name}+${id}+${key.subarray(0, 1312).toString("base64")}`,
        `${name}+${id}+${Buffer.concat([Buffer.of(5), key.subarray(1)]).toString("base64")}`,
        `${name}+${id}+${Buffer.concat([Buffer.of(4), key.subarray(1)]).toString("base64")}`
      ]
      for (const text of bad) assert.strictEqual((yield* Effect.flip(Note.parseVerifier(text)))._tag, "VargateError")
      const asLog = yield* Effect.flip(WitnessPolicy.parse(`log ${vkey}\nquorum none`))
      assert.match(asLog.message, /this is no key of a log/)
      const secret = `PRIVATE+KEY+${vkey}`
      assert.match(
        (yield* Effect.flip(Note.parseSigner(Redacted.make(secret)))).message,
        /no key for signing by Ed25519/
      )
      assert.strictEqual((yield* Note.parseVerifier(Note.formatVerifier(log.verifier))).algorithm, "Ed25519")
    }))
})
