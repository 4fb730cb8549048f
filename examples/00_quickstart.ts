/**
 * @title A tour of everything in one program
 *
 * Runs on a gateway inside this process. With VARGATE_API_KEY set it talks to the real one instead, and leaves out what
 * only an embedded gateway can be asked to do.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Config, Console, Effect, Fiber, Layer, Match, Option } from "effect"
import {
  Agent,
  Approvals,
  AuditLog,
  ChainVerifier,
  type Checkpoints,
  Merkle,
  Replay,
  RetryPolicy,
  Reviews,
  ToolCalls,
  Vargate
} from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { FetchHttpClient } from "effect/http"

const charge = (amount: number, currency = "EUR") =>
  ToolCalls.decide({
    tool: "stripe",
    method: "create_charge",
    params: { amount, currency, customer: "cus_42" },
    isBusinessHours: true
  })

const describe = Match.type<ToolCalls.Decision>().pipe(
  Match.tags({
    Allowed: ({ execution }) =>
      execution._tag === "Executed"
        ? `allowed, and executed by the gateway: ${JSON.stringify(execution.result)}`
        : "allowed: now the agent may act",
    Denied: ({ severity, violations }) => `denied (${severity}): ${violations.join(", ")}`,
    PendingApproval: ({ actionId }) => `pending as ${actionId}: a reviewer must decide`
  }),
  Match.exhaustive
)

/** On a real gateway, another reviewer may be faster, and a policy of an earlier day may be gone. */
const orSay = Effect.catch(({ message }: { readonly message: string }) => Console.log(`   ${message}`))

let sections = 0

/** Counted as they are told, since a real gateway cannot be asked for all of them. */
const section = (title: string) => Console.log(`${sections === 0 ? "" : "\n"}${++sections}. ${title}`)

const decisions = Effect.gen(function*() {
  yield* section("An agent asks before it acts")
  const small = yield* charge(50)
  yield* Console.log(`   charge  50 EUR  ${describe(small)}`)
  yield* Console.log(`   charge 9000 USD  ${describe(yield* charge(9000, "USD"))}`)
  const large = yield* charge(1500)
  yield* Console.log(`   charge 1500 EUR  ${describe(large)}`)

  yield* section("A reviewer decides what is pending")
  if (large._tag === "PendingApproval") {
    const { pending } = yield* Approvals.Approvals.use((approvals) => approvals.pending)
    yield* Console.log(`   pending: ${pending.length}`)
    yield* Reviews.Reviews.use((reviews) => reviews.approve(large.actionId, "known customer")).pipe(
      Effect.flatMap(({ execution }) => Console.log(`   approved; the gateway then: ${execution._tag}`)),
      orSay
    )
  } else {
    yield* Console.log("   nothing of this is pending: the policy of this tenant asks for no approval of 1500 EUR.")
    yield* Console.log("   With the template \"financial\" it does, from approval_threshold (1000) on:")
    yield* Console.log("   effect-vargate settings get > settings.json, change policyTemplate in it,")
    yield* Console.log("   effect-vargate settings apply settings.json, and run this once more")
  }
  return small
})

const troubles = Effect.fn(function*(gateway: GatewayMemory.GatewayMemory["Service"]) {
  yield* section("Too many calls in a second")
  const limited = yield* charge(1).pipe(Effect.forever, Effect.flip)
  yield* Console.log(`   ${limited._tag}: ${limited.message}`)
  yield* Console.log("   once more, with RetryPolicy.standard ...")
  yield* Console.log(`   charge   1 EUR  ${describe(yield* Effect.retry(charge(1), RetryPolicy.standard))}`)

  yield* section("The policy engine fails and recovers")
  yield* gateway.setOpaOutage(true)
  const refused = yield* Effect.flip(charge(2))
  yield* Console.log(`   ${refused._tag}: ${refused.message}`)
  const patient = yield* Effect.forkChild(Effect.retry(charge(2), RetryPolicy.standard), { startImmediately: true })
  yield* gateway.setOpaOutage(false)
  yield* Console.log(`   charge   2 EUR  ${describe(yield* Fiber.join(patient))}`)
})

const evidence = Effect.fn(function*(decision: ToolCalls.Decision) {
  yield* section("Everything is on record")
  const auditLog = yield* AuditLog.AuditLog
  const chain = yield* auditLog.verify
  yield* Console.log(
    `   audit chain: ${chain.valid ? "valid" : `broken at ${chain.failedAt}`}, ${chain.records} records`
  )
  yield* Console.log("   recomputing it from the bytes ...")
  const ours = yield* ChainVerifier.verify()
  yield* Console.log(`   recomputed from the bytes: ${ours.valid ? "valid" : "not valid"}, ${ours.records} records`)
  const record = yield* auditLog.record(decision.actionId)
  yield* Console.log(`   record of the first charge: ${record.decision}, hash ${record.recordHash.slice(0, 16)}...`)
  const proven = yield* Effect.option(Merkle.Merkle.use((merkle) => merkle.prove(record.recordHash)))
  yield* Console.log(Option.match(proven, {
    onNone: () => "   Merkle proof: not before this hour is over",
    onSome: ({ inclusion, proof: { leafIndex, steps } }) =>
      `   Merkle proof: leaf ${leafIndex}, ${steps.length} steps, ${inclusion.valid ? "holds" : inclusion.reason}`
  }))
  yield* Replay.Replay.use((service) => service.replay(decision.actionId)).pipe(
    Effect.flatMap(({ consistent, original }) =>
      Console.log(`   replay: ${consistent ? "consistent" : "differs"} (${original.decision})`)
    ),
    orSay
  )
  return ours.checkpoint
})

const forgery = Effect.fn(function*(gateway: GatewayMemory.GatewayMemory["Service"], kept: Checkpoints.Checkpoint) {
  yield* section("A forger removes a record, and recomputes every hash")
  yield* gateway.tamperWithLedger({ edit: (records) => records.slice(1), rehash: true })
  const claim = yield* AuditLog.AuditLog.use((auditLog) => auditLog.verify)
  yield* Console.log(`   the gateway's report:    ${claim.valid ? "valid" : "broken"}, ${claim.records} records`)
  const { findings } = yield* ChainVerifier.verify({ since: kept })
  yield* Console.log(`   against our checkpoint:  ${findings.map(({ _tag }) => _tag).join(", ")}`)
})

/** The Merkle tree of an hour is built when the hour is over, so the story's first part happens an hour ago. */
const anHourAgo = Effect.updateService(Clock.Clock, (clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() - 3_600_000,
  currentTimeMillis: Effect.map(clock.currentTimeMillis, (millis) => millis - 3_600_000),
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration)
}))

const program = Effect.gen(function*() {
  const gateway = yield* Effect.serviceOption(GatewayMemory.GatewayMemory)
  const first = yield* Option.isSome(gateway) ? anHourAgo(decisions) : decisions
  if (Option.isSome(gateway)) yield* troubles(gateway.value)
  const kept = yield* evidence(first)
  if (Option.isSome(gateway) && kept !== undefined) yield* forgery(gateway.value, kept)
}).pipe(
  Effect.provideService(Agent.Agent, { id: "quickstart-agent", type: "autonomous", version: "1.0.0" })
)

const embedded = GatewayMemory.layer({
  tenants: [{ id: "demo", apiKey: "demo-key", policyTemplate: "financial", burst: 5 }],
  tools: { "stripe/create_charge": ({ amount }) => Effect.succeed({ charge: "ch_1", amount, status: "succeeded" }) }
})

const hosted = Reviews.layer.pipe(
  Layer.provideMerge(Vargate.layerConfig()),
  Layer.provide(FetchHttpClient.layer)
)

const main = Effect.gen(function*() {
  const key = yield* Config.option(Config.Redacted("VARGATE_API_KEY"))
  yield* Console.log(`Vargate, ${Option.isSome(key) ? "the real gateway" : "on a gateway inside this process"}\n`)
  yield* Option.isSome(key) ? Effect.provide(program, hosted) : Effect.provide(program, embedded)
  yield* Console.log("\nNext: npm test, then docs/getting-started.md; or begin a project of your own:")
  yield* Console.log("npm run vargate -- init --project ../my-agent")
})

NodeRuntime.runMain(main)
