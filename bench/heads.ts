/** The head of a log on top of its verification: the tree over record hashes, and what two SHA-256 a record cost alone. */
import * as Effect from "effect/Effect"
import { hash } from "node:crypto"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import * as ChainVerifier from "../src/verify/ChainVerifier.ts"
import * as LogHead from "../src/verify/witness/LogHead.ts"
import { pageSize, recordAt, sha256 } from "./support/makeLog.ts"
import { atMost, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { cpuSeconds, inTurns, median, medianRatio } from "./support/statistics.ts"

const rounds = thorough(5, 1)
const records = thorough(150_000, 20_000)

const hashes: Array<string> = []
const rows: Array<object> = []
let previous = "GENESIS"
for (let i = 0; i < records; i++) {
  const { fields, payload } = recordAt(i, previous)
  previous = sha256(payload)
  hashes.push(previous)
  rows.push(Object.fromEntries(fields(previous)))
}
rows.reverse()
const encoder = new TextEncoder()
const pages = Array.from({ length: Math.ceil(records / pageSize) }, (_, page) => {
  const offset = page * pageSize
  const slice = rows.slice(offset, offset + pageSize)
  return encoder.encode(
    JSON.stringify({ records: slice, count: slice.length, offset, total: records, tenant_id: "bench" })
  )
})

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, NodeHasher.layer) as Effect.Effect<A>)

const old = Math.floor(records * 0.99)
const peaks = await run(LogHead.grow(hashes.slice(0, old)))
/** One alone takes less than the clock can tell. */
const repeats = 20
const leaf = new Uint8Array(33)
const node = new Uint8Array(65)

const names = {
  verify: "ChainVerifier.verifyPages",
  pure: "two SHA-256 a record, pure",
  whole: "LogHead.grow, from the beginning",
  grown: "LogHead.grow, the newest 1 %"
}

const measured = await inTurns(rounds, {
  [names.verify]: cpuSeconds(async () => {
    const { valid } = await run(ChainVerifier.verifyPages(pages))
    if (!valid) throw new Error("The chain does not verify")
  }),
  [names.pure]: cpuSeconds(() => {
    for (let i = 0; i < records; i++) {
      hash("sha256", leaf, "binary")
      hash("sha256", node, "binary")
    }
  }),
  [names.whole]: cpuSeconds(async () => void await run(LogHead.grow(hashes))),
  [names.grown]: cpuSeconds(async () => {
    for (let i = 0; i < repeats; i++) await run(LogHead.grow(hashes.slice(old), peaks))
  })
})
const seconds = { ...measured, [names.grown]: measured[names.grown]!.map((sum) => sum / repeats) }

const percentOf = (name: string, base: string) => 100 * medianRatio(seconds[name]!, seconds[base]!)

hand({
  title: "Heads of a log",
  about: `A log of ${
    records.toLocaleString("en")
  } records: its verification, and the tree of RFC 6962 over its record hashes, by CPU time, medians of ${rounds} rounds in turns. A tree costs two SHA-256 a record, which is twice what the verification itself hashes; a head that grows costs what has come since.`,
  tables: [{
    columns: ["way", "records/s", "% of the verification"],
    rows: Object.values(names).map((name) => [
      name,
      (name === names.grown ? records - old : records) / median(seconds[name]!),
      percentOf(name, names.verify)
    ])
  }],
  targets: [
    atMost("a head from the beginning", 10, "% of the verification", percentOf(names.whole, names.verify)),
    atMost("a head that has grown by 1 %", 10, "% of the verification", percentOf(names.grown, names.verify)),
    atMost("a head from the beginning", 250, "% of pure SHA-256", percentOf(names.whole, names.pure))
  ]
})
