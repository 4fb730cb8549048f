/**
 * What calls leave allocated: heap over a million of them; sockets, fibers and listeners after ten thousand
 * interruptions.
 */
import * as ToolCalls from "effect-vargate/calls/ToolCalls"
import * as NodeTransport from "effect-vargate/node/NodeTransport"
import * as Vargate from "effect-vargate/Vargate"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { subscribe } from "node:diagnostics_channel"
import type { EventEmitter } from "node:events"
import { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { queryObjects } from "node:v8"
import { apiKey, requestOf } from "./support/client.ts"
import { startGateway } from "./support/gateway.ts"
import { atMost, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"

const calls = thorough(450_000, 20_000)
const step = calls / 10
/** The latest 16,384 actions are remembered, which takes memory at first. */
const warmUp = thorough(100_000, 5_000)
const interruptions = thorough(10_000, 1_000)
const together = 100

const gateway = await startGateway()
const start = () =>
  ManagedRuntime.make(Vargate.layer({ apiKey, url: gateway.url }).pipe(Layer.provide(NodeTransport.layer)))

type Runtime = ReturnType<typeof start>

const manyCalls = (count: number, inFlight: number) => {
  let left = count
  const one = ToolCalls.ToolCalls.use((toolCalls) =>
    Effect.whileLoop({
      while: () => left-- > 0,
      body: () => toolCalls.call(requestOf({ tool: "allowed" })),
      step: () => {}
    })
  )
  return Effect.all(Array.from({ length: inFlight }, () => one), { concurrency: "unbounded", discard: true })
}

const megabytes = async () => {
  // What waits for a finalizer is freed at the second time.
  for (let i = 0; i < 3; i++) {
    globalThis.gc!()
    await sleep(10)
  }
  const { external, heapUsed } = process.memoryUsage()
  return (heapUsed + external) / 1e6
}

const FiberImpl = Effect.runFork(Effect.void).constructor

/** Live ones in the heap. */
const countOf = (constructor: Function) => Number(queryObjects(constructor))

const seen = new Set<WeakRef<Socket>>()
subscribe("undici:client:connected", (message) => {
  seen.add(new WeakRef((message as { readonly socket: Socket }).socket))
})

const openSockets = () => Array.from(seen, (ref) => ref.deref()).filter((socket) => socket?.destroyed === false)

const listenersOf = (emitter: EventEmitter | undefined) =>
  emitter === undefined ? 0 : emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)

const left = async () => {
  const heap = await megabytes()
  const open = openSockets()
  return {
    heap,
    sockets: open.length,
    connections: await gateway.connections(),
    socketObjects: countOf(Socket),
    fibers: countOf(FiberImpl),
    signals: countOf(AbortSignal),
    listeners: Math.max(0, ...open.map(listenersOf))
  }
}

type Left = Awaited<ReturnType<typeof left>>

const heapOverCalls = async (runtime: Runtime) => {
  await runtime.runPromise(manyCalls(warmUp, 64))
  const samples: Array<readonly [calls: number, heap: number]> = [[0, await megabytes()]]
  for (let done = step; done <= calls; done += step) {
    await runtime.runPromise(manyCalls(step, 64))
    samples.push([done, await megabytes()])
  }
  return samples
}

/** At every stage: while connecting, while waiting for the head, in the middle of the body. */
const interrupted = async (runtime: Runtime, count: number) => {
  const call = ToolCalls.ToolCalls.use((toolCalls) => toolCalls.call(requestOf({ tool: "slow" })))
  for (let done = 0, batch = 0; done < count; done += together, batch++) {
    const fibers = Array.from({ length: together }, () => runtime.runFork(call))
    await sleep(batch * 7 % 36)
    await Effect.runPromise(Fiber.interruptAll(fibers))
  }
}

/** Straight line through the samples by least squares, for each 100,000 calls. */
const growthOf = (samples: ReadonlyArray<readonly [calls: number, heap: number]>) => {
  const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(samples.map(([done]) => done)), mean(samples.map(([, heap]) => heap))]
  const covariance = mean(samples.map(([done, heap]) => (done - x) * (heap - y)))
  return covariance / mean(samples.map(([done]) => (done - x) ** 2)) * 100_000
}

const steady = start()
const samples = await heapOverCalls(steady)
await steady.dispose()

const runtime = start()
/** With as many ordinary calls at the end, so that connections are there again. */
const rounds = async (count: number) => {
  await interrupted(runtime, count)
  await runtime.runPromise(manyCalls(thorough(10_000, 1_000), together))
  return await left()
}
const before = await rounds(interruptions / 10)
const after = await rounds(interruptions)
await runtime.dispose()
await sleep(100)
const closed = await left()
gateway.stop()

const columns: Readonly<Record<keyof Left, string>> = {
  heap: "heap, MB",
  sockets: "open sockets",
  connections: "connections at the gateway",
  socketObjects: "sockets in memory",
  fibers: "fibers",
  signals: "abort signals",
  listeners: "listeners of a socket at most"
}
const rowOf = (name: string, state: Left) => [
  name,
  ...(Object.keys(columns) as ReadonlyArray<keyof Left>).map((key) =>
    key === "heap" ? state.heap.toFixed(2) : state[key]
  )
]

hand({
  title: "What calls leave allocated",
  about:
    `${calls.toLocaleString("en")} calls over \`NodeTransport\`, 64 in flight, after ${
      warmUp.toLocaleString("en")
    } that warm up; heap and buffers after three garbage collections. Then ${
      interruptions.toLocaleString("en")
    } calls, ${together} at a time, that are interrupted at every stage, after a tenth of that. For two minutes an ` +
    "interrupted call is remembered on purpose, with its params: its record belongs to no other call.",
  tables: [
    {
      title: "Heap over calls",
      columns: ["calls", ...samples.map(([done]) => done.toLocaleString("en"))],
      rows: [["heap, MB", ...samples.map(([, heap]) => heap.toFixed(2))]]
    },
    {
      title: "Interruptions",
      columns: ["", ...Object.values(columns)],
      rows: [
        rowOf("before", before),
        rowOf(`after ${interruptions.toLocaleString("en")} interruptions`, after),
        rowOf("after the layer is closed", closed)
      ]
    }
  ],
  targets: [
    atMost("heap growth over calls", 1, "MB per 100,000", growthOf(samples)),
    atMost("fibers left by interruptions", 0, "", after.fibers - before.fibers),
    atMost("sockets left by interruptions", 0, "", Math.max(0, after.socketObjects - before.socketObjects)),
    atMost("listeners left on a socket", 0, "", after.listeners - before.listeners),
    atMost("sockets and connections left by a closed layer", 0, "", closed.sockets + closed.connections)
  ]
})
process.exit()
