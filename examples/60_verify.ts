/**
 * @title Verify it yourself
 *
 * A forger with access to the gateway changes the ledger, first clumsily, then with every hash computed anew. The
 * gateway's own word stands beside what we find.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { AuditLog, AuditMonitor, AuditRecord, ChainVerifier, Checkpoints, ToolCalls } from "effect-vargate"
import * as NodeHasher from "effect-vargate/node/NodeHasher"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const pay = (amount: number) =>
  ToolCalls.decide({ tool: "stripe", method: "create_charge", params: { amount, currency: "EUR" } })

const compare = Effect.fn(function*(title: string) {
  const gateway = yield* AuditLog.AuditLog.use((auditLog) => auditLog.verify)
  const ours = yield* ChainVerifier.verify()
  const watched = yield* AuditMonitor.AuditMonitor.use((monitor) => monitor.check())
  yield* Console.log(title)
  yield* Console.log(`  the gateway says:       ${gateway.valid ? "valid" : `broken at ${gateway.failedAt}`}`)
  yield* Console.log(`  recomputed:             ${verdict(ours)}`)
  yield* Console.log(`  against our checkpoint: ${verdict(watched.report!)}`)
})

const verdict = ({ findings, records, valid }: Effect.Success<ReturnType<typeof ChainVerifier.verify>>) =>
  valid ? `valid, ${records} records` : findings.map(({ _tag, actionId }) => `${_tag} at ${actionId}`).join(", ")

/** Nine hundred euros become nine. */
const cheapen = (records: ReadonlyArray<AuditRecord.AuditRecord>) =>
  records.map((record, i) =>
    i === 1 ? new AuditRecord.AuditRecord({ ...record, params: { amount: 9, currency: "EUR" } }) : record
  )

const program = Effect.gen(function*() {
  const gateway = yield* GatewayMemory.GatewayMemory
  yield* Effect.forEach([100, 900, 250, 40], pay)
  yield* compare("An honest ledger")
  const honest = yield* gateway.records()

  yield* gateway.tamperWithLedger({ edit: cheapen })
  yield* compare("\nOne amount changed")

  yield* gateway.tamperWithLedger({ edit: () => cheapen(honest), rehash: true })
  yield* compare("\nThe same, and every hash computed anew")

  yield* gateway.tamperWithLedger({ edit: () => honest.slice(0, -2), rehash: true })
  yield* compare("\nThe newest two records cut off")
}).pipe(
  Effect.provide(AuditMonitor.layer.pipe(Layer.provide(Checkpoints.layerMemory))),
  Effect.provide([GatewayMemory.layer({ tenants: [{ id: "shop", apiKey: "shop-key" }] }), NodeHasher.layer])
)

NodeRuntime.runMain(program)
