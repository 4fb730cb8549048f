/**
 * Building a Merkle tree and verifying inclusion proofs, against the same in Python.
 *
 * Usage: `node --conditions=effect-vargate-source bench/merkle.ts [rounds] [leaves]`. All rows are measured in turns,
 * since only ratios within one run mean anything, and in CPU time of all threads: what else the machine does is left out.
 */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { hash } from "node:crypto"
import { MerkleProof } from "../src/domain/MerkleProof.ts"
import { RecordHash } from "../src/domain/RecordHash.ts"
import { levelsOf, pathOf } from "../src/internal/merkleTree.ts"
import * as Merkle from "../src/Merkle.ts"
import * as NodeHasher from "../src/node/NodeHasher.ts"

const rounds = Number(process.argv[2] ?? 5)
const size = Number(process.argv[3] ?? 1_000_000)
const proofCount = 20_000

const leaves = Array.from({ length: size }, (_, i) => RecordHash.make(hash("sha256", String(i), "hex")))
const levels = levelsOf(leaves, (left, right) => hash("sha256", Buffer.from(left + right, "hex"), "hex"))
const tree = { root: levels.at(-1)![0]!, records: size, index: 0 }
const proofs = Array.from({ length: proofCount }, (_, i) => {
  const leafIndex = (i * 7919) % size
  return new MerkleProof({
    recordHash: leaves[leafIndex]!,
    root: RecordHash.make(tree.root),
    steps: pathOf(levels, leafIndex).map(({ sibling, side }) => ({ sibling: RecordHash.make(sibling), side })),
    leafIndex,
    treeIndex: 0,
    treeSize: size
  })
})

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, NodeHasher.layer) as Effect.Effect<A>)

const rows: Record<string, () => Promise<void>> = {
  "rootOf": async () => {
    if (await run(Merkle.rootOf(leaves)) !== tree.root) throw new Error("another root")
  },
  "verifyInclusion": () =>
    run(Effect.forEach(proofs, (proof) =>
      Effect.map(Merkle.verifyInclusion(proof, tree), ({ valid }) => {
        if (!valid) throw new Error("a proof does not hold")
      }), { discard: true }))
}

/** Once over bytes, and once over the hex that the API speaks, node by node. */
const reference = `
import hashlib, json, sys, time
size, count = int(sys.argv[1]), int(sys.argv[2])
sha = hashlib.sha256
as_bytes = lambda left, right: sha(left + right).digest()
as_hex = lambda left, right: sha(bytes.fromhex(left + right)).hexdigest()
def build(level, node):
    levels = [level]
    while len(level) > 1:
        if len(level) % 2: level = level + [level[-1]]
        level = [node(level[i], level[i + 1]) for i in range(0, len(level), 2)]
        levels.append(level)
    return levels
def timed(run):
    start = time.process_time()
    result = run()
    return time.process_time() - start, result
leaves = [sha(str(i).encode()).hexdigest() for i in range(size)]
build_bytes, _ = timed(lambda: build([bytes.fromhex(leaf) for leaf in leaves], as_bytes))
build_hex, levels = timed(lambda: build(leaves, as_hex))
proofs = []
for i in range(count):
    index = at = i * 7919 % size
    steps = []
    for level in levels[:-1]:
        other = at ^ 1
        steps.append((level[other] if other < len(level) else level[at], "left" if at % 2 else "right"))
        at //= 2
    proofs.append((leaves[index], steps))
def check(node, decode):
    for leaf, steps in proofs:
        at = decode(leaf)
        for sibling, side in steps:
            at = node(decode(sibling), at) if side == "left" else node(at, decode(sibling))
        assert at == decode(levels[-1][0])
proofs_bytes, _ = timed(lambda: check(as_bytes, bytes.fromhex))
proofs_hex, _ = timed(lambda: check(as_hex, lambda text: text))
print(json.dumps([[build_bytes, build_hex], [proofs_bytes, proofs_hex]]))
`

const cpuSeconds = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const seconds = new Map<string, Array<number>>()
const python: Array<ReadonlyArray<ReadonlyArray<number>>> = []

for (let round = -1; round < rounds; round++) {
  for (const [row, measure] of Object.entries(rows)) {
    const start = cpuSeconds()
    await measure()
    // The first turn of each warms up.
    if (round >= 0) seconds.set(row, [...(seconds.get(row) ?? []), cpuSeconds() - start])
  }
  if (round < 0) continue
  const { status, stdout } = spawnSync("python3", ["-c", reference, String(size), String(proofCount)], {
    encoding: "utf8"
  })
  if (status === 0) python.push(JSON.parse(stdout))
}

const targets = { rootOf: "target 1.6", verifyInclusion: "target 1.5" } as const
console.log(`${size} leaves, ${proofCount} proofs of ${proofs[0]!.steps.length} steps, medians of ${rounds} rounds`)
Object.entries(targets).forEach(([row, target], column) => {
  const time = median(seconds.get(row)!)
  const each = time / (row === "rootOf" ? size : proofCount) * 1e6
  const ratio = (way: number) => (median(python.map((values) => values[column]![way]!)) / time).toFixed(2)
  const times = python.length === 0
    ? "python3 is missing"
    : `${ratio(1)} x Python over hex, ${ratio(0)} x over bytes`
  console.log([row.padEnd(16), `${each.toFixed(2)} µs of CPU each`, times, target].join("  "))
})
