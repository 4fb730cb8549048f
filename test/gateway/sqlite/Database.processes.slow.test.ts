/** A gateway's file between processes: who has it, who gets it, and what becomes of it when somebody meddles. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { folder } from "../../support/folder.ts"
import { end, type ServerProcess, start } from "../../support/servers.ts"
import { wireCall } from "../suite/doors.ts"

const post = ({ apiKey, url }: ServerProcess, path: string, body: object) =>
  Effect.promise(async () => {
    const response = await fetch(url + path, {
      method: "POST",
      headers: { "x-api-key": apiKey, "content-type": "application/json" },
      body: JSON.stringify(body)
    })
    return { status: response.status, text: await response.text() }
  })

const submit = (server: ServerProcess, tool = "slack", method = "post_message") =>
  post(server, "/mcp/tools/call", wireCall({ agent_id: "a", tool, method, params: { n: 1 } }))

const isRefused = Effect.fnUntraced(function*(data: string) {
  const { said } = yield* start({ data })
  assert.strictEqual(said._tag, "StorageError", JSON.stringify(said))
  assert.match(String(said.message), /is in use\. Another gateway has it open/)
})

/** Another program opens the database, reads it and closes it again. */
const lookInto = (data: string, query = "SELECT count(*) FROM records") =>
  execFileSync(process.execPath, [
    "-e",
    `const db = new (require("node:sqlite").DatabaseSync)(${JSON.stringify(data)})
    db.exec(${JSON.stringify(query)})
    db.close()`
  ], { stdio: "pipe" })

const recordsIn = (data: string): number => {
  const db = new DatabaseSync(data)
  try {
    return Number(db.prepare("SELECT count(*) AS n FROM records").get()!.n)
  } finally {
    db.close()
  }
}

const test = (name: string, body: (data: string, root: string) => Effect.fn.Return<void, unknown, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(folder, (root) => Effect.gen(() => body(join(root, "v.db"), root)))))

describe("a gateway's file, between processes", () => {
  test("is one gateway's, even after its process has read and opened it", function*(data) {
    const first = yield* start({ data })
    assert.strictEqual((yield* submit(first)).status, 200)
    yield* isRefused(data)
    first.send("SIGUSR2")
    assert.deepStrictEqual(yield* Effect.promise(first.next), { records: 1 })
    yield* isRefused(data)
    assert.strictEqual((yield* submit(first)).status, 200)
  })

  test("is one gateway's under all its names", function*(data, root) {
    mkdirSync(join(root, "deep"))
    symlinkSync("../v.db", join(root, "deep", "w.db"))
    yield* start({ data: join(root, "deep", "w.db") })
    yield* isRefused(data)
    yield* isRefused(`${root}/deep/../v.db`)
  })

  test("is free as soon as its gateway is killed", function*(data) {
    const first = yield* start({ data })
    yield* submit(first)
    yield* end(first, "SIGKILL")
    const second = yield* start({ data })
    assert.strictEqual((yield* submit(second)).status, 200)
    assert.strictEqual(recordsIn(data), 2)
  })

  test("can be read, and copied with a backup, while a gateway has it", function*(data, root) {
    const server = yield* start({ data })
    for (let n = 0; n < 5; n++) yield* submit(server)
    assert.strictEqual(recordsIn(data), 5)
    const db = new DatabaseSync(data)
    db.exec(`VACUUM INTO '${join(root, "backup.db")}'`)
    db.close()
    assert.strictEqual(recordsIn(join(root, "backup.db")), 5)
    lookInto(data)
    assert.strictEqual((yield* submit(server)).status, 200)
    assert.strictEqual(recordsIn(data), 6)
  })

  test("that another gateway took over is not written any more", function*(data) {
    const first = yield* start({ data })
    yield* submit(first)
    rmSync(`${data}.lock`)
    const second = yield* start({ data })
    assert.strictEqual((yield* submit(second)).status, 200)
    assert.isAtLeast((yield* submit(first)).status, 500)
    assert.isAtLeast((yield* submit(first, "files", "purge")).status, 500)
    assert.throws(() => readFileSync(`${data}.done`), /ENOENT/)
    assert.strictEqual((yield* submit(second)).status, 200)
    assert.strictEqual(recordsIn(data), 3)
  })

  test("that was removed or replaced is not written any more", function*(data, root) {
    const server = yield* start({ data })
    yield* submit(server)
    renameSync(data, join(root, "elsewhere.db"))
    copyFileSync(join(root, "elsewhere.db"), data)
    assert.isAtLeast((yield* submit(server)).status, 500)
    assert.isAtLeast((yield* submit(server, "files", "purge")).status, 500)
    assert.throws(() => readFileSync(`${data}.done`), /ENOENT/)
  })

  test("acknowledges nothing that goes into a log which nobody will find again", function*(data) {
    const server = yield* start({ data })
    yield* submit(server)
    // Once this process has opened and closed the file, the system has forgotten its locks. The next program that looks
    // into the database then takes itself for the last one, and removes the write-ahead log when it closes.
    lookInto(data, "PRAGMA wal_checkpoint(TRUNCATE)")
    for (const suffix of ["-wal", "-shm"]) rmSync(data + suffix)
    let acknowledged = 1
    for (let n = 0; n < 5; n++) if ((yield* submit(server)).status === 200) acknowledged++
    yield* end(server, "SIGKILL")
    assert.isAtLeast(recordsIn(data), acknowledged)
  })
})
