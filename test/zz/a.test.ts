import { it } from "@effect/vitest"
import { Effect, Cause } from "effect"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { operationNames, run } from "../operations.ts"
const big = "[".repeat(2.5e6) + "]".repeat(2.5e6)
const mid2 = 1; const mid = "[".repeat(20000) + "]".repeat(20000)
const bodies: Record<string, string> = {
  mid,
  allowedBig: `{"status":"allowed","action_id":"a","execution_mode":"vargate_brokered","execution_result":${big}}`,
  allowedMid: `{"status":"allowed","action_id":"a","execution_mode":"vargate_brokered","execution_result":${mid}}`,
  allowedErr: `{"status":"allowed","action_id":"a","execution_mode":"vargate_brokered","execution_result":{"error":${mid}}}`,
  objs: "{\"a\":".repeat(1e6),
  detailMid: `{"detail":${mid}}`,
  proto: `{"__proto__":{"status":"allowed"},"status":"allowed","action_id":"a"}`,
  notjson: "secret-key nope"
}
for (const [k, b] of Object.entries(bodies)) for (const status of [200, 202, 403, 422, 429, 500, 502])
it.effect(k + status, () => Effect.gen(function*() {
  for (const name of operationNames) {
    const t = Date.now()
    const exit = yield* Effect.exit(run(name, ScriptedTransport.text(status, b)))
    if (exit._tag === "Failure") {
      if (Cause.hasDies(exit.cause)) console.log(k, status, name, "DIES", String(Cause.squash(exit.cause)).slice(0, 300))
      else if (k === "notjson") console.log(k, status, name, JSON.stringify(Cause.squash(exit.cause)).slice(0, 500))
    } else { if (k.startsWith("allowed")|| k === "proto") console.log(k, status, name, "OK") }
    if (Date.now() - t > 3000000) console.log(k, status, name, Date.now() - t, "ms")
  }
}))
