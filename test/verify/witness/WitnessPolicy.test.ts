import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { createHash } from "node:crypto"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import * as Note from "../../../src/verify/witness/Note.ts"
import * as TlogProof from "../../../src/verify/witness/TlogProof.ts"
import * as WitnessPolicy from "../../../src/verify/witness/WitnessPolicy.ts"
import { cast, headOf, recordsOf, signed } from "./heads.ts"
import { mutationsOf, scene } from "./mutations.ts"

describe("keys", () => {
  it.effect("are read as they were written, of either kind", () =>
    Effect.gen(function*() {
      for (const kind of ["log", "witness"] as const) {
        const key = yield* Note.makeKey("example.org/log", kind)
        const read = yield* Note.parseSigner(Note.formatSigner(key))
        assert.deepStrictEqual(read.verifier, key.verifier)
        assert.deepStrictEqual(yield* Note.parseVerifier(Note.formatVerifier(key.verifier)), key.verifier)
        assert.notInclude(JSON.stringify(key), Redacted.value(Note.formatSigner(key)).slice(-30))
      }
    }))

  it.effect("that are none are refused, and no secret is shown", () =>
    Effect.gen(function*() {
      const key = yield* Note.makeKey("example.org/log")
      const text = Note.formatVerifier(key.verifier)
      const bad = [
        "",
        "a+b+c",
        text.replace("example", "exemple"),
        `${text}A`,
        text.replace("+", " "),
        "x".repeat(5000)
      ]
      for (const text of bad) {
        assert.strictEqual((yield* Effect.flip(Note.parseVerifier(text))).reason._tag, "InvalidRequest")
      }
      const secret = Redacted.value(Note.formatSigner(key))
      const error = yield* Effect.flip(Note.parseSigner(secret.replace("example", "exemple")))
      assert.notInclude(JSON.stringify(error) + String(error), secret.slice(-30))
      for (const name of ["", "a b", "a+b", "a\nb"]) {
        assert.strictEqual((yield* Effect.flip(Note.makeKey(name))).reason._tag, "InvalidRequest")
      }
    }))
})

describe("a policy", () => {
  it.effect("that makes no sense is refused, with the line", () =>
    Effect.gen(function*() {
      const { text } = yield* cast
      const lines = text.split("\n")
      const bad: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [[], /no log is named/],
        [lines.slice(0, -1), /no quorum is named/],
        [[...lines, "quorum w1"], /line 8: one quorum/],
        [[...lines, "sometimes"], /line 8: log, witness/],
        [[...lines, lines[2]!], /line 8: w1 is taken/],
        [[...lines, lines[2]!.replace("w1", "w4")], /line 8: this key has another name/],
        [[...lines, "group g 2 w1"], /line 8: a member is in one group only/],
        [[...lines, "group g 2 two"], /line 8: all, any, or a number from 1 to 1/],
        [[...lines, "group g any w9"], /line 8: w9 is not known yet/],
        [[lines[1]!.replace("log ", "witness w "), ...lines], /line 1: this is no key of a witness/]
      ]
      for (const [lines, expected] of bad) {
        const error = yield* Effect.flip(WitnessPolicy.parse(lines.join("\n")))
        assert.match(error.message, expected)
      }
    }))

  it.effect("wants the log and enough witnesses, whatever else has signed", () =>
    Effect.gen(function*() {
      const { log, policy, witnesses } = yield* cast
      const stranger = yield* Note.makeKey("witness.test/w9", "witness")
      const impostor = yield* Note.makeKey("vargate.test/log", "log")
      const head = yield* headOf("vargate.test/log", recordsOf(5))
      const verdict = (...keys: ReadonlyArray<Note.SignerKey>) =>
        Effect.flatMap(signed(head, keys), (note) => WitnessPolicy.verifyHead(note, policy))
      const [w1, w2, w3] = witnesses
      const good = yield* verdict(log, stranger, w3!, w1!)
      assert.deepStrictEqual([good.valid, good.head?.size, [...good.witnesses]], [
        true,
        5,
        [["w1", 1_800_000_000], ["w3", 1_800_000_000]]
      ])
      const reason = (...keys: ReadonlyArray<Note.SignerKey>) => Effect.map(verdict(...keys), ({ reason }) => reason)
      assert.strictEqual(yield* reason(log, w2!), "NoQuorum")
      assert.strictEqual(yield* reason(log, w2!, w2!, stranger), "NoQuorum")
      assert.strictEqual(yield* reason(w1!, w2!, w3!), "UnknownLog")
      assert.strictEqual(yield* reason(impostor, w1!, w2!), "UnknownLog")
      assert.strictEqual((yield* WitnessPolicy.verifyHead("no note", policy)).reason, "NotANote")
      // The log's key, for another log.
      const other = yield* signed(yield* headOf("other.test/log", recordsOf(5)), [log, w1!, w2!])
      assert.strictEqual((yield* WitnessPolicy.verifyHead(other, policy)).reason, "UnknownLog")
      const free = { ...policy, quorum: undefined }
      assert.isTrue((yield* WitnessPolicy.verifyHead(yield* signed(head, [log]), free)).valid)
    }))

  it.effect("counts a key once, also where it has two names of its own", () =>
    Effect.gen(function*() {
      const { text, witnesses } = yield* cast
      const [{ verifier }] = witnesses as [Note.SignerKey, ...ReadonlyArray<Note.SignerKey>]
      const name = "witness.test/other"
      const id = createHash("sha256").update(`${name}\n\u0004`).update(verifier.publicKey).digest("hex").slice(0, 8)
      const renamed = Note.formatVerifier({ ...verifier, name, id })
      assert.strictEqual((yield* Note.parseVerifier(renamed)).name, name)
      const error = yield* Effect.flip(WitnessPolicy.parse(`${text}\nwitness w4 ${renamed}`))
      assert.match(error.message, /line 8: this key has another name already/)
    }))

  it("ends where groups are members of each other", () => {
    const groups = new Map([["a", { threshold: 1, members: ["b"] }], ["b", { threshold: 1, members: ["a", "w1"] }]])
    const policy = { logs: [], witnesses: new Map(), groups, quorum: "a" }
    assert.isFalse(WitnessPolicy.isQuorum(policy, new Set()))
    assert.isTrue(WitnessPolicy.isQuorum(policy, new Set(["w1"])))
  })

  it.effect("counts groups of groups", () =>
    Effect.gen(function*() {
      const { text } = yield* cast
      const nested = text.replace("group two 2 w1 w2 w3\nquorum two", "group a any w1 w2\ngroup b all a w3\nquorum b")
      const policy = yield* WitnessPolicy.parse(nested)
      const counts = (...names: ReadonlyArray<string>) => WitnessPolicy.isQuorum(policy, new Set(names))
      assert.deepStrictEqual([counts("w1", "w3"), counts("w2", "w3"), counts("w1", "w2"), counts("w3")], [
        true,
        true,
        false,
        false
      ])
    }))
})

describe("a proof", () => {
  it.effect("of a record is verified offline, from its file", () =>
    Effect.gen(function*() {
      const { note, policy, proofs, records } = yield* scene
      for (const [index, text] of proofs.entries()) {
        assert.match(text, /^c2sp\.org\/tlog-proof@v1\nindex \d+\n/)
        const verdict = yield* TlogProof.verify(text, records[index]!, policy)
        assert.deepStrictEqual([verdict.valid, verdict.index, verdict.head?.size], [true, index, records.length])
      }
      assert.isTrue((yield* WitnessPolicy.verifyHead(note, policy)).valid)
      assert.strictEqual((yield* TlogProof.verify(proofs[3]!, records[4]!, policy)).reason, "NotIncluded")
      assert.strictEqual((yield* TlogProof.verify(note, records[4]!, policy)).reason, "NotAProof")
      const extra = proofs[3]!.replace("\nindex", "\nextra AAAA\nindex")
      assert.isTrue((yield* TlogProof.verify(extra, records[3]!, policy)).valid)
    }))

  it.effect("has one spelling: bits that say nothing are refused as well", () =>
    Effect.gen(function*() {
      const { note, policy } = yield* scene
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
      const next = (last: string) => alphabet[alphabet.indexOf(last) ^ 1]!
      const lines = note.split("\n")
      let tried = 0
      for (const [place, line] of lines.entries()) {
        const [, before, last, padding] = /^(.*)(.)(=+)$/.exec(line) ?? []
        if (padding === undefined) continue
        tried++
        const changed = lines.with(place, `${before}${next(last!)}${padding}`).join("\n")
        assert.isFalse((yield* WitnessPolicy.verifyHead(changed, policy)).valid, line)
      }
      assert.isAbove(tried, 1)
    }))

  it.effect("and its head stand no mutation", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* mutationsOf(300), 300)
    }))
})

it.effect("what is no text is refused by all that read one, for callers without types", () =>
  Effect.gen(function*() {
    const readers: ReadonlyArray<
      (text: string) => Effect.Effect<unknown, { readonly reason: { readonly _tag: string } }>
    > = [
      LogHead.parse,
      Note.makeKey,
      Note.parse,
      Note.parseSigner,
      Note.parseVerifier,
      TlogProof.parse,
      WitnessPolicy.parse
    ]
    for (const value of [undefined, null, 5, {}, ["a"], Redacted.make(5)]) {
      for (const read of readers) {
        const error = yield* Effect.flip(Effect.suspend(() => read(value as string)))
        assert.strictEqual(error.reason._tag, "InvalidRequest")
      }
    }
    const { policy } = yield* cast
    assert.strictEqual((yield* TlogProof.verify(undefined as never, recordsOf(1)[0]!, policy)).reason, "NotAProof")
  }))

it.effect("heads of one size are compared by a line", () =>
  Effect.gen(function*() {
    const [ours, theirs] = [yield* headOf("log", recordsOf(9)), yield* headOf("log", recordsOf(9, " rewritten"))]
    assert.notStrictEqual(LogHead.format(ours), LogHead.format(theirs))
  }))
