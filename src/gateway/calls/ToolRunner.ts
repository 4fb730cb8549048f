/**
 * Tools that the gateway executes itself. For all others it only decides, and the agent acts.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { readToolAnswer } from "../../calls/wire/ToolCallsApi.ts"
import { monotonicMillis } from "../../internal/elapsed.ts"
import { redactSpellings, spellings } from "../../internal/redact.ts"
import { type Execution, ExecutionFailed } from "../../model/Execution.ts"
import { CredentialVault } from "../tenants/CredentialVault.ts"

/**
 * A tool's implementation: takes the params of the call and the tenant's credentials for the tool by name, and answers any
 * JSON, or nothing. A failure becomes `ExecutionFailed`, and so does an answer that JSON cannot express: it is written
 * into an answer and into the audit log, without the credentials should it repeat them.
 *
 * @category models
 * @since 0.1.0
 */
export type Tool = (
  params: Readonly<Record<string, unknown>>,
  credentials: ReadonlyMap<string, Redacted.Redacted>
) => Effect.Effect<unknown, unknown>

/**
 * A call to run, and on whose behalf.
 *
 * @category models
 * @since 0.1.0
 */
export interface Task {
  readonly tenantId: string
  readonly actionId: string
  readonly agentId: string
  readonly tool: string
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/**
 * Runs tools by `tool/method`.
 *
 * @category services
 * @since 0.1.0
 */
export class ToolRunner extends Context.Service<ToolRunner, {
  /**
   * Opens the tenant's credentials for a call. The effect that comes out executes it; there is none where the gateway does
   * not have the tool.
   */
  readonly prepare: (task: Task) => Effect.Effect<Effect.Effect<Execution> | undefined>
}>()("effect-vargate/gateway/ToolRunner") {}

/**
 * Runs the given tools, keyed `tool/method`. A call without one is left to the agent.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (tools: Readonly<Record<string, Tool>>): Layer.Layer<ToolRunner, never, CredentialVault> =>
  Layer.effect(ToolRunner, Effect.map(CredentialVault, (vault) => make(tools, vault)))

const make = (tools: Readonly<Record<string, Tool>>, vault: CredentialVault["Service"]) => {
  const find = (call: { readonly tool: string; readonly method: string }): Tool | undefined => {
    const name = `${call.tool}/${call.method}`
    return Object.hasOwn(tools, name) ? tools[name] : undefined
  }
  return ToolRunner.of({
    prepare: Effect.fnUntraced(function*({ actionId, agentId, method, params, tenantId, tool }) {
      const implementation = find({ tool, method })
      if (implementation === undefined) return undefined
      const credentials = yield* vault.open(tenantId, tool, { actionId, agentId })
      return execute(implementation, params, credentials)
    })
  })
}

const execute = Effect.fnUntraced(function*(
  implementation: Tool,
  params: Task["params"],
  credentials: ReadonlyMap<string, Redacted.Redacted>
) {
  const secrets = spellings([...credentials.values()])
  const started = yield* monotonicMillis
  // A tool that ends with a defect is a tool that failed: the gateway itself must answer. Its params are a copy,
  // since what is recorded is what was asked, whatever the tool does with it.
  const exit = yield* Effect.exit(
    Effect.map(
      Effect.suspend(() => implementation(structuredClone(params), credentials)),
      (answer) => asJson(answer, secrets)
    )
  )
  const latency = { executionMs: Math.floor((yield* monotonicMillis) - started) }
  return Exit.isSuccess(exit)
    ? readToolAnswer(exit.value, latency)
    : new ExecutionFailed({
      error: `execution_failed: ${redactSpellings(wordsOf(Cause.squash(exit.cause)), secrets)}`,
      latency
    })
})

/** The answer as it will read on the other side of the wire. Throws where JSON has no word for it. */
const asJson = (answer: unknown, secrets: ReadonlyArray<string>): unknown => {
  const text = JSON.stringify(answer) as string | undefined
  if (text === undefined) return null
  return secrets.length === 0
    ? JSON.parse(text)
    : JSON.parse(text, (_, value) => typeof value === "string" ? redactSpellings(value, secrets) : value)
}

/** `String` fails for objects without a prototype and says nothing about plain ones. */
const wordsOf = (error: unknown): string =>
  typeof error === "object" && !(error instanceof Error) ? Formatter.format(error) : String(error)
