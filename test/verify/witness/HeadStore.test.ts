import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { HttpClient } from "effect/http"
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Checkpoint } from "../../../src/audit/Checkpoint.ts"
import * as FileHeads from "../../../src/node/FileHeads.ts"
import { GatewayMemory } from "../../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import * as Checkpoints from "../../../src/verify/Checkpoints.ts"
import * as Hasher from "../../../src/verify/Hasher.ts"
import { SharedTreeRow } from "../../../src/verify/internal/merkle/treeRow.ts"
import * as HeadStore from "../../../src/verify/witness/HeadStore.ts"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import type * as Note from "../../../src/verify/witness/Note.ts"
import * as VerifiedRecords from "../../../src/verify/witness/VerifiedRecords.ts"
import * as WitnessClient from "../../../src/verify/witness/WitnessClient.ts"
import * as WitnessPolicy from "../../../src/verify/witness/WitnessPolicy.ts"
import { folder } from "../../support/folder.ts"
import { seeded } from "../../support/generateJson.ts"
import { gateway, submitSome } from "../../support/rawLog.ts"
import { cast, headOf, recordsOf, signed } from "./heads.ts"

describe("a store of heads", () => {
  it.effect("lets a log only grow, in memory and in a file", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "heads.json")
      for (const layer of [HeadStore.layerMemory, FileHeads.layer(path)]) {
        yield* Effect.gen(function*() {
          const store = yield* HeadStore.HeadStore
          assert.isUndefined(yield* store.get("log"))
          const first = yield* store.advance("log", recordsOf(5))
          assert.strictEqual(first.root, (yield* headOf("log", recordsOf(5))).root)
          yield* store.cosigned("log", new Map([["w1", 5]]))
          const second = yield* store.advance("log", recordsOf(9))
          assert.deepStrictEqual([second.size, second.witnesses], [9, { w1: 5 }])
          // Signing the same again is no second story.
          assert.strictEqual((yield* store.advance("log", recordsOf(9))).root, second.root)
          for (const records of [recordsOf(8), recordsOf(12, " rewritten"), []]) {
            const error = yield* Effect.flip(store.advance("log", records))
            assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest", String(error))
          }
          assert.strictEqual((yield* store.get("log"))?.size, 9)
          assert.strictEqual((yield* store.advance("other", recordsOf(2))).size, 2)
        }).pipe(Effect.provide(layer))
      }
      const again = yield* Effect.provide(HeadStore.HeadStore.use((store) => store.get("log")), FileHeads.layer(path))
      assert.strictEqual(again?.size, 9)
    }))

  it.effect("hashes only what has come since the last head, and knows a log that does not continue it", () =>
    Effect.gen(function*() {
      let hashed = 0
      const counting: Hasher.HasherService = {
        hashAll: (texts) =>
          Effect.sync(() => {
            hashed += texts.length
            return texts.map((text) => createHash("sha256").update(text).digest("hex"))
          })
      }
      yield* Effect.gen(function*() {
        const store = yield* HeadStore.HeadStore
        const records = recordsOf(2000)
        yield* store.advance("log", records.slice(0, 1990))
        assert.isAtLeast(hashed, 2 * 1980)
        hashed = 0
        const grown = yield* store.advance("log", records)
        assert.isAtMost(hashed, 60)
        assert.strictEqual(grown.root, (yield* headOf("log", records)).root)
        const other = [...records.slice(0, 1999), recordsOf(1, " other")[0]!, recordsOf(1, " more")[0]!]
        const error = yield* Effect.flip(store.advance("log", other))
        assert.match(error.message, /not those over which a head was signed/)
      }).pipe(
        Effect.provide(HeadStore.layerMemory),
        Effect.provideService(Hasher.Hasher, counting),
        Effect.provideService(SharedTreeRow, undefined)
      )
    }))

  it.effect("checks all that a head of an earlier file is over", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "heads.json")
      const advance = (records: ReadonlyArray<string>) =>
        Effect.provide(
          HeadStore.HeadStore.use((store) => store.advance("log", records)),
          Layer.fresh(FileHeads.layer(path))
        )
      yield* advance(recordsOf(9))
      const file = JSON.parse(readFileSync(path, "utf8"))
      delete file.heads[0].last
      writeFileSync(path, JSON.stringify(file))
      const changed = recordsOf(12).with(3, recordsOf(1, " other")[0]!)
      assert.match((yield* Effect.flip(advance(changed))).message, /not those over which a head was signed/)
      assert.strictEqual((yield* advance(recordsOf(12))).root, (yield* headOf("log", recordsOf(12))).root)
    }))

  it.effect("of two writers lets one tell the story", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "heads.json")
      const advance = (records: ReadonlyArray<string>) =>
        Effect.result(HeadStore.HeadStore.use((store) => store.advance("log", records))).pipe(
          Effect.provide(Layer.fresh(FileHeads.layer(path)))
        )
      const results = yield* Effect.all([advance(recordsOf(3)), advance(recordsOf(3, " other"))], { concurrency: 2 })
      assert.deepStrictEqual(results.map(({ _tag }) => _tag).sort(), ["Failure", "Success"])
    }))
})

describe("the records of a log", () => {
  it.effect("are its hashes, oldest first, across pages", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(5), 12)
      const memory = yield* GatewayMemory
      const own = (yield* memory.records()).map(({ recordHash }) => recordHash as string)
      const { recordHashes, report } = yield* VerifiedRecords.read({ pageSize: 5 })
      assert.deepStrictEqual(recordHashes, own)
      assert.strictEqual(report.records, 12)
    }).pipe(Effect.provide(gateway())))

  it.effect("of a log that is not valid are not handed out", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(5), 4)
      const memory = yield* GatewayMemory
      yield* memory.tamperWithLedger({ edit: (records) => records.toSpliced(1, 1) })
      const error = yield* Effect.flip(VerifiedRecords.read())
      assert.match(error.message, /not valid \(BrokenLink.*nothing is signed over it/)
    }).pipe(Effect.provide(gateway())))
})

describe("checkpoints of two auditors", () => {
  it.effect("are compared by the heads of one size", () =>
    Effect.gen(function*() {
      const checkpoint = (salt: string, size: number) =>
        Effect.map(headOf("log", recordsOf(size, salt)), ({ root }) =>
          new Checkpoint({
            tenantId: "t",
            id: size,
            recordHash: root,
            count: size,
            at: DateTime.makeUnsafe(0),
            roots: [],
            head: root
          }))
      const ours = [yield* checkpoint("", 5), yield* checkpoint("", 9)]
      assert.deepStrictEqual(Checkpoints.compare(ours, [yield* checkpoint("", 9)]), { agreed: 3, contradictions: [] })
      const { contradictions } = Checkpoints.compare(ours, [yield* checkpoint(" rewritten", 5)])
      assert.deepInclude(contradictions.map(({ at }) => at), { head: 5 })
    }))
})

describe("a client of witnesses", () => {
  /** Answers by the path of each witness's URL. */
  const asking = Effect.fnUntraced(function*(
    answers: ReadonlyArray<(text: string, key: Note.SignerKey, head: string) => Effect.Effect<ScriptedTransport.Step>>
  ) {
    const { log, text, witnesses } = yield* cast
    const policy = yield* WitnessPolicy.parse(text.replaceAll(/https:\/\/witness\.test\/(\d)/g, "http://127.0.0.1/$1"))
    const recordHashes = recordsOf(9)
    const head = yield* headOf("vargate.test/log", recordHashes)
    const note = yield* signed(head, [log])
    const sent: Array<string> = []
    const context = yield* Layer.build(ScriptedTransport.layer(({ path, text }) => {
      sent.push(text)
      const place = Number(path.split("/")[1])
      return Effect.runSync(answers[place]!(text, witnesses[place]!, LogHead.format(head)))
    }))
    const client = yield* Effect.provideContext(HttpClient.HttpClient, context)
    const cosigned = yield* WitnessClient.cosign({ note, recordHashes, policy, known: { w1: 4 } }).pipe(
      Effect.provideService(HttpClient.HttpClient, client)
    )
    return { cosigned, policy, sent }
  })

  it.effect("says why a witness has not cosigned, and believes no signature that does not hold", () =>
    Effect.gen(function*() {
      const reply = (status: number, text: string) => () => Effect.succeed(ScriptedTransport.text(status, text))
      const cases: ReadonlyArray<readonly [() => Effect.Effect<ScriptedTransport.Step>, RegExp]> = [
        [reply(200, "— witness.test/w1 AAAAAAAAAAAAAAAA\n"), /no cosignature that holds/],
        [reply(200, "nonsense"), /no cosignature that holds/],
        [reply(403, ""), /does not know the log's key \(403\)/],
        [reply(500, ""), /answered otherwise \(500\)/],
        [reply(302, ""), /answered otherwise \(302\)/],
        [reply(409, "many\n"), /409 without a size/],
        [reply(409, "10\n"), /has cosigned 10 records, and this head has 9/],
        [reply(409, "3\n"), /names another size each time/],
        [() => Effect.succeed(ScriptedTransport.refuse), /could not be reached/],
        [reply(200, "x".repeat(100_000)), /could not be reached/]
      ]
      for (const [answer, expected] of cases) {
        const { cosigned } = yield* asking([answer, answer, answer])
        assert.isFalse(cosigned.isQuorum)
        assert.deepStrictEqual(cosigned.missing.map(({ name }) => name), ["w1", "w2", "w3"])
        for (const { why } of cosigned.missing) assert.match(why, expected)
      }
    }))

  it.effect("sends growth since the size that a witness knows", () =>
    Effect.gen(function*() {
      const silent = () => Effect.succeed(ScriptedTransport.text(404, ""))
      const { sent } = yield* asking([silent, silent, silent])
      const [none, , some] = sent.toSorted()
      assert.match(some!, /^old 4\n(?:[A-Za-z0-9+/]{43}=\n)+\nvargate\.test\/log\n9\n/)
      assert.match(none!, /^old 0\n\nvargate\.test\/log\n9\n/)
      assert.notInclude(sent.join(""), "PRIVATE")
    }))
})
