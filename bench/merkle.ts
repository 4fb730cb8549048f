/** Building a Merkle tree and verifying inclusion proofs, against the same in Python. */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { hash } from "node:crypto"
import { levelsOf, pathOf } from "../src/internal/merkleTree.ts"
import { RecordHash } from "../src/model/RecordHash.ts"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import * as Merkle from "../src/verify/Merkle.ts"
import { MerkleProof } from "../src/verify/MerkleProof.ts"
import { atLeast, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { cpuSeconds, inTurns, median, medianRatio } from "./support/statistics.ts"

const rounds = thorough(3, 1)
const size = thorough(500_000, 50_000)
const proofCount = thorough(10_000, 2_000)

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

const build = cpuSeconds(async () => {
  if (await run(Merkle.rootOf(leaves)) !== tree.root) throw new Error("another root")
})

const prove = cpuSeconds(() =>
  run(Effect.forEach(proofs, (proof) =>
    Effect.map(Merkle.verifyInclusion(proof, tree), ({ valid }) => {
      if (!valid) throw new Error("a proof does not hold")
    }), { discard: true }))
)

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

interface Times {
  readonly build: number
  readonly prove: number
}

/** Both of Python's ways in one go: starting it and making the leaves takes as long as they do. */
const python = (): { readonly bytes: Times; readonly hex: Times } | undefined => {
  const { status, stdout } = spawnSync("python3", ["-c", reference, String(size), String(proofCount)], {
    encoding: "utf8"
  })
  if (status !== 0) return undefined
  const [[buildBytes, buildHex], [proveBytes, proveHex]] = JSON.parse(stdout)
  return { bytes: { build: buildBytes, prove: proveBytes }, hex: { build: buildHex, prove: proveHex } }
}

const taken = await inTurns<Times | ReturnType<typeof python>>(rounds, {
  ours: async () => ({ build: await build(), prove: await prove() }),
  python
})
const ours = taken["ours"] as ReadonlyArray<Times>
const theirs = (taken["python"] as ReadonlyArray<ReturnType<typeof python>>).filter((times) => times !== undefined)

const times = {
  "Merkle": ours,
  "Python over hex, as the API has it": theirs.map(({ hex }) => hex),
  "Python over bytes": theirs.map(({ bytes }) => bytes)
}

const rowsOf = (what: string, of: keyof Times, count: number) =>
  Object.entries(times).filter(([, taken]) => taken.length > 0).map(([name, taken]) => [
    what,
    name,
    median(taken.map((each) => each[of])) / count * 1e6,
    ratioTo(taken, of)
  ])

const ratioTo = (others: ReadonlyArray<Times>, of: keyof Times) =>
  others.length < ours.length ? undefined : medianRatio(others.map((each) => each[of]), ours.map((each) => each[of]))

hand({
  title: "Merkle trees",
  about: `A tree of ${size.toLocaleString("en")} leaves (\`Merkle.rootOf\`) and ${
    proofCount.toLocaleString("en")
  } proofs of ${
    proofs[0]!.steps.length
  } steps (\`Merkle.verifyInclusion\`), by CPU time, medians of ${rounds} rounds in turns.`,
  tables: [{
    columns: ["what", "way", "µs a leaf or proof", "x the time of Merkle"],
    rows: [...rowsOf("root of a tree", "build", size), ...rowsOf("proof of inclusion", "prove", proofCount)]
  }],
  targets: [
    atLeast("root of a tree", 1.6, "x Python over hex", ratioTo(times["Python over hex, as the API has it"], "build")),
    atLeast(
      "proof of inclusion",
      1.5,
      "x Python over hex",
      ratioTo(times["Python over hex, as the API has it"], "prove")
    )
  ],
  skipped: theirs.length === 0 ? ["Python: python3 is missing"] : []
})
