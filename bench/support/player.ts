/**
 * The process of one client: what it costs is its own. It reads turns from standard input, one JSON object a line, and
 * writes what each cost.
 */
import { createInterface } from "node:readline"
import type { Turn, TurnOptions } from "./client.ts"
import { clients } from "./clients.ts"
import { percentile } from "./statistics.ts"

const [name, url] = process.argv.slice(2) as [keyof typeof clients, string]
const client = await clients[name](url).catch((error: unknown) => {
  console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`)
  return process.exit(1)
})

const play = async ({ inFlight, seconds, ...kind }: TurnOptions): Promise<Turn> => {
  const times: Array<number> = []
  const before = process.cpuUsage()
  const start = performance.now()
  const end = start + seconds * 1000
  const newLap = () => {
    let last = performance.now()
    return () => {
      const now = performance.now()
      times.push(now - last)
      last = now
      return now < end
    }
  }
  await client.loop(kind, inFlight, newLap)
  const elapsed = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(before)
  const calls = times.length
  return { calls, rate: calls / elapsed, cpu: (system + user) / calls, p50: percentile(times, 0.5) }
}

const say = (answer: unknown) => console.log(JSON.stringify(answer))

say("ready")
for await (const line of createInterface({ input: process.stdin })) say(await play(JSON.parse(line)))
process.exit()
