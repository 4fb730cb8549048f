/**
 * @title Settings, credentials and a new key
 *
 * What an operator does: plan and apply settings, put a credential where only the gateway finds it, and rotate the key
 * while agents are at work. An agent's own layer, `Vargate.layer`, holds none of these powers.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted } from "effect"
import { Account, Credentials, Tenant, type TenantSettings, ToolCalls } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const requested: TenantSettings.TenantSettings = {
  policy: { template: "financial", parameters: { approvalThreshold: 200, transactionLimit: 1000 } },
  failureModes: { opa: "fail_to_queue" },
  autoApproveTools: ["stripe/create_refund"]
}

const charge = (amount: number) =>
  ToolCalls.decide({ tool: "stripe", method: "create_charge", params: { amount }, isBusinessHours: true }).pipe(
    Effect.tap(({ _tag }) => Console.log(`  charge ${amount} EUR: ${_tag}`))
  )

const program = Effect.gen(function*() {
  const tenant = yield* Tenant.Tenant
  const account = yield* Account.Account
  const credentials = yield* Credentials.Credentials

  yield* Console.log("What would change")
  const { changes } = yield* tenant.plan(requested)
  yield* Effect.forEach(changes, (change) => Console.log(`  ${change}`))

  yield* Console.log("Before and after")
  yield* charge(500)
  const { confirmed } = yield* tenant.apply(requested)
  yield* Console.log(`  applied and read back: ${confirmed.join(", ")}`)
  yield* charge(500)
  yield* charge(5000)
  yield* Console.log(`  left to do: ${(yield* tenant.plan(requested)).changes.length}`)

  const error = yield* Effect.flip(tenant.apply({ anchorChain: "bitcoin" }))
  yield* Console.log(`A value that did not stick\n  ${error._tag}: ${error.message}`)

  yield* Console.log("A credential that the agent never sees")
  yield* credentials.register({ toolId: "stripe", name: "api_key", value: Redacted.make("sk_live_1") })
  yield* charge(50)
  const [use] = yield* credentials.accessLog
  yield* Console.log(`  the gateway used ${use?.toolId}/${use?.name} for ${use?.agentId}`)

  yield* Console.log("A new key, while ten calls are made")
  const rotation = account.rotateKey().pipe(Effect.tap(({ apiKey }) => Console.log(`  the new key: ${apiKey}`)))
  const calls = Effect.forEach(Array(10), () => ToolCalls.call({ tool: "stripe", method: "list" }), {
    concurrency: "unbounded"
  })
  const [, answers] = yield* Effect.all([rotation, calls], { concurrency: "unbounded" })
  yield* Console.log(`  calls that went through: ${answers.length}`)
}).pipe(
  Effect.provide(GatewayMemory.layer({
    tools: {
      "stripe/create_charge": (_, credentials) => Effect.succeed({ charged: true, signed: credentials.has("api_key") })
    }
  }))
)

NodeRuntime.runMain(program)
