/** `backup`, `restore` and `archive`, with gateways in processes of their own. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Archived, BackedUp, Failure, Restored, Verdict } from "../../src/cli/Output.ts"
import { wireCall } from "../gateway/suite/doors.ts"
import { decodeLines, runProcess } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { end, type ServerProcess, start } from "../support/servers.ts"

const options = (data: string) => ({ data, burst: 1e6, template: "financial", businessHours: "always" })

const post = async ({ apiKey, url }: ServerProcess, n: number): Promise<string> => {
  const response = await fetch(`${url}/mcp/tools/call`, {
    method: "POST",
    headers: { "x-api-key": apiKey, "content-type": "application/json" },
    body: JSON.stringify(wireCall({ agent_id: `a-${n % 50}`, tool: "slack", method: "post_message", params: { n } }))
  })
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json() as { readonly action_id: string }).action_id
}

/** Calls one after another from several clients, until it is ended; says what was acknowledged so far. */
const load = (server: ServerProcess) => {
  const acknowledged: Array<string> = []
  const over = new AbortController()
  let n = 0
  const client = async () => {
    while (!over.signal.aborted) acknowledged.push(await post(server, n++))
  }
  const clients = Promise.all(Array.from({ length: 8 }, client))
  return {
    acknowledged,
    end: Effect.promise(() => {
      over.abort()
      return clients
    })
  }
}

const actionsIn = (filename: string): ReadonlySet<string> => {
  const db = new DatabaseSync(filename)
  try {
    return new Set(db.prepare("SELECT action_id FROM records").all().map((row) => String(row["action_id"])))
  } finally {
    db.close()
  }
}

const verify = ({ apiKey, url }: ServerProcess) =>
  Effect.promise(async () => {
    const response = await fetch(`${url}/audit/verify`, { headers: { "x-api-key": apiKey } })
    return await response.json() as object
  })

const until = (isSo: () => boolean) => Effect.repeat(Effect.sleep("5 millis"), { until: isSo })

const test = (title: string, body: (root: string) => Effect.Effect<void, unknown>) =>
  it.live(title, () => Effect.scoped(Effect.flatMap(folder, body)))

describe("backup", () => {
  test("of a gateway under load holds all that was acknowledged before, and a restored one goes on", (root) =>
    Effect.scoped(Effect.gen(function*() {
      const data = join(root, "v.db")
      const server = yield* start(options(data))
      const calling = load(server)
      yield* until(() => calling.acknowledged.length >= 300)
      const backups = [1, 2].map((n) => join(root, `backup-${n}.db`))
      for (const to of backups) {
        const before = [...calling.acknowledged]
        const { code, out } = yield* runProcess(["backup", to, "--data", data, "--json"])
        assert.strictEqual(code, 0, out)
        const [backup] = decodeLines(BackedUp, out)
        const found = actionsIn(to)
        assert.deepStrictEqual(before.filter((id) => !found.has(id)), [])
        assert.deepInclude(backup!.tenants[0], { id: "local", records: found.size })
        assert.strictEqual(backup!.keyFile, `${data}.key`)
      }
      yield* calling.end
      assert.isAbove(calling.acknowledged.length, actionsIn(backups[0]!).size - 1)
      // The gateway has lost nothing by it.
      assert.deepInclude(yield* verify(server), { valid: true, record_count: calling.acknowledged.length })
      yield* end(server, "SIGKILL")

      const restored = join(root, "w.db")
      copyFileSync(`${data}.key`, `${restored}.key`)
      const { code, out } = yield* runProcess(["restore", backups[1]!, "--data", restored, "--json"])
      assert.strictEqual(code, 0)
      const records = decodeLines(Restored, out)[0]!.tenants[0]!.records
      const second = yield* start(options(restored))
      assert.strictEqual(second.apiKey, server.apiKey)
      yield* Effect.promise(() => post(second, 1))
      assert.deepInclude(yield* verify(second), { valid: true, record_count: records + 1 })
      // It is a second ledger beside the first, and its start says so.
      assert.match(second.stderr(), /w\.db is a copy of .*v\.db, which is still there/)
      const inUse = yield* runProcess(["restore", backups[0]!, "--data", restored, "--json"])
      assert.strictEqual(inUse.code, 11)
      assert.match(decodeLines(Failure, inUse.err)[0]!.message, /is in use/)
    })))

  test("by SQLite's own tools works while a gateway runs, and starts with the key", (root) =>
    Effect.scoped(Effect.gen(function*() {
      const data = join(root, "v.db")
      const server = yield* start(options(data))
      const calling = load(server)
      yield* until(() => calling.acknowledged.length >= 100)
      const before = [...calling.acknowledged]
      const to = join(root, "copy.db")
      const db = new DatabaseSync(data)
      db.exec(`VACUUM INTO '${to}'`)
      db.close()
      yield* calling.end
      const found = actionsIn(to)
      assert.deepStrictEqual(before.filter((id) => !found.has(id)), [])
      copyFileSync(`${data}.key`, `${to}.key`)
      const second = yield* start(options(to))
      assert.deepInclude(yield* verify(second), { valid: true, record_count: found.size })
    })))

  test("says what is in the way", (root) =>
    Effect.gen(function*() {
      const missing = yield* runProcess(["backup", join(root, "b.db"), "--data", join(root, "none.db"), "--json"])
      assert.strictEqual(missing.code, 11)
      assert.deepInclude(decodeLines(Failure, missing.err)[0], { error: "StorageError" })
      assert.isFalse(existsSync(join(root, "b.db")))
    }))
})

describe("archive", () => {
  test("verifies with what stays, by the command line alone", (root) =>
    Effect.scoped(Effect.gen(function*() {
      const data = join(root, "v.db")
      const first = yield* start(options(data))
      for (let n = 0; n < 20; n++) yield* Effect.promise(() => post(first, n))
      const archives = join(root, "archives")
      const running = yield* runProcess(["archive", archives, "--before", "1d", "--data", data, "--json"])
      assert.strictEqual(running.code, 11)
      yield* end(first, "SIGTERM")
      // Two hours ago, as the chain does not cover when a record was written.
      const db = new DatabaseSync(data)
      db.exec("UPDATE records SET created_at = created_at - 7200000")
      db.close()
      const second = yield* start(options(data))
      for (let n = 0; n < 5; n++) yield* Effect.promise(() => post(second, n))
      yield* end(second, "SIGTERM")
      const nothing = yield* runProcess(["archive", archives, "--before", "1d", "--data", data])
      assert.match(nothing.out, /Nothing to archive/)
      const { code, out } = yield* runProcess(["archive", archives, "--before", "0s", "--data", data, "--json"])
      assert.strictEqual(code, 0)
      const { archives: [archive], checkpoints } = decodeLines(Archived, out)[0]!
      assert.deepInclude(archive, { tenantId: "local", records: 20 })

      const third = yield* start(options(data))
      yield* Effect.promise(() => post(third, 1))
      assert.deepInclude(yield* verify(third), { valid: true, record_count: 26 })
      const env = { VARGATE_URL: third.url, VARGATE_API_KEY: third.apiKey }
      const since = ["verify", "--checkpoint", checkpoints!, "--since-checkpoint", "--json"]
      const online = yield* runProcess(since, { env })
      assert.strictEqual(online.code, 0, online.out + online.err)
      const rest = join(root, "rest.json")
      yield* Effect.promise(async () => {
        const { writeFile } = await import("node:fs/promises")
        const response = await fetch(`${third.url}/audit/log?limit=1000`, { headers: { "x-api-key": third.apiKey } })
        await writeFile(rest, await response.text())
      })
      const files = (...paths: ReadonlyArray<string>) =>
        Effect.map(
          runProcess(["verify", "--pages", "--checkpoint", checkpoints!, "--json", ...paths]),
          ({ code, out }) => ({ code, verdict: decodeLines(Verdict, out)[0] })
        )
      const together = yield* files(archive!.filename, rest)
      assert.strictEqual(together.code, 0)
      assert(together.verdict?._tag === "Independent")
      assert.strictEqual(together.verdict.report.records, 26)
      assert.strictEqual((yield* runProcess(["verify", "--file", archive!.filename, "--json"])).code, 0)
      // One record less, and it is no archive of this log.
      const page = JSON.parse(readFileSync(archive!.filename, "utf8"))
      page.records.splice(4, 1)
      const cut = join(root, "cut.json")
      yield* Effect.promise(async () => (await import("node:fs/promises")).writeFile(cut, JSON.stringify(page)))
      assert.strictEqual((yield* files(cut, rest)).code, 1)
      rmSync(cut)
    })))
})
