/** A process of its own that wants to evaluate a compiled policy, and says why it cannot. */
import { Effect } from "effect"
import * as OpaWasmEngine from "../../src/policy/OpaWasmEngine.ts"
import * as RegoPolicy from "../../src/policy/RegoPolicy.ts"
import { opa, policies } from "./opa.ts"

const engine = Effect.flatMap(RegoPolicy.open(policies, { opa }), (policy) => OpaWasmEngine.make({ policy }))

console.log((await Effect.runPromise(Effect.scoped(Effect.flip(engine)))).message)
