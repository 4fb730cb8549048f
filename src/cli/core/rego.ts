/**
 * Policies in Rego that commands evaluate here.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { VargateError } from "../../errors/VargateError.ts"
import { Usage } from "./failure.ts"
import { variable } from "./variables.ts"

/**
 * In the words of a command line: what is wrong with a policy, and where it was given.
 *
 * @internal
 */
export const aboutPolicy = (where: string) => ({ reason }: VargateError): Usage =>
  new Usage({
    message: `${where}: ${
      reason._tag === "InvalidRequest"
        ? reason.issues.map(({ message, path }) => [...path, message].join(": ")).join("; ")
        : reason.message
    }.`
  })

/**
 * The engine that decides by Rego or a compiled bundle at a path, and what its policy reads, where that is known. VARGATE_OPA
 * is where OPA's binary is, if not in the shell's path.
 *
 * @internal
 */
export const regoPolicy = Effect.fnUntraced(function*(path: string, where: string) {
  const RegoPolicy = yield* Effect.promise(() => import("../../policy/RegoPolicy.ts"))
  const OpaWasmEngine = yield* Effect.promise(() => import("../../policy/OpaWasmEngine.ts"))
  const opa = yield* variable("VARGATE_OPA")
  return yield* RegoPolicy.open(path, { opa: opa && Redacted.value(opa) }).pipe(
    Effect.flatMap((policy) =>
      Effect.map(OpaWasmEngine.make({ policy }), (engine) => ({ engine, reads: policy.reads }))
    ),
    Effect.mapError(aboutPolicy(where))
  )
})
