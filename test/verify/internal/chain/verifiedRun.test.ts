import { assert, describe, it } from "@effect/vitest"
import { hash } from "node:crypto"
import { auditPayload } from "../../../../src/internal/canonicalJson.ts"
import { scanVerifiedRun } from "../../../../src/verify/internal/chain/verifiedRun.ts"
import { scanAuditPage } from "../../../../src/verify/internal/scan/auditScanner.ts"

const encoder = new TextEncoder()
const sha256 = (payload: Uint8Array | string): string => hash("sha256", payload, "hex")

/** A log, newest first, and its hashes. */
const makeLog = (size: number) => {
  const rows: Array<string> = []
  const hashes: Array<string> = []
  let prevHash = "GENESIS"
  for (let id = 1; id <= size; id++) {
    const row = {
      actionId: `a${id}`,
      agentId: "b",
      tool: "c",
      method: "d",
      paramsText: "{}",
      requestedAt: "e",
      decision: "f",
      violationsText: "[]",
      severity: "g",
      bundleRevision: "h",
      prevHash
    }
    const recordHash = sha256(auditPayload(row))
    rows.push(
      `{"id":${id},"action_id":"a${id}","agent_id":"b","tool":"c","method":"d","params":{},"requested_at":"e",` +
        `"decision":"f","violations":[],"severity":"g","bundle_revision":"h","prev_hash":"${prevHash}",` +
        `"record_hash":"${recordHash}"}`
    )
    hashes.push(recordHash)
    prevHash = recordHash
  }
  return { rows: rows.toReversed(), hashes: hashes.toReversed() }
}

const scan = (rows: ReadonlyArray<string>) =>
  scanVerifiedRun(
    (onRecord) =>
      scanAuditPage(
        encoder.encode(
          `{"records":[${rows.join(",")}],"count":${rows.length},"offset":0,"total":${rows.length},"tenant_id":"t"}`
        ),
        onRecord
      ),
    sha256,
    true
  )

describe("scanSoundRun", () => {
  const { hashes, rows } = makeLog(3000)

  it("hands on the hashes of sound texts, however long", () => {
    for (const size of [0, 1, 2, 1023, 1024, 1025, 2048, 2049, 3000]) {
      const run = scan(rows.slice(0, size))!
      assert.deepInclude(run, { rows: size, hashes: hashes.slice(0, size).join("") })
      assert.strictEqual(run.leaves!.ids.length, size)
    }
  })

  it("finds nothing where any record states another hash", () => {
    for (const at of [0, 1, 1023, 1024, 2999]) {
      const stated = hashes[at]!
      const changed = [
        stated.slice(0, -1) + (stated.endsWith("0") ? "1" : "0"),
        stated.toUpperCase(),
        stated.slice(1),
        `${stated}0`,
        "",
        "é".repeat(32)
      ]
      for (const hash of changed) {
        if (hash === stated) continue
        // Its neighbour agrees, so that nothing but the hash itself can tell.
        const forged = rows.map((row, i) => i === at || i === at - 1 ? row.replaceAll(stated, hash) : row)
        assert.isUndefined(scan(forged), `${hash} at ${at}`)
        assert.isUndefined(
          scan(rows.with(at, rows[at]!.replace(`"record_hash":"${stated}"`, `"record_hash":"${hash}"`)))
        )
      }
    }
  })

  it("leaves a hash in another spelling to others", () => {
    const escaped = rows[0]!.replace(/"record_hash":"(.)/, (_, first) => {
      return `"record_hash":"\\u00${first.charCodeAt(0).toString(16)}`
    })
    assert.isUndefined(scan(rows.with(0, escaped)))
  })
})
