/** `verify --file` on every log that was saved from a real gateway, with neither a gateway nor a key. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Checkpoint } from "../../src/audit/Checkpoint.ts"
import { Verdict } from "../../src/cli/Output.ts"
import { RecordHash } from "../../src/model/RecordHash.ts"
import { toJson } from "../../src/verify/Checkpoints.ts"
import { decodeLines, runProcess } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const root = fileURLToPath(new URL("../../../shared/gateway-capture/audit-log/", import.meta.url))
const hasLogs = existsSync(root)

const big = hasLogs ? readdirSync(join(root, "big")) : []
const meta = (variant: string) => JSON.parse(readFileSync(join(root, "big", `${variant}.meta.json`), "utf8"))

/** Every log that has a meta file, and what that says: whether the hashes give the forgery away, or only a checkpoint. */
const variants = big.filter((file) => file.endsWith(".meta.json")).map((file) => {
  const variant = file.slice(0, -".meta.json".length)
  const { expect, genuine } = meta(variant)
  const isConsistent = genuine === true || expect.internally_consistent === true
  return { variant, path: join(root, "big", `${variant}.json.gz`), isConsistent, isGenuine: genuine === true, expect }
})

const verify = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const { code, err, out } = yield* runProcess(["verify", "--json", ...args])
  assert.strictEqual(err, "")
  const [verdict] = decodeLines(Verdict, out)
  if (verdict?._tag !== "Independent") return assert.fail(out)
  return { code, report: verdict.report }
})

/** The genuine log's checkpoints, as somebody may have kept them. */
const kept = Effect.map(folder, (path) => {
  const file = join(path, "kept.json")
  const checkpoints = meta("log-5000").checkpoints.map((wire: Record<string, never>) =>
    new Checkpoint({
      tenantId: "fx-big",
      id: wire["id"]!,
      actionId: wire["action_id"]!,
      recordHash: RecordHash.make(wire["record_hash"]!),
      count: wire["record_count"]!,
      at: DateTime.makeUnsafe(0),
      roots: []
    })
  )
  writeFileSync(file, toJson(checkpoints))
  return file
})

describe.skipIf(!hasLogs)("saved logs (needs ../shared/gateway-capture)", () => {
  it("are there", () => {
    assert.isAtLeast(variants.length, 5)
  })

  it.live.each(variants)("$variant", ({ expect, isConsistent, isGenuine, path }) =>
    Effect.gen(function*() {
      const [alone, against] = yield* Effect.all([
        verify("--file", path),
        Effect.flatMap(kept, (file) => verify("--file", path, "--checkpoint", file))
      ], { concurrency: 2 })
      assert.strictEqual(alone.code, isConsistent ? 0 : 1)
      assert.strictEqual(against.code, isGenuine ? 0 : 1)
      if (!isConsistent) assert.strictEqual(alone.report.findings[0]?.actionId, expect.first_bad.action_id)
    }))

  it.live.each(
    [
      [0, "adversarial/limit-1000.json"],
      [1, "unverifiable-sa-keys/limit-1000.json"]
    ] as const
  )("ends with %d for %s", ([code, path]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* verify("--file", join(root, path))).code, code)
    }))

  it.live("as pages are the same log", () =>
    Effect.gen(function*() {
      const pages = join(root, "adversarial/pages-limit-3")
      const { code, report } = yield* verify("--pages", ...readdirSync(pages).map((file) => join(pages, file)))
      assert.deepStrictEqual([code, report.records], [0, 52])
      const parts = big.filter((file) => file.startsWith("page-")).map((file) => join(root, "big", file))
      const whole = yield* verify("--pages", ...parts)
      assert.deepStrictEqual([whole.code, whole.report.records], [0, 5000])
    }))
})
