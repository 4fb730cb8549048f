/** Clients in processes of their own, that take turns. */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import type { Turn, TurnOptions } from "./client.ts"
import type { ClientName } from "./clients.ts"
import { httpxVersion, installHttpx } from "./python.ts"
import { thorough } from "./settings.ts"

export interface Player {
  readonly name: ClientName
  readonly play: (turn: TurnOptions) => Promise<Turn>
  readonly stop: () => void
}

const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const isCompiled = (name: ClientName) => !name.startsWith("httpx.")

const launch = (name: ClientName, url: string): ChildProcessByStdio<Writable, Readable, null> | string => {
  const stdio: ["pipe", "pipe", "inherit"] = ["pipe", "pipe", "inherit"]
  if (isCompiled(name)) {
    return spawn(process.execPath, ["--conditions=effect-vargate-source", fileOf("player.ts"), name, url], { stdio })
  }
  const modules = installHttpx()
  if (modules === undefined) return `Python with httpx ${httpxVersion} cannot be had here`
  return spawn("python3", [fileOf("httpxPlayer.py"), name, url], {
    stdio,
    env: { ...process.env, PYTHONPATH: modules }
  })
}

/** A message instead where it cannot be started. */
export const startPlayer = async (name: ClientName, url: string): Promise<Player | string> => {
  const child = launch(name, url)
  if (typeof child === "string") return `${name}: ${child}`
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const line = await lines.next()
    return line.done === true ? undefined : JSON.parse(line.value)
  }
  if (await next() !== "ready") return `${name} does not start here`
  return {
    name,
    play: async (turn) => {
      child.stdin.write(JSON.stringify(turn) + "\n")
      return await next() ?? Promise.reject(new Error(`${name} ended in the middle of a turn`))
    },
    stop: () => child.stdin.end()
  }
}

/** V8 compiles what it runs often, and again once it knows it better: a client is itself after some 20,000 calls. */
const warmUpCalls = thorough(20_000, 1_000)
const warmUpSeconds = thorough(4, 0.4)

export const warmUp = async ({ name, play }: Player, tools: ReadonlyArray<string>): Promise<void> => {
  const end = performance.now() + warmUpSeconds * 1000
  let calls = 0
  do {
    for (const tool of tools) calls += (await play({ tool, inFlight: 64, seconds: 0.2 })).calls
  } while (isCompiled(name) && calls < warmUpCalls && performance.now() < end)
}

export interface Cast {
  readonly players: ReadonlyArray<Player>
  readonly missing: ReadonlyArray<string>
}

/** All that can be had, and word of those that cannot. */
export const startPlayers = async (names: ReadonlyArray<ClientName>, url: string): Promise<Cast> => {
  const started: Array<Player | string> = []
  // One by one, so that none is measured while another is compiled.
  for (const name of names) started.push(await startPlayer(name, url))
  return {
    players: started.filter((player) => typeof player !== "string"),
    missing: started.filter((player) => typeof player === "string")
  }
}
