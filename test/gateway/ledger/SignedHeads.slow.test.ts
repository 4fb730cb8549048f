import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient, HttpClient, HttpServer } from "effect/http"
import { createServer } from "node:http"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as LogHead from "../../../src/verify/witness/LogHead.ts"
import * as Note from "../../../src/verify/witness/Note.ts"
import * as WitnessClient from "../../../src/verify/witness/WitnessClient.ts"
import * as WitnessPolicy from "../../../src/verify/witness/WitnessPolicy.ts"
import { hasPeer, needsPeer, startTlog, startWitness } from "../../support/tlogPeer.ts"

const hashOf = (n: number) => n.toString(16).padStart(64, "0")

describe.skipIf(!hasPeer)(`the public log of a gateway${needsPeer}`, () => {
  it.live("is followed by Go's tile reader, and its heads are cosigned by a witness as it grows", () =>
    Effect.gen(function*() {
      const key = yield* Note.makeKey("log.example/go")
      const hashes: Array<string> = []
      /** Records whose hashes are made up: what heads are made of, and nothing else. */
      const ledger = Layer.effect(
        Ledger,
        Effect.map(Ledger, (ledger) =>
          Ledger.of({
            ...ledger,
            hashes: (_, after, limit) =>
              Effect.sync(() =>
                hashes.slice(after, after + limit).map((recordHash, i) => ({ place: after + i + 1, recordHash }))
              )
          }))
      )
      const options: Gateway.Options = { heads: { tenants: { local: { key } }, every: "50 millis" } }
      const server = Gateway.serve(options).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
        Layer.provide(ledger.pipe(Layer.provideMerge(Gateway.layerParts(options))))
      )
      yield* Effect.gen(function*() {
        const { address } = yield* HttpServer.HttpServer
        const prefix = `http://127.0.0.1:${"port" in address ? address.port : 0}/tlog/${key.verifier.id}`
        const client = yield* HttpClient.HttpClient
        const headOf = Effect.fnUntraced(function*(size: number) {
          while (true) {
            const response = yield* client.get(`${prefix}/checkpoint`)
            const note = yield* response.text
            if (note.split("\n")[1] === String(size)) return note
            yield* Effect.sleep("20 millis")
          }
        })
        const ask = yield* startTlog
        const vkey = Note.formatVerifier(key.verifier)
        const witness = yield* startWitness(vkey)
        const policy = yield* WitnessPolicy.parse(
          [`log ${vkey}`, `witness w ${witness.vkey} ${witness.url}`, "quorum w"].join("\n")
        )
        let older = { size: 0, root: "" }
        let known: Readonly<Record<string, number>> = {}
        for (const size of [3, 256, 300, 1000, 65_536, 66_001]) {
          for (let n = hashes.length; n < size; n++) hashes.push(hashOf(n))
          const note = yield* headOf(size)
          const opened = yield* ask({ Op: "open", Key: vkey, Text: note })
          assert.isUndefined(opened.error)
          const { root } = yield* LogHead.parse(String(opened.result))
          for (const index of [0, Math.floor(size / 2), size - 1]) {
            const question = { Op: "follow", Text: prefix, Size: size, Root: root, Old: older.size, Older: older.root }
            const followed = yield* ask({ ...question, Index: index, Leaves: [hashes[index]!] })
            assert.deepStrictEqual(followed, { result: true }, `record ${index} of ${size}`)
            const foreign = yield* ask({ ...question, Index: index, Leaves: [hashOf(1e9)] })
            assert.isDefined(foreign.error)
          }
          const cosigned = yield* WitnessClient.cosign({ note, recordHashes: hashes, policy, known })
          assert.isTrue(cosigned.isQuorum, JSON.stringify(cosigned.missing))
          known = Object.fromEntries(cosigned.sizes)
          older = { size, root }
        }
        const entries = new Uint8Array(yield* (yield* client.get(`${prefix}/tile/entries/003`)).arrayBuffer)
        assert.strictEqual(
          Buffer.from(entries).toString("hex"),
          hashes.slice(768, 1024).map((hash) => `0020${hash}`).join("")
        )
      }).pipe(Effect.provide(server))
    }).pipe(Effect.scoped, Effect.provide([NodeHasher.layer, FetchHttpClient.layer])))
})
