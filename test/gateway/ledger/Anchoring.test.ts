import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import { ToolCalls } from "../../../src/calls/ToolCalls.ts"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import {
  type Anchorer,
  AnchorFailed,
  anchorOnce,
  type Place,
  type Root
} from "../../../src/gateway/ledger/Anchoring.ts"
import * as EvmAnchorer from "../../../src/gateway/ledger/EvmAnchorer.ts"
import * as MerkleTrees from "../../../src/gateway/ledger/MerkleTrees.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import * as Vargate from "../../../src/Vargate.ts"
import { Merkle } from "../../../src/verify/Merkle.ts"
import { folder } from "../../support/folder.ts"

/** A place outside, which may fail before or after it has written. */
const outside = () => {
  const written: Array<Root> = []
  const faults = { before: 0, after: 0, find: 0 }
  const placeOf = (root: Root): Place => ({
    root: root.root,
    tx: `tx ${root.root.slice(0, 8)}`,
    chain: "paper",
    block: 7
  })
  const fail = Effect.fail(new AnchorFailed({ detail: "the pen is dry" }))
  const anchorer: Anchorer = {
    find: (root) =>
      Effect.suspend(() => {
        if (faults.find-- > 0) return fail
        const found = written.find(({ fromRecordId, prevRoot }) =>
          prevRoot === root.prevRoot && fromRecordId === root.fromRecordId
        )
        return Effect.succeed(found === undefined ? undefined : placeOf(found))
      }),
    submit: (root) =>
      Effect.suspend(() => {
        if (faults.before-- > 0) return fail
        written.push(root)
        return faults.after-- > 0 ? fail : Effect.succeed(placeOf(root))
      })
  }
  return { anchorer, faults, written }
}

const apiKey = "a-long-random-key"
const hours = (count: number) =>
  Effect.gen(function*() {
    for (let i = 0; i < count; i++) {
      yield* ToolCalls.use((calls) => calls.decide({ tool: "files", method: "read", params: { i } }))
      yield* TestClock.adjust("1 hour")
    }
  })

const parts = {
  memory: Effect.succeed(Gateway.layerMemory({ tenants: [{ id: "acme", apiKey }] })),
  sqlite: Effect.map(
    folder,
    (path) => Gateway.layerSqlite({ filename: join(path, "vargate.db"), tenants: [{ id: "acme", apiKey }] })
  )
}

describe.each(["memory", "sqlite"] as const)("a ledger in %s", (kind) => {
  it.effect("anchors each hour once, in order, whatever fails on the way", () =>
    Effect.gen(function*() {
      const gateway = yield* parts[kind]
      const { anchorer, faults, written } = outside()
      yield* Effect.gen(function*() {
        yield* hours(3)
        const trees = (yield* Merkle.use((merkle) => merkle.roots())).toReversed()
        assert.deepStrictEqual(trees.map(({ anchorTx }) => anchorTx), [null, null, null])
        const once = Effect.provide(anchorOnce(anchorer), MerkleTrees.layer)
        // Not written; written and not known to be; then not to be looked at.
        Object.assign(faults, { before: 1 })
        yield* once
        assert.lengthOf(written, 0)
        Object.assign(faults, { before: 0, after: 1 })
        yield* once
        assert.lengthOf(written, 1)
        Object.assign(faults, { after: 0, find: 1 })
        yield* once
        assert.lengthOf(written, 1)
        yield* once
        yield* once
        assert.deepStrictEqual(written.map(({ root }) => root), trees.map(({ root }) => root as string))
        const anchored = (yield* Merkle.use((merkle) => merkle.roots())).toReversed()
        assert.deepStrictEqual(
          anchored.map(({ anchorBlock, anchorChain, anchorTx }) => [anchorChain, anchorTx, anchorBlock]),
          trees.map(({ root }) => ["paper", `tx ${root.slice(0, 8)}`, 7])
        )
      }).pipe(Effect.provide(Vargate.layer({ apiKey })), Effect.provide(gateway))
    }))
})

describe("anchoring", () => {
  it.effect("writes no second root in the place of one that is there", () =>
    Effect.gen(function*() {
      const gateway = yield* parts.memory
      const { anchorer, written } = outside()
      yield* Effect.gen(function*() {
        yield* hours(2)
        const [, first] = yield* Merkle.use((merkle) => merkle.roots())
        // The ledger is an older copy, or was changed: this was anchored of its first hour.
        written.push({ root: "ab".repeat(32), prevRoot: first!.prevRoot!, records: 1, fromRecordId: 1, toRecordId: 1 })
        yield* Effect.provide(anchorOnce(anchorer), MerkleTrees.layer)
        assert.lengthOf(written, 1)
        const trees = yield* Merkle.use((merkle) => merkle.roots())
        assert.deepStrictEqual(trees.map(({ anchorTx }) => anchorTx), [null, null])
      }).pipe(Effect.provide(Vargate.layer({ apiKey })), Effect.provide(gateway))
    }))

  it.effect("happens by itself where the gateway is told where", () => {
    const { anchorer, written } = outside()
    const gateway = Gateway.layerMemory({ tenants: [{ id: "acme", apiKey }], anchors: { anchorer } })
    return Effect.gen(function*() {
      yield* hours(2)
      yield* TestClock.adjust("2 minutes")
      assert.lengthOf(written, 2)
      const trees = yield* Merkle.use((merkle) => merkle.roots())
      assert.isTrue(trees.every(({ anchorTx }) => typeof anchorTx === "string"))
    }).pipe(Effect.provide(Layer.provideMerge(Vargate.layer({ apiKey }), gateway)))
  })
})

describe("an anchorer of an EVM chain", () => {
  const root: Root = { root: "aa".repeat(32), prevRoot: "bb".repeat(32), records: 3, fromRecordId: 1, toRecordId: 3 }
  const options = {
    url: "http://127.0.0.1/secret-key",
    chainId: 137,
    contract: "0x5fbdb2315678afecb367f032d93f642f64180aa3",
    from: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
  }

  it.effect("sends nothing to another chain, and shows no URL when it fails", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const answering = (answer: (method: string) => ScriptedTransport.Step) =>
        ScriptedTransport.layer(({ body }) => {
          const { method } = body as { readonly method: string }
          sent.push(method)
          return answer(method)
        })
      const submit = (answer: (method: string) => ScriptedTransport.Step) =>
        Effect.gen(function*() {
          const anchorer = yield* EvmAnchorer.make(options)
          return yield* Effect.flip(anchorer.submit(root))
        }).pipe(Effect.provide(answering(answer)))
      const foreign = yield* submit(() => ScriptedTransport.json(200, { result: "0x1" }))
      assert.match(foreign.message, /the node is on chain 1, not on 137/)
      assert.deepStrictEqual(sent, ["eth_chainId"])
      const broken = [
        yield* submit(() => ScriptedTransport.refuse),
        yield* submit(() => ScriptedTransport.text(500, "secret-key")),
        yield* submit((method) =>
          ScriptedTransport.json(
            200,
            method === "eth_chainId" ? { result: "0x89" } : { error: { code: 3, message: "secret-key" } }
          )
        ),
        yield* submit((method) => ScriptedTransport.json(200, { result: method === "eth_chainId" ? "0x89" : "0x12" }))
      ]
      assert.notMatch(broken.map((error) => error.message + JSON.stringify(error)).join(), /secret|127\.0\.0\.1/)
      assert.match(broken[2]!.message, /answered eth_sendTransaction with error 3/)
    }))
})
