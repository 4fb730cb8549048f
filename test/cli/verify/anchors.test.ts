import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ToolCalls } from "../../../src/calls/ToolCalls.ts"
import { EvidenceVerdict, Failure, Verdict } from "../../../src/cli/Output.ts"
import { GatewayMemory } from "../../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import { Merkle } from "../../../src/verify/Merkle.ts"
import { decodeLines, run } from "../../support/cli.ts"
import { folder } from "../../support/folder.ts"
import { gateway, tenant } from "../../support/rawLog.ts"
import {
  type Answer,
  chainId,
  contract,
  hour,
  nodes,
  otherContract,
  owner,
  ScriptedChain
} from "../../verify/anchors/scriptedChain.ts"

/** Some records in two hours, their trees anchored, and a file that says where. */
const scene = Effect.gen(function*() {
  const toolCalls = yield* ToolCalls
  for (let i = 0; i < 4; i++) {
    yield* toolCalls.decide({ tool: "files", method: "read", params: { i } })
    yield* TestClock.adjust("30 minutes")
  }
  yield* TestClock.adjust("10 minutes")
  const chain = new ScriptedChain()
  chain.anchor(yield* Effect.map(Merkle.use((merkle) => merkle.roots()), (trees) => trees.toReversed()))
  chain.mine(2 * hour + 500)
  const path = yield* folder
  const config = (change: object = {}) => {
    const file = join(path, "chain.json")
    const whole = {
      chainId,
      contract,
      finality: "finalized",
      maxDelay: "1h",
      nodes: [{ label: "a", url: { env: "NODE_URL" } }],
      ...change
    }
    writeFileSync(file, JSON.stringify(whole))
    return file
  }
  return { chain, config, path }
})

const vargate = (args: ReadonlyArray<string>, chain: ScriptedChain, answer?: Answer) =>
  Effect.gen(function*() {
    const own = yield* HttpClient.HttpClient
    const scripted = yield* Effect.provide(
      HttpClient.HttpClient,
      nodes({ a: answer === undefined ? { chain } : { chain, answer } })
    )
    const both = HttpClient.transform(own, (send, request) =>
      request.url.startsWith("http://node.localhost") ? scripted.execute(request) : send)
    return yield* run(args, {
      env: { VARGATE_API_KEY: tenant.apiKey, NODE_URL: "http://node.localhost/a?key=secret-key" },
      hasFiles: true
    }).pipe(Effect.provideService(HttpClient.HttpClient, both))
  })

describe("verify --anchors", () => {
  it.effect("says that the trees are on the chain", () =>
    Effect.gen(function*() {
      const { chain, config } = yield* scene
      const { code, err, out } = yield* vargate(["verify", "--anchors", config()], chain)
      assert.match(out, /^Recomputed +✓ valid, 4 records/m)
      assert.match(out, /^Anchors +✓ valid, 2 trees on chain 137 by 1 of 1 node$/m)
      assert.deepStrictEqual([code, err], [0, ""])
      const json = yield* vargate(["verify", "--anchors", config(), "--json"], chain)
      const [, ours] = decodeLines(Verdict, json.out)
      assert(ours?._tag === "Independent")
      assert.deepInclude({ ...ours.anchors }, { valid: true, isChecked: true, entries: 2 })
      assert.notInclude(out + json.out, "secret")
    }).pipe(Effect.provide(gateway())))

  it.effect("names what the chain says otherwise, ends with 1, and keeps no checkpoint", () =>
    Effect.gen(function*() {
      const { chain, config, path } = yield* scene
      const memory = yield* GatewayMemory
      yield* memory.tamperWithLedger({
        edit: (records) => records.map((record, i) => i === 3 ? { ...record, params: { i: 30 } } : record),
        rehash: true
      })
      const checkpoint = join(path, "kept.json")
      const { code, out } = yield* vargate(["verify", "--anchors", config(), "--checkpoint", checkpoint], chain)
      assert.match(out, /^Gateway says +✓ valid/m)
      assert.match(out, /^Anchors +✗ not as they should be: 1 finding by 1 of 1 node$/m)
      assert.match(out, /RewrittenAfterAnchoring +tree 1\n +Entry 1 has its root, and its records do not lead to that/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("ends with 5 where the nodes cannot be asked: that is no verdict", () =>
    Effect.gen(function*() {
      const { chain, config } = yield* scene
      const { code, out } = yield* vargate(["verify", "--anchors", config()], chain, () =>
        ScriptedTransport.json(403, {}))
      assert.match(out, /^Anchors +\? not checked by 0 of 1 node$/m)
      assert.match(out, /NotChecked +node a answered 403 to eth_chainId/)
      assert.strictEqual(code, 5)
    }).pipe(Effect.provide(gateway())))

  it.effect("says who owned the contract meanwhile, and where that cannot be known", () =>
    Effect.gen(function*() {
      const { chain, config } = yield* scene
      const since = config({ ownerSince: 0, owner, logRange: 2 })
      assert.strictEqual((yield* vargate(["verify", "--anchors", since], chain)).code, 0)
      const hidden = yield* vargate(["verify", "--anchors", since], chain, (method, _, honest) =>
        method === "eth_getLogs" ? ScriptedTransport.json(403, {}) : honest())
      assert.match(hidden.out, /^Anchors +\? not checked by 1 of 1 node$/m)
      assert.match(hidden.out, /NotChecked +node a answered 403 to eth_getLogs: its owners are not known/)
      assert.strictEqual(hidden.code, 5)
      const before = chain.submissions.length
      chain.transfer(otherContract, 2 * hour + 501)
      chain.submit({ ...chain.submissions[before - 1]!.anchoring }, 2 * hour + 502)
      chain.transfer(owner, 2 * hour + 503)
      const { code, out } = yield* vargate(["verify", "--anchors", since], chain)
      assert.match(out, /OwnershipTransferred\n +The contract went from 0xf39f\w+ to 0xe7f1\w+ in block 4\./)
      assert.notInclude(out, "AnchoredByAnother")
      assert.strictEqual(code, 1)
      // As if only the other owner had anchored the second tree.
      chain.submissions.splice(before - 1, 2, { ...chain.submissions[before]!, index: before - 1 })
      const foreign = yield* vargate(["verify", "--anchors", since, "--json"], chain)
      assert.include(foreign.out, "AnchoredByAnother")
      const shown = yield* vargate(["verify", "--anchors", since], chain)
      assert.match(shown.out, /AnchoredByAnother +tree 1\n +Entry 1 was written while the contract belonged to 0xe7f1/)
    }).pipe(Effect.provide(gateway())))

  it.effect("refuses a file that says something else, and names the field", () =>
    Effect.gen(function*() {
      const { chain, config } = yield* scene
      const refused: ReadonlyArray<readonly [object, RegExp]> = [
        [{ chainId: "137" }, /chain.json does not say where anchors are: chainId: /],
        [{ contract: "0x1" }, /chain.json does not say where anchors are: contract: must be an address/],
        [{ ownerSince: -1 }, /chain.json does not say where anchors are: ownerSince: must be the number of a block/],
        [{ colour: "red" }, /colour/],
        [{ maxDelay: "soon" }, /maxDelay must be a duration/],
        [{ nodes: [{ label: "a", url: { env: "NO_SUCH" } }] }, /names the variable NO_SUCH, which is not set/]
      ]
      for (const [change, expected] of refused) {
        const { code, err } = yield* vargate(["verify", "--anchors", config(change), "--json"], chain)
        assert.match(decodeLines(Failure, err)[0]!.message, expected)
        assert.strictEqual(code, 2)
      }
      const missing = yield* vargate(["verify", "--anchors", "no/such/file.json"], chain)
      assert.strictEqual(missing.code, 11)
      const saved = yield* vargate(["verify", "--anchors", config(), "--file", "log.json"], chain)
      assert.strictEqual(saved.code, 2)
    }).pipe(Effect.provide(gateway())))
})

describe("evidence with anchors", () => {
  it.effect("shows a third party what the nodes said, without a node", () =>
    Effect.gen(function*() {
      const { chain, config, path } = yield* scene
      const file = join(path, "evidence.json")
      assert.strictEqual((yield* vargate(["evidence", "export", file, "--anchors", config()], chain)).code, 0)
      const text = readFileSync(file, "utf8")
      assert.strictEqual(JSON.parse(text).version, 2)
      assert.notMatch(text, /secret|node\.localhost/)
      const silent = new ScriptedChain()
      const { code, out } = yield* vargate(["evidence", "verify", file], silent, () => ScriptedTransport.refuse)
      assert.match(out, /^Anchors +✓ valid, 2 trees on chain 137 by 1 of 1 node$/m)
      assert.strictEqual(code, 0)
      const other = join(path, "other.json")
      writeFileSync(other, text.replaceAll(contract, otherContract))
      // What is pinned in the file is the exporter's: the reader has pins as well.
      const forged = yield* vargate(["evidence", "verify", other, "--anchors", config(), "--json"], silent)
      const { anchors } = decodeLines(EvidenceVerdict, forged.out)[0]!.report
      assert.deepInclude({ ...anchors }, { valid: false, isChecked: false, contract })
      assert.strictEqual(forged.code, 5)
    }).pipe(Effect.provide(gateway())))
})
