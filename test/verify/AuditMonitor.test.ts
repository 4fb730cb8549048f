import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Ref, Schedule, Stream } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import { GatewayMemory } from "../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as Transport from "../../src/transport/Transport.ts"
import * as Vargate from "../../src/Vargate.ts"
import * as AnchorVerifier from "../../src/verify/anchors/AnchorVerifier.ts"
import * as AuditMonitor from "../../src/verify/AuditMonitor.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import * as Checkpoints from "../../src/verify/Checkpoints.ts"
import { Merkle } from "../../src/verify/Merkle.ts"
import type { MonitorEvent } from "../../src/verify/MonitorEvent.ts"
import { seeded } from "../support/generateJson.ts"
import { gateway, submitSome } from "../support/rawLog.ts"
import { hour, settableClock } from "../support/wallClock.ts"
import { chainId, contract, nodes, otherContract, ScriptedChain } from "./anchors/scriptedChain.ts"

/** The monitor over a connection that can be cut. */
const monitored = Effect.fnUntraced(function*() {
  const isOut = yield* Ref.make(false)
  const client = yield* HttpClient.HttpClient
  const cut = HttpClient.makeWith(
    Effect.flatMap((request: HttpClientRequest.HttpClientRequest) =>
      Effect.flatMap(Ref.get(isOut), (isOut) =>
        isOut
          ? Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({
                request,
                cause: Object.assign(new Error("connection refused"), { code: "ECONNREFUSED" })
              })
            })
          )
          : client.execute(request))
    ),
    (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(request)
  )
  const layer = AuditMonitor.layer.pipe(
    Layer.provideMerge(Layer.fresh(Checkpoints.layerMemory)),
    Layer.provide(Layer.fresh(ChainVerifier.layer)),
    Layer.provide(Vargate.layer({ apiKey: "test-key" })),
    Layer.provide(Layer.succeed(HttpClient.HttpClient, cut))
  )
  const context = yield* Layer.build(layer)
  return { context, setOut: (value: boolean) => Ref.set(isOut, value) }
})

const short = (event: MonitorEvent) => event._tag === "Verified" ? (event.isFull ? "full" : "new") : event.reason

const watching = Effect.fnUntraced(function*(options?: AuditMonitor.WatchOptions) {
  const { context, setOut } = yield* monitored()
  const events: Array<MonitorEvent> = []
  const { clock, set } = yield* settableClock
  const fiber = yield* AuditMonitor.watch(options).pipe(
    Stream.runForEach((event) => Effect.sync(() => events.push(event))),
    Effect.provideContext(context),
    Effect.provideService(Clock.Clock, clock),
    Effect.forkChild({ startImmediately: true })
  )
  const advance = Effect.fnUntraced(function*(minutes: number) {
    for (let i = 0; i < minutes; i++) {
      yield* TestClock.adjust("1 minute")
      // A look takes several turns of the event loop, and no time.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
  })
  yield* advance(0)
  return { events, fiber, setOut, setClock: set, advance, context }
})

const tamper = (edit: (records: ReadonlyArray<AuditRecord>) => ReadonlyArray<AuditRecord>) =>
  GatewayMemory.use((memory) => memory.tamperWithLedger({ edit, rehash: true }))

describe("check", () => {
  it.effect("believes the first time, and keeps what it saw", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(41), 5)
      const { context } = yield* monitored()
      const monitor = yield* Effect.provideContext(AuditMonitor.AuditMonitor, context)
      const store = yield* Effect.provideContext(Checkpoints.CheckpointStore, context)
      assert.strictEqual(short(yield* monitor.check()), "full")
      assert.strictEqual((yield* store.latest("t"))?.count, 5)
      yield* submitSome(seeded(42), 5)
      assert.strictEqual(short(yield* monitor.check()), "new")
      assert.strictEqual((yield* store.latest("t"))?.count, 10)
      yield* tamper((records) => records.slice(0, -2))
      assert.strictEqual(short(yield* monitor.check()), "Tampered")
      assert.strictEqual(short(yield* monitor.check({ full: true })), "Tampered")
      assert.strictEqual((yield* store.latest("t"))?.count, 10)
    }).pipe(Effect.provide(gateway())))

  it.effect("sees that a stored root was exchanged", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(43), 5)
      yield* TestClock.adjust("1 hour")
      const { context } = yield* monitored()
      const monitor = yield* Effect.provideContext(AuditMonitor.AuditMonitor, context)
      const store = yield* Effect.provideContext(Checkpoints.CheckpointStore, context)
      yield* monitor.check()
      const kept = (yield* store.latest("t"))!
      assert.strictEqual(kept.roots.length, 1)
      const doctored = kept.recordHash
      const other = yield* monitored()
      const otherStore = yield* Effect.provideContext(Checkpoints.CheckpointStore, other.context)
      yield* otherStore.import(Checkpoints.toJson([{ ...kept, roots: [{ index: 0, root: doctored }] }].map((plain) =>
        Object.assign(Object.create(Object.getPrototypeOf(kept)), plain)
      )))
      const event = yield* Effect.provideContext(
        AuditMonitor.AuditMonitor.use((monitor) =>
          monitor.check()
        ),
        other.context
      )
      assert.deepStrictEqual(event.report?.trees?.findings.map(({ _tag }) => _tag), ["RootChanged"])
    }).pipe(Effect.provide(gateway())))

  it.effect("asks whose log it is where the store knows several", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(44), 2)
      const { context } = yield* monitored()
      const monitor = yield* Effect.provideContext(AuditMonitor.AuditMonitor, context)
      const store = yield* Effect.provideContext(Checkpoints.CheckpointStore, context)
      yield* monitor.check()
      const kept = (yield* store.latest("t"))!
      yield* store.import(Checkpoints.toJson([kept]).replace("\"tenantId\":\"t\"", "\"tenantId\":\"u\""))
      assert.propertyVal(yield* Effect.flip(monitor.check()), "_tag", "VargateError")
      assert.strictEqual(short(yield* monitor.check({ tenantId: "t" })), "new")
      assert.propertyVal(yield* Effect.flip(monitor.check({ tenantId: "u" })), "_tag", "VargateError")
    }).pipe(Effect.provide(gateway())))
})

describe("watch", () => {
  it.effect("looks once a minute, at everything once a day", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(45), 5)
      const { advance, events, fiber } = yield* watching({ fullEvery: "5 minutes" })
      yield* advance(6)
      assert.deepStrictEqual(events.map(short), ["full", "new", "new", "new", "new", "full", "new"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(gateway())))

  it.effect("survives outages, and tells of one that lasts, once", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(46), 5)
      const { advance, events, fiber, setOut } = yield* watching({ silence: "5 minutes" })
      yield* advance(1)
      yield* setOut(true)
      yield* advance(3)
      yield* setOut(false)
      yield* advance(1)
      assert.deepStrictEqual(events.map(short), ["full", "new", "new"])
      yield* setOut(true)
      yield* advance(20)
      assert.deepStrictEqual(events.map(short), ["full", "new", "new", "Unverifiable"])
      const alert = events.at(-1)!
      assert(alert._tag === "Alert" && alert.failure !== undefined)
      assert.include(alert.failure, "cannot be reached")
      yield* setOut(false)
      yield* advance(2)
      assert.deepStrictEqual(events.map(short).slice(4), ["new", "new"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(gateway())))

  it.effect("measures an outage by the time that passes, whatever the clock is set to", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(46), 5)
      const { advance, events, fiber, setClock, setOut } = yield* watching({ silence: "5 minutes" })
      yield* setOut(true)
      yield* setClock(hour)
      yield* advance(3)
      assert.deepStrictEqual(events.map(short), ["full"])
      yield* setClock(-2 * hour)
      yield* advance(3)
      assert.deepStrictEqual(events.map(short), ["full", "Unverifiable"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(gateway())))

  it.effect("goes on alerting until the log is what it was", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(47), 8)
      const memory = yield* GatewayMemory
      const genuine = yield* memory.records()
      const { advance, events, fiber } = yield* watching()
      yield* tamper((records) =>
        records.map((record, i) => i === 3 ? new AuditRecord({ ...record, tool: "other" }) : record)
      )
      yield* submitSome(seeded(48), 1, 1)
      yield* advance(2)
      yield* memory.tamperWithLedger({ edit: () => genuine })
      yield* advance(1)
      assert.deepStrictEqual(events.map(short), ["full", "Tampered", "Tampered", "new"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(gateway())))
})

describe("with anchors", () => {
  /** A monitor that also asks a node, which answers or does not. */
  const anchored = Effect.fnUntraced(function*(options: AuditMonitor.WatchOptions) {
    const toolCalls = yield* ToolCalls
    yield* toolCalls.decide({ tool: "files", method: "read" })
    yield* TestClock.adjust("70 minutes")
    const chain = new ScriptedChain()
    chain.anchor(yield* Merkle.use((merkle) => merkle.roots()))
    chain.mine(4200)
    const node = { isOut: false, hasLogs: true, asked: 0 }
    const wire = nodes({
      a: {
        chain,
        answer: (method, _, honest) => {
          node.asked++
          return node.isOut || (method === "eth_getLogs" && !node.hasLogs) ? ScriptedTransport.json(403, {}) : honest()
        }
      }
    })
    const context = yield* Layer.build(
      AuditMonitor.layerAnchored({
        nodes: [{ label: "a", url: "http://127.0.0.1/a" }],
        chainId,
        contract,
        finality: "finalized",
        maxDelay: "1 hour",
        maxLag: "1 day",
        ownerSince: 0,
        retries: 0
      }).pipe(
        Layer.provideMerge(Layer.fresh(Checkpoints.layerMemory)),
        Layer.provide(Layer.fresh(ChainVerifier.layer)),
        Layer.provide(Layer.fresh(AnchorVerifier.layer)),
        Layer.provide(Layer.merge(Layer.effect(Transport.Transport, Transport.Transport), wire))
      )
    )
    const events: Array<MonitorEvent> = []
    yield* AuditMonitor.watch({ schedule: Schedule.spaced("5 minutes"), ...options }).pipe(
      Stream.runForEach((event) => Effect.sync(() => events.push(event))),
      Effect.provideContext(context),
      Effect.forkChild({ startImmediately: true })
    )
    const advance = Effect.fnUntraced(function*(minutes: number) {
      for (let i = 0; i < minutes; i++) {
        yield* TestClock.adjust("1 minute")
        for (let turn = 0; turn < 20; turn++) {
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
      }
    })
    yield* advance(0)
    return { advance, chain, events, node }
  })

  it.effect("looks for them every hour, and says when the chain tells another story", () =>
    Effect.gen(function*() {
      const { advance, chain, events } = yield* anchored({})
      yield* advance(20)
      assert.deepStrictEqual(events.map((event) => event.anchors?.valid), [
        true,
        undefined,
        undefined,
        undefined,
        undefined
      ])
      // What the contract has of an hour that the gateway does not show.
      const first = chain.submissions[0]!.anchoring
      chain.submit({ ...first, root: "00".repeat(32), prevRoot: first.root, fromRecord: 900 }, 4201)
      yield* advance(45)
      const alert = events.at(-2)!
      assert(alert._tag === "Alert", alert._tag)
      assert.strictEqual(alert.reason, "Anchors")
      assert.deepStrictEqual(alert.anchors?.findings.map(({ _tag }) => _tag), ["ForkedTree"])
    }).pipe(Effect.provide(gateway())))

  it.effect("says when the contract has had another owner, and when its logs are not shown", () =>
    Effect.gen(function*() {
      const { advance, chain, events, node } = yield* anchored({ anchorsEvery: "10 minutes" })
      assert.isTrue(events[0]?.anchors?.valid)
      const { owner } = chain
      chain.transfer(otherContract, 4201)
      chain.transfer(owner, 4202)
      yield* advance(15)
      const alert = events.at(-2)!
      assert(alert._tag === "Alert" && alert.reason === "Anchors", alert._tag)
      assert.deepStrictEqual(alert.anchors?.findings.map(({ _tag }) => _tag), [
        "OwnershipTransferred",
        "OwnershipTransferred"
      ])
      chain.transfers = []
      node.hasLogs = false
      yield* advance(40)
      const unverifiable = events.filter((event) => event._tag === "Alert" && event.reason === "Unverifiable")
      assert.deepStrictEqual(unverifiable.map((event) => event._tag === "Alert" && event.failure), [
        "node a answered 403 to eth_getLogs: its owners are not known"
      ])
    }).pipe(Effect.provide(gateway())))

  it.effect("asks again with every look while nodes are away, and says once when that lasts", () =>
    Effect.gen(function*() {
      const { advance, events, node } = yield* anchored({ anchorsEvery: "10 minutes" })
      node.isOut = true
      yield* advance(60)
      const alerts = events.filter((event) => event._tag === "Alert")
      assert.deepStrictEqual(alerts.map(({ failure, reason }) => [reason, failure]), [
        ["Unverifiable", "node a answered 403 to eth_chainId"]
      ])
      node.isOut = false
      yield* advance(10)
      assert.isTrue(events.some((event) => event._tag === "Verified" && event.anchors?.valid === true))
      assert.strictEqual(events.filter((event) => event._tag === "Alert").length, 1)
    }).pipe(Effect.provide(gateway())))
})
