/** Heads that grow from what was read before: only new records are read, hashed and proved. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { createHash } from "node:crypto"
import { Checkpoint } from "../../../src/audit/Checkpoint.ts"
import { RecordHash } from "../../../src/model/RecordHash.ts"
import { GatewayMemory } from "../../../src/testing/GatewayMemory.ts"
import * as Hasher from "../../../src/verify/Hasher.ts"
import * as HeadStore from "../../../src/verify/witness/HeadStore.ts"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import * as Note from "../../../src/verify/witness/Note.ts"
import * as VerifiedRecords from "../../../src/verify/witness/VerifiedRecords.ts"
import * as WitnessClient from "../../../src/verify/witness/WitnessClient.ts"
import * as WitnessPolicy from "../../../src/verify/witness/WitnessPolicy.ts"
import { seeded } from "../../support/generateJson.ts"
import { gateway, submitSome } from "../../support/rawLog.ts"
import { cast, headOf, recordsOf, signed } from "./heads.ts"

const counting = () => {
  const counted = { hashes: 0 }
  const hasher: Hasher.HasherService = {
    hashAll: (texts) =>
      Effect.sync(() => {
        counted.hashes += texts.length
        return texts.map((text) => createHash("sha256").update(text).digest("hex"))
      })
  }
  return { counted, hasher }
}

/** What is kept of a log of `recordsOf`. */
const prefixOf = (records: ReadonlyArray<string>): Effect.Effect<HeadStore.LogPrefix> =>
  Effect.map(Effect.orDie(LogHead.grow(records)), ({ peaks }) => ({
    peaks,
    checkpoint: new Checkpoint({
      tenantId: "t",
      id: 10 * records.length,
      recordHash: RecordHash.make(records.at(-1)!),
      count: records.length,
      at: DateTime.makeUnsafe(0),
      roots: []
    })
  }))

describe("a log that was read before", () => {
  it.effect("is read from its last record on, and its head is that of the whole log", () =>
    Effect.gen(function*() {
      const store = yield* HeadStore.HeadStore
      const memory = yield* GatewayMemory
      const random = seeded(5)
      yield* submitSome(random, 240)
      const whole = yield* VerifiedRecords.read()
      assert.strictEqual(whole.report.records, 240)
      yield* store.advance("log", whole.recordHashes, whole)
      for (const news of [7, 0, 1]) {
        yield* submitSome(random, news)
        const since = (yield* store.get("log"))!.prefix
        const read = yield* VerifiedRecords.read({ since, pageSize: 5 })
        assert.lengthOf(read.recordHashes, news)
        // A page at a time, down to the record that is known.
        assert.isAtMost(read.report.records, Math.max(5, 5 * Math.ceil((news + 1) / 5)))
        const kept = yield* store.advance("log", read.recordHashes, read)
        const all = (yield* memory.records()).map(({ recordHash }) => recordHash)
        assert.deepInclude(kept, { size: all.length, root: (yield* headOf("log", all)).root })
        assert.deepInclude(kept.checkpoint, { count: all.length, recordHash: all.at(-1), roots: [] })
      }
    }).pipe(Effect.provide([gateway(), HeadStore.layerMemory])))

  it.effect("and was rewritten, cut, or has a gap since, is not handed out", () =>
    Effect.gen(function*() {
      const memory = yield* GatewayMemory
      yield* submitSome(seeded(5), 20)
      const { checkpoint, recordHashes } = yield* VerifiedRecords.read()
      const { peaks } = yield* LogHead.grow(recordHashes)
      const since = { checkpoint: checkpoint!, peaks }
      yield* submitSome(seeded(6), 10)
      const records = yield* memory.records()
      const refused = (edit: (all: typeof records) => typeof records, rehash: boolean) =>
        Effect.gen(function*() {
          yield* memory.tamperWithLedger({ edit: () => edit(records), rehash })
          const error = yield* Effect.flip(VerifiedRecords.read({ since }))
          assert.match(error.message, /nothing is signed over/)
        })
      yield* refused((all) => all.map((record, i) => i === 3 ? { ...record, params: { i: 300 } } : record), true)
      yield* refused((all) => all.slice(0, 15), false)
      yield* refused((all) => all.toSpliced(24, 1), false)
      yield* refused((all) => all.toSpliced(19, 1), true)
      yield* memory.tamperWithLedger({ edit: () => records })
      assert.lengthOf((yield* VerifiedRecords.read({ since })).recordHashes, 10)
    }).pipe(Effect.provide(gateway())))

  it.effect("goes on where a head was kept, and nowhere else", () =>
    Effect.gen(function*() {
      const store = yield* HeadStore.HeadStore
      const records = recordsOf(30)
      const ten = yield* prefixOf(records.slice(0, 10))
      const advance = (from: number, to: number, since: HeadStore.LogPrefix | undefined, all = records) =>
        Effect.flatMap(prefixOf(all.slice(0, to)), ({ checkpoint }) =>
          store.advance("log", all.slice(from, to), { since, checkpoint }))
      const refused = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>, expected: RegExp) =>
        Effect.map(Effect.flip(effect), ({ message }) =>
          assert.match(message, expected))
      // Nothing was kept yet.
      yield* refused(advance(10, 12, ten), /do not begin where a head of this log was kept/)
      yield* advance(0, 10, undefined)
      yield* store.cosigned("log", new Map([["w1", 10]]))
      yield* advance(10, 20, ten)
      const kept = (yield* store.get("log"))!
      assert.deepInclude(kept, { size: 20, root: (yield* headOf("log", records.slice(0, 20))).root })
      // Twice from the same place is no second story; another one is.
      assert.strictEqual((yield* advance(10, 22, ten)).size, 22)
      const other = [...records.slice(0, 15), ...recordsOf(15, " other")]
      yield* refused(advance(10, 30, ten, other), /not those over which a head was signed/)
      yield* refused(advance(10, 21, ten), /a head of 22 records was signed, and now there are 21/)
      const eleven = yield* prefixOf(records.slice(0, 11))
      yield* refused(advance(11, 30, eleven), /do not begin where a head of this log was kept/)
      yield* refused(advance(10, 30, { ...ten, peaks: eleven.peaks }), /do not begin where/)
      yield* refused(
        store.advance("log", records.slice(10, 30), { since: ten, checkpoint: eleven.checkpoint }),
        /the checkpoint is that of 11 records, and there are 30/
      )
      assert.strictEqual((yield* store.get("log"))?.size, 22)
    }).pipe(Effect.provide(HeadStore.layerMemory)))

  it.effect("is kept as far as each witness has followed it", () =>
    Effect.gen(function*() {
      const store = yield* HeadStore.HeadStore
      const records = recordsOf(40)
      const behind = Effect.map(
        store.get("log"),
        (kept) => kept!.behind?.map(({ checkpoint }) => checkpoint.count) ?? []
      )
      let since: HeadStore.LogPrefix | undefined
      for (
        const [to, cosigners, expected] of [
          [10, ["w1", "w2", "w3"], []],
          [20, ["w1", "w2"], [10]],
          [30, ["w1"], [10, 20]],
          [40, ["w1", "w2", "w3"], []]
        ] as const
      ) {
        const prefix = yield* prefixOf(records.slice(0, to))
        yield* store.advance("log", records.slice(since?.checkpoint.count ?? 0, to), {
          since,
          checkpoint: prefix.checkpoint
        })
        yield* store.cosigned("log", new Map(cosigners.map((name) => [name, to])))
        assert.deepStrictEqual((yield* behind).toSorted((a, b) => a - b), [...expected])
        since = (yield* store.get("log"))!.prefix
        assert.deepStrictEqual(since?.peaks, prefix.peaks)
      }
      const kept = (yield* store.get("log"))!
      assert.deepStrictEqual([39, 40, 41].map((size) => kept.prefixAt(size)?.checkpoint.count), [undefined, 40, 40])
    }).pipe(Effect.provide(HeadStore.layerMemory)))
})

describe("witnesses of a log that was read before", () => {
  /** Witnesses that do what C2SP says: each has seen a size, or is away. */
  const asking = Effect.fnUntraced(function*(
    seen: ReadonlyArray<number | "away">,
    options: {
      readonly from: number
      readonly known?: Record<string, number>
      readonly readAfter?: WitnessClient.Request["readAfter"]
    }
  ) {
    const { log, policy, witnesses } = yield* cast
    const records = recordsOf(2000)
    const head = yield* headOf("vargate.test/log", records)
    const note = yield* signed(head, [log])
    const sent: Array<{ readonly witness: number; readonly old: number; readonly proof: number }> = []
    const roots = new Map<number, LogHead.LogHead>()
    for (const size of seen) {
      if (size !== "away") roots.set(size, yield* headOf("vargate.test/log", records.slice(0, size)))
    }
    const answer = Effect.fnUntraced(function*(place: number, text: string): Effect.fn.Return<Response | undefined> {
      const own = seen[place]!
      const [first, ...lines] = text.slice(0, text.indexOf("\n\n")).split("\n")
      const old = Number(first!.replace("old ", ""))
      sent.push({ witness: place, old, proof: lines.length })
      if (own === "away") return undefined
      if (old !== own) return new Response(`${own}\n`, { status: 409 })
      const path = lines.map((line) => LogHead.hashFromBase64(line)!)
      const isGrowth = old === 0 ? path.length === 0 : yield* LogHead.isContinuation(roots.get(old)!, head, path)
      if (!isGrowth) return new Response("", { status: 422 })
      const signature = yield* Note.sign(LogHead.format(head), witnesses[place]!, 1_800_000_000)
      return new Response(`${Note.formatSignature(signature)}\n`)
    })
    const client = HttpClient.make((request, url) =>
      Effect.gen(function*() {
        assert(request.body._tag === "Uint8Array")
        const response = yield* answer(Number(url.pathname.split("/")[1]), new TextDecoder().decode(request.body.body))
        return response === undefined
          ? yield* new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request }) })
          : HttpClientResponse.fromWeb(request, response)
      })
    )
    const { counted, hasher } = counting()
    const { from, known, readAfter } = options
    const after = yield* LogHead.grow(records.slice(0, from))
    const cosigned = yield* WitnessClient.cosign({
      note,
      recordHashes: records.slice(from),
      after,
      policy,
      known,
      readAfter
    }).pipe(Effect.provideService(HttpClient.HttpClient, client), Effect.provideService(Hasher.Hasher, hasher))
    return { cosigned, counted, head, policy, records, sent }
  })

  it.effect("get proofs from the new records alone, which are hashed a few times and not the log", () =>
    Effect.gen(function*() {
      const known = { w1: 1990, w2: 1990, w3: 1990 }
      const { cosigned, counted, sent } = yield* asking([1990, 1990, 1990], { from: 1990, known })
      assert.deepStrictEqual([cosigned.isQuorum, cosigned.missing, [...cosigned.sizes.values()]], [true, [], [
        2000,
        2000,
        2000
      ]])
      assert.deepStrictEqual(sent.map(({ old }) => old), [1990, 1990, 1990])
      assert.isBelow(counted.hashes, 100)
    }))

  it.effect("that are behind are followed with older records, which are read once and only where one answers", () =>
    Effect.gen(function*() {
      const reads: Array<number> = []
      const records = recordsOf(2000)
      const readAfter = (size: number) =>
        Effect.gen(function*() {
          reads.push(size)
          // What is known there, and a record that has come meanwhile.
          const from = Math.min(size, 1900)
          const after = yield* LogHead.grow(records.slice(0, from))
          return { after, recordHashes: [...records.slice(from), ...recordsOf(1, " newer")] }
        })
      const known = { w1: 1990, w2: 1500, w3: 1200 }
      const away = yield* asking([1990, "away", "away"], { from: 1990, known, readAfter })
      assert.deepStrictEqual([reads, away.cosigned.missing.map(({ why }) => why)], [[], [
        "could not be reached",
        "could not be reached"
      ]])
      const { cosigned, sent } = yield* asking([1990, 1950, 1930], { from: 1990, known, readAfter })
      assert.isTrue(cosigned.isQuorum)
      assert.deepStrictEqual(cosigned.missing, [])
      assert.lengthOf(reads, 1)
      // Asked without a proof first, then from where they are.
      for (const [witness, size] of [[1, 1950], [2, 1930]] as const) {
        const own = sent.filter((request) => request.witness === witness)
        assert.deepStrictEqual(own.map(({ old }) => old), [0, size])
        assert.deepStrictEqual([own[0]!.proof, own[1]!.proof > 0], [0, true])
      }
      reads.length = 0
      const further = yield* asking([1800, 1700, 1990], { from: 1990, known: {}, readAfter })
      assert.deepStrictEqual(further.cosigned.missing, [])
      assert.isAtMost(reads.length, 2)
    }))

  it.effect("that have seen nothing need no proof, and no older records", () =>
    Effect.gen(function*() {
      const { cosigned, sent } = yield* asking([0, 0, 1990], { from: 1990, known: { w1: 1990, w3: 1990 } })
      assert.deepStrictEqual(cosigned.missing, [])
      assert.deepStrictEqual(sent.filter(({ witness }) => witness === 0).map(({ old }) => old), [1990, 0])
    }))

  it.effect("may have any name, also that of what each object has", () =>
    Effect.gen(function*() {
      const { log, witnesses } = yield* cast
      const records = recordsOf(3)
      const note = yield* signed(yield* headOf("vargate.test/log", records), [log])
      for (const name of ["constructor", "__proto__", "toString"]) {
        const policy = yield* WitnessPolicy.parse([
          `log ${Note.formatVerifier(log.verifier)}`,
          `witness ${name} ${Note.formatVerifier(witnesses[0]!.verifier)} https://witness.test`,
          `quorum ${name}`
        ].join("\n"))
        const sent: Array<string> = []
        const client = HttpClient.make((request) =>
          Effect.sync(() => {
            assert(request.body._tag === "Uint8Array")
            sent.push(new TextDecoder().decode(request.body.body).split("\n")[0]!)
            return HttpClientResponse.fromWeb(request, new Response("", { status: 404 }))
          })
        )
        yield* WitnessClient.cosign({ note, recordHashes: records, policy, known: {} }).pipe(
          Effect.provideService(HttpClient.HttpClient, client)
        )
        assert.deepStrictEqual(sent, ["old 0"], name)
      }
    }))

  it.effect("that are behind are told as missing where older records are not there, or not those of the head", () =>
    Effect.gen(function*() {
      const other = recordsOf(2000, " other")
      const readers: ReadonlyArray<readonly [WitnessClient.Request["readAfter"], RegExp]> = [
        [undefined, /has cosigned 1500 records, and older ones are not at hand/],
        [() => Effect.fail({ message: "the log is not valid" }), /could not be read: the log is not valid/],
        [() => Effect.succeed({ recordHashes: other }), /older ones are not those of the head/],
        [() => Effect.succeed({ recordHashes: recordsOf(1999) }), /older ones are not those of the head/],
        [() => Effect.succeed({ recordHashes: ["no hash"] }), /older ones are not those of the head/],
        [
          () => Effect.succeed({ recordHashes: recordsOf(2000).slice(1990), after: { size: 1990, peaks: [] } }),
          /older ones are not those of the head/
        ]
      ]
      for (const [readAfter, expected] of readers) {
        const known = { w1: 1990, w2: 1500, w3: 1990 }
        const { cosigned } = yield* asking([1990, 1500, 1990], { from: 1990, known, readAfter })
        assert.isTrue(cosigned.isQuorum)
        assert.deepStrictEqual(cosigned.missing.map(({ name }) => name), ["w2"])
        assert.match(cosigned.missing[0]!.why, expected)
      }
    }))

  it.effect("are not asked about records that are not those of the head", () =>
    Effect.gen(function*() {
      const { log, policy } = yield* cast
      const records = recordsOf(20)
      const note = yield* signed(yield* headOf("vargate.test/log", records), [log])
      const after = yield* LogHead.grow(records.slice(0, 10))
      for (
        const growth of [
          { recordHashes: records.slice(10) },
          { recordHashes: records.slice(11), after },
          { recordHashes: records, after },
          { recordHashes: recordsOf(20, " other").slice(10), after }
        ]
      ) {
        const error = yield* Effect.flip(
          WitnessClient.cosign({ ...growth, note, policy }).pipe(
            Effect.provideService(HttpClient.HttpClient, HttpClient.make(() => Effect.die("nothing is sent")))
          )
        )
        assert.match(error.message, /are not those of the head/)
      }
    }))
})
