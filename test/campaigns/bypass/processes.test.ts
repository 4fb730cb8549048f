/**
 * The ways to an action that lead over processes, of which agents, proxies and the gateway are killed with -9 and started
 * again while reviewers decide: nothing is performed but what the ledger shows as allowed or approved, byte for byte, and
 * each of that at most once. What the gateway executes it records.
 *
 * 100 stories for each way where `VARGATE_FULL_CAMPAIGNS` is set, and a few otherwise.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, type Scope } from "effect"
import { Approvals, Reviews, Vargate } from "effect-vargate"
import { FetchHttpClient } from "effect/http"
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { makeRandom } from "../../../src/internal/seededRandom.ts"
import { folder } from "../../support/folder.ts"
import { assertWithin, settleAccount } from "./account.ts"
import { bank, bundle, callOf, ended, killed, overHttp, overStdio, type Peer, program, said } from "./peers.ts"
import type { Arguments as AgentArguments } from "./programs/agent.ts"
import type { Arguments as McpArguments } from "./programs/mcp.ts"
import { amounts, book, bytesOf, isFull, millis, reviewing, Story, tenant } from "./story.ts"

const seed = Number(process.env["VARGATE_BYPASS_SEED"] ?? 20_261_130)
const random = makeRandom(seed)
/** How often each process lives: all but the last life end with kill -9. */
const lives = isFull ? 3 : 2

/** What takes minutes in the stories of one process takes seconds here. */
book.pace = isFull ? 0.15 : 0.06

const between = (least: number, most: number) => least + random() * (most - least)

/** Until so many more actions were performed, however slow the machine is, or nothing seems to come of it. */
const until = (world: World, actions: number) =>
  Effect.suspend(() => {
    const done = () => linesOf(world.performed).length + linesOf(world.executed).length
    const enough = done() + actions
    return Effect.sleep(50).pipe(
      Effect.repeat({ until: () => done() >= enough }),
      Effect.timeoutOption(between(5_000, 15_000))
    )
  })

// --- the world -------------------------------------------------------------------------------------------------------

interface World {
  /** Where the programs are. */
  readonly programs: string
  readonly root: string
  readonly url: string
  readonly performed: string
  readonly executed: string
  readonly asked: string
}

const linesOf = (file: string): ReadonlyArray<string> =>
  existsSync(file) ? readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : []

const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as { readonly port: number }
    server.close(() => resume(Effect.succeed(port)))
  })
})

const startGateway = Effect.fnUntraced(function*({ executed, programs, root, url }: World) {
  const child = yield* program(programs, "gateway", [new URL(url).port, join(root, "v.db"), executed])
  yield* said(child, /^ready/)
  return child
})

/** A gateway that is killed now and then. Once it is no longer needed, what it had begun is recorded. */
const gateway = Effect.fnUntraced(function*(world: World) {
  yield* Effect.forkScoped(Effect.forever(Effect.scoped(Effect.gen(function*() {
    yield* startGateway(world)
    yield* until(world, between(3, 20))
  }))))
})

const reviewers = (url: string) =>
  Reviews.layer.pipe(
    Layer.provideMerge(Approvals.layer),
    Layer.provideMerge(Vargate.layer({ apiKey: tenant.apiKey, url })),
    Layer.provide(FetchHttpClient.layer)
  )

// --- the ways --------------------------------------------------------------------------------------------------------

/** Goes the ways of these stories, over all lives. */
type Going = (world: World, stories: ReadonlyArray<number>) => Effect.Effect<void, never, Scope.Scope>

const storyOf = (n: number) => new Story(n, seed * 1000 + n)

/** JSON that readers may understand in two ways, and means `bytes` to all who let the last of two members count. */
const spelled = (story: Story, bytes: string) =>
  story.habit === "keeps" ? bytes : story.pick([
    `{"amount":5,${bytes.slice(1)}`,
    `{ "am\\u006funt" : 9000 , ${bytes.slice(1)}`,
    bytes
  ])

/** Who uses an id twice at a time may wait for an answer that never comes. */
const patience = millis(150_000)

const visit = (peer: Peer, form: McpArguments["form"], story: Story) =>
  story.attempt(Effect.gen(function*() {
    const name = form.startsWith("server") ? "bank__note" : "note"
    const ask = (id: number, given: string, tool = name) =>
      Effect.map(Effect.timeoutOption(peer.ask(id, callOf(id, tool, given)), patience), Option.getOrUndefined)
    const first = story.n * 100
    const calls = Array.from({ length: story.pick([1, 2]) }, (_, i) => {
      const bytes = JSON.stringify({ amount: story.pick(amounts), story: story.n, note: { to: "ann", list: [i] } })
      story.asks(bytes)
      return [first + (story.chance(0.5) ? 0 : i), spelled(story, bytes)] as const
    })
    const answers = yield* Effect.forEach(calls, ([id, given]) => ask(id, given), {
      concurrency: story.pick([1, 2])
    })
    for (const answer of answers) {
      const [, action_id] = /action_id \\"([^\\"]+)\\"/.exec(answer ?? "") ?? []
      if (action_id === undefined) continue
      const check = (id: number) => ask(id, JSON.stringify({ action_id }), "vargate_check_approval")
      for (let i = 10; i < 16; i += 2) {
        yield* story.attempt(Effect.all([check(first + i), check(first + i + 1)], { concurrency: 2 }))
      }
    }
  }))

const mcp = (form: McpArguments["form"]): Going =>
  Effect.fnUntraced(function*(world, stories) {
    const { performed, programs, url } = world
    for (let life = 1; life <= lives; life++) {
      yield* Effect.scoped(Effect.gen(function*() {
        const args: McpArguments = { form, url, bank, seed: seed * 10 + life, file: performed }
        const peer = yield* form.endsWith("http") ? overHttp(programs, args) : overStdio(programs, args)
        const visiting = yield* Effect.forkChild(
          Effect.forEach(stories, (n) => Effect.scoped(visit(peer, form, storyOf(n))), {
            concurrency: "unbounded",
            discard: true
          })
        )
        if (life < lives) {
          yield* until(world, between(1, 10))
          yield* peer.kill
        }
        yield* Fiber.join(visiting)
        yield* peer.end
      }))
    }
  })

const agent = (ways: ReadonlyArray<string>): Going =>
  Effect.fnUntraced(function*(world, stories) {
    const { asked, performed, programs, root, url } = world
    const args: Omit<AgentArguments, "life"> = {
      url,
      folder: root,
      seed,
      stories: stories.map((n) => [n, ways[n % ways.length]!]),
      performed,
      asked
    }
    for (let life = 1; life <= lives; life++) {
      yield* Effect.scoped(Effect.gen(function*() {
        const child = yield* program(programs, "agent", [JSON.stringify({ ...args, life })])
        if (life === lives) return yield* ended(child)
        yield* Effect.raceFirst(until(world, between(1, 10)), ended(child))
        yield* killed(child)
      }))
    }
  })

// --- the account -----------------------------------------------------------------------------------------------------

interface Row {
  readonly params: string
  readonly decision: string
  readonly execution_mode: string
  readonly status: string | null
}

/** What the ledger shows of calls, and how many executions were cut off. */
const readLedger = (file: string) => {
  const db = new DatabaseSync(file, { readOnly: true })
  const rows = db.prepare(`
    SELECT r.params, r.decision, r.execution_mode, h.status FROM records r
    LEFT JOIN held_actions h ON h.tenant_id = r.tenant_id AND h.action_id = r.action_id
    WHERE r.tool IN ('bank', 'broker')`).all() as unknown as ReadonlyArray<Row>
  const { cut } = db.prepare(`
    SELECT count(*) AS cut FROM records
    WHERE violations LIKE '%execution_outcome_unknown%' OR params LIKE '%The gateway stopped during the execution%'`)
    .get()!
  const { intents } = db.prepare("SELECT count(*) AS intents FROM intents").get()!
  db.close()
  assert.strictEqual(intents, 0)
  return { cut: Number(cut), calls: rows.map((row) => ({ ...row, bytes: bytesOf(JSON.parse(row.params)) })) }
}

const run = Effect.fnUntraced(function*(goings: Readonly<Record<string, Going>>, each: number) {
  const root = yield* folder
  const world: World = {
    programs: join(root, "programs"),
    root,
    url: `http://127.0.0.1:${yield* freePort}`,
    performed: join(root, "performed"),
    executed: join(root, "executed"),
    asked: join(root, "asked")
  }
  book.asked = (bytes) => appendFileSync(world.asked, `${bytes}\n`)
  const names = Object.keys(goings)
  const storiesOf = (name: string) => Array.from({ length: each }, (_, i) => names.indexOf(name) * 1000 + i)

  yield* bundle(world.programs)
  yield* Effect.scoped(Effect.gen(function*() {
    yield* gateway(world)
    yield* Effect.forkScoped(Effect.provide(reviewing(seed), reviewers(world.url)))
    yield* Effect.forEach(names, (name) => goings[name]!(world, storiesOf(name)), { concurrency: "unbounded" })
  }))
  // Once more, for what was cut off.
  yield* Effect.scoped(startGateway(world))

  const { calls, cut } = readLedger(join(root, "v.db"))
  const executed = linesOf(world.executed)
  const account = settleAccount({
    performed: [...linesOf(world.performed).map((line) => bytesOf(JSON.parse(line))), ...executed],
    asked: linesOf(world.asked),
    shown: calls.map(({ bytes, decision, execution_mode, status }) => ({
      bytes,
      isPermitted: decision === "allow" || status === "approved",
      isLeft: decision === "allow" && execution_mode === "agent_direct"
    })),
    isKept: (n) => storyOf(n).habit === "keeps",
    say: (n) => `VARGATE_BYPASS_SEED=${seed}, ${names[Math.floor(n / 1000)]}, story ${n}`
  })
  const brokered = calls.filter(({ execution_mode }) => execution_mode === "vargate_brokered").map(({ bytes }) => bytes)
  assertWithin(executed, brokered, (bytes) => `executed and not recorded as such: ${bytes}`)
  assert.isAtMost(brokered.length - executed.length, cut)
  return { ...account, executed: executed.length, cut }
})

const forms: Readonly<Record<string, Going>> = {
  "MCP over stdio": mcp("stdio"),
  "MCP over stdio, asked again": mcp("answering"),
  "MCP over HTTP": mcp("http"),
  "a toolkit as a server": mcp("server"),
  "a toolkit as a server over HTTP": mcp("server over http"),
  "an agent": agent([
    "run",
    "brokered",
    "tool",
    "detached",
    "generate",
    "stream",
    "layered",
    "asked",
    "looped",
    "brokered"
  ]),
  "workflows": agent(["workflow"]),
  "conversations that go on": agent(["continued"])
}

describe("nothing but what was decided, over processes that are killed", () => {
  const one = (name: string, goings: Readonly<Record<string, Going>>, each: number) =>
    it.live(`${name}: ${each} stories each`, () =>
      Effect.gen(function*() {
        const account = yield* Effect.scoped(run(goings, each))
        console.log(`${name}:`, account)
        // How much is done in the time depends on the machine; that nothing is would prove nothing.
        assert.isAbove(account.performed, each / 20)
      }), 600_000)

  if (isFull) { for (const [name, going] of Object.entries(forms)) one(name, { [name]: going }, 100) }
  else one("all ways", forms, 6)
})
