import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { levelsOf, pathOf } from "../../src/internal/merkleTree.ts"

const hashPair = (left: string, right: string) =>
  createHash("sha256").update(Buffer.from(left + right, "hex")).digest("hex")

/** Shows how the tree was built instead of hashing. */
const join = (left: string, right: string) => `(${left}${right})`

const rootOf = (leaves: ReadonlyArray<string>, pair = join) => levelsOf(leaves, pair).at(-1)![0]!

describe("levelsOf", () => {
  it("pairs neighbours and repeats the last node of an odd level", () => {
    assert.deepStrictEqual(levelsOf(["a", "b", "c", "d", "e"], join), [
      ["a", "b", "c", "d", "e"],
      ["(ab)", "(cd)", "(ee)"],
      ["((ab)(cd))", "((ee)(ee))"],
      ["(((ab)(cd))((ee)(ee)))"]
    ])
  })

  it("hashes a tree of one with itself", () => {
    assert.deepStrictEqual(levelsOf(["a"], join), [["a"], ["(aa)"]])
  })

  it("gives [a, b, c] and [a, b, c, c] the same root", () => {
    assert.strictEqual(rootOf(["a", "b", "c"]), rootOf(["a", "b", "c", "c"]))
    assert.notStrictEqual(rootOf(["a", "b", "c"]), rootOf(["a", "b", "c", "b"]))
  })

  it("hashes 64 bytes without a prefix", () => {
    const [a, b] = ["00".repeat(32), "ff".repeat(32)]
    const root = createHash("sha256").update(Buffer.alloc(32)).update(Buffer.alloc(32, 255)).digest("hex")
    assert.strictEqual(rootOf([a, b], hashPair), root)
  })
})

describe("pathOf", () => {
  const levels = levelsOf(["a", "b", "c"], join)

  it("names the sibling and its side on every level below the root", () => {
    assert.deepStrictEqual(pathOf(levels, 0), [{ sibling: "b", side: "right" }, { sibling: "(cc)", side: "right" }])
    assert.deepStrictEqual(pathOf(levels, 1), [{ sibling: "a", side: "left" }, { sibling: "(cc)", side: "right" }])
  })

  it("gives a last node without a neighbour itself, on the right", () => {
    assert.deepStrictEqual(pathOf(levels, 2), [{ sibling: "c", side: "right" }, { sibling: "(ab)", side: "left" }])
    assert.deepStrictEqual(pathOf(levelsOf(["a"], join), 0), [{ sibling: "a", side: "right" }])
  })

  it("leads from every leaf of every size to the root", () => {
    for (let size = 1; size <= 33; size++) {
      const leaves = Array.from({ length: size }, (_, index) => `${index}.`)
      const levels = levelsOf(leaves, join)
      for (const [index, leaf] of leaves.entries()) {
        const top = pathOf(levels, index).reduce(
          (node, { sibling, side }) => side === "left" ? join(sibling, node) : join(node, sibling),
          leaf
        )
        assert.strictEqual(top, levels.at(-1)![0], `leaf ${index} of ${size}`)
      }
    }
  })
})

const captures = new URL("../../../shared/gateway-capture/merkle/", import.meta.url)
const absent = !existsSync(captures)

interface Proof {
  readonly record_hash: string
  readonly leaf_index: number
  readonly tree_root: string
  readonly tree_size: number
  readonly tree_height: number
  readonly proof: ReadonlyArray<{ readonly sibling: string; readonly position: "left" | "right" }>
}

const read = (name: string) => JSON.parse(readFileSync(new URL(name, captures), "utf8"))

const bodyOf = (name: string) => JSON.parse(read(name).response.body_text)

describe.skipIf(absent)(`captured trees${absent ? " (needs ../shared/gateway-capture)" : ""}`, () => {
  const leaves: ReadonlyArray<ReadonlyArray<string>> = absent ? [] : Object.values(
    read("leaves.json") as Record<string, ReadonlyArray<{ readonly record_hash: string }>>
  ).map((rows) => rows.map(({ record_hash }) => record_hash))
  const proofs = absent ? [] : [
    ...readdirSync(captures).filter((name) => name.startsWith("proof-tree-of-")),
    ...readdirSync(new URL("all-5/", captures)).map((name) => `all-5/${name}`)
  ]

  it("are all there", () => {
    assert.deepStrictEqual(leaves.map(({ length }) => length), [1, 2, 3, 5, 8, 13, 100])
    assert.strictEqual(proofs.length, 23)
  })

  it.each(proofs)("%s is ours, root and path", (name) => {
    const { leaf_index, proof, record_hash, tree_height, tree_root, tree_size }: Proof = bodyOf(name)
    const levels = levelsOf(leaves.find(({ length }) => length === tree_size)!, hashPair)
    assert.strictEqual(levels[0]![leaf_index], record_hash)
    assert.strictEqual(levels.at(-1)![0], tree_root)
    assert.strictEqual(levels.length, tree_height)
    assert.deepStrictEqual(
      pathOf(levels, leaf_index).map(({ sibling, side }) => ({ sibling, position: side })),
      proof
    )
  })

  it("have the stored roots", () => {
    const stored: Array<{ readonly record_count: number; readonly merkle_root: string }> = bodyOf(
      "roots-7-trees.json"
    ).trees
    assert.strictEqual(stored.length, 7)
    for (const { merkle_root, record_count } of stored) {
      assert.strictEqual(rootOf(leaves.find(({ length }) => length === record_count)!, hashPair), merkle_root)
    }
  })
})
