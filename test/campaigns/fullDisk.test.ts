/**
 * A server whose disk fills up under load, is killed, and gets room again, over and over. What was executed is on record,
 * and nothing else is recorded as executed.
 *
 * The server is in a process that may write no file beyond a size (`ulimit -f`), which the system refuses as it refuses
 * to write on a full disk. `DISK_ROUNDS` says how often. It is 50 where `VARGATE_FULL_CAMPAIGNS` is set, and 3 otherwise.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { makeRandom } from "../../src/internal/seededRandom.ts"
import { wireCall } from "../gateway/suite/doors.ts"
import { folder } from "../support/folder.ts"
import { isFull } from "../support/isFull.ts"
import { end, type ServerProcess, start } from "../support/servers.ts"

const rounds = Number(process.env.DISK_ROUNDS ?? (isFull ? 50 : 3))
const roundsOfFile = 5
const random = makeRandom(20_261_130)
let n = 0

const post = async ({ apiKey, url }: ServerProcess, path: string, body: object) => {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "x-api-key": apiKey, "content-type": "application/json" },
    body: JSON.stringify(body)
  })
  return { status: response.status, text: await response.text() }
}

/** A call that the gateway executes at once, or one that needs an approval and gets it. */
const execute = async (server: ServerProcess, isHeld: boolean) => {
  const params = { n: ++n, pad: "z".repeat(Math.floor(random() * 20_000)) }
  const call = { agent_id: `agent-${n}`, tool: isHeld ? "files" : "notes", method: isHeld ? "purge" : "add", params }
  const answer = await post(server, "/mcp/tools/call", wireCall(call))
  return answer.status === 202 ? post(server, `/approve/${JSON.parse(answer.text).action_id}`, {}) : answer
}

/** Calls over several connections until the disk has refused a few of them. */
const fill = async (server: ServerProcess, statuses: Record<number, number>) => {
  let refused = 0
  const worker = async () => {
    while (refused < 20) {
      const { status, text } = await execute(server, random() < 0.3)
      statuses[status] = (statuses[status] ?? 0) + 1
      if (status === 503) {
        assert.include(text, "Ledger unavailable")
        refused++
      } else assert.include([200, 500], status, text)
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}

const executed = (data: string): ReadonlyArray<number> =>
  readFileSync(`${data}.done`, "utf8").trimEnd().split("\n").map(Number).sort((a, b) => a - b)

const recorded = (data: string): ReadonlyArray<number> => {
  const db = new DatabaseSync(data)
  try {
    return db.prepare("SELECT params -> 'n' AS n FROM records WHERE execution_mode = 'vargate_brokered' ORDER BY 1")
      .all().map((row) => Number(row.n)).sort((a, b) => a - b)
  } finally {
    db.close()
  }
}

const unknownOutcomes = (data: string): number => {
  const db = new DatabaseSync(data)
  try {
    return Number(
      db.prepare("SELECT count(*) AS n FROM records WHERE violations LIKE '%execution_outcome_unknown%'").get()!.n
    )
  } finally {
    db.close()
  }
}

describe("a server whose disk is full", () => {
  it.live(
    `records what it executes, and executes nothing that it cannot record (${rounds} rounds)`,
    () =>
      Effect.gen(function*() {
        const root = yield* folder
        const statuses: Record<number, number> = {}
        let done = 0
        let interrupted = 0
        for (let round = 1; round <= rounds; round++) {
          // The limit is for the journal too, so that a file at most doubles in a round.
          const data = join(root, `${Math.floor((round - 1) / roundsOfFile)}.db`)
          const size = existsSync(data) ? statSync(data).size : 0
          yield* Effect.scoped(Effect.gen(function*() {
            const server = yield* start({ data, burst: 1e9 }, { maxFileSize: size + 1_500_000 + random() * 500_000 })
            yield* Effect.promise(() => fill(server, statuses))
            yield* end(server, random() < 0.5 ? "SIGKILL" : "SIGTERM")
          }))
          yield* Effect.scoped(Effect.gen(function*() {
            const server = yield* start({ data, burst: 1e9 })
            assert.strictEqual((yield* Effect.promise(() => execute(server, false))).status, 200)
            const verified = yield* Effect.promise(async () =>
              (await fetch(`${server.url}/audit/verify`, { headers: { "x-api-key": server.apiKey } })).json()
            )
            assert.strictEqual((verified as { readonly valid: boolean }).valid, true, JSON.stringify(verified))
            yield* end(server, "SIGKILL")
          }))
          assert.deepStrictEqual(recorded(data), executed(data), `round ${round}`)
          if (round % roundsOfFile !== 0 && round !== rounds) continue
          done += executed(data).length
          interrupted += unknownOutcomes(data)
        }
        assert.isAbove(statuses[503] ?? 0, 0)
        console.log(
          `${rounds} full disks: ${done} executed and recorded, ${interrupted} of them with an unknown ` +
            `outcome; answers ${JSON.stringify(statuses)}`
        )
      }),
    3_600_000
  )
})
