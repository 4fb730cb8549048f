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
import { executionOf } from "../../calls/wire/ToolCallsApi.ts"
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
 * A tool with what MCP clients read of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface DescribedTool {
  readonly run: Tool
  /** Under which the gateway's MCP endpoint offers it. Default: `tool_method`. */
  readonly name?: string | undefined
  readonly description?: string | undefined
  /** JSON Schema of its params. Default: any object. */
  readonly inputSchema?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Tools by `tool/method`.
 *
 * @category models
 * @since 0.1.0
 */
export type Tools = Readonly<Record<string, Tool | DescribedTool>>

/**
 * A tool as MCP clients know it.
 *
 * @category models
 * @since 0.1.0
 */
export interface OfferedTool {
  readonly name: string
  readonly tool: string
  readonly method: string
  readonly description: string
  readonly inputSchema: Readonly<Record<string, unknown>>
}

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
  /** What MCP clients are offered. Of two tools with one name, neither is. */
  readonly offered: ReadonlyArray<OfferedTool>
}>()("effect-vargate/gateway/ToolRunner") {}

/**
 * Runs the given tools, keyed `tool/method`. A call without one is left to the agent.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (tools: Tools): Layer.Layer<ToolRunner, never, CredentialVault> =>
  Layer.effect(ToolRunner, Effect.map(CredentialVault, (vault) => make(tools, vault)))

const make = (tools: Tools, vault: CredentialVault["Service"]) => {
  const find = (call: { readonly tool: string; readonly method: string }): Tool | undefined => {
    const name = `${call.tool}/${call.method}`
    const found = Object.hasOwn(tools, name) ? tools[name] : undefined
    return typeof found === "object" ? found.run : found
  }
  return ToolRunner.of({
    offered: offer(tools),
    prepare: Effect.fnUntraced(function*({ actionId, agentId, method, params, tenantId, tool }) {
      const implementation = find({ tool, method })
      if (implementation === undefined) return undefined
      const credentials = yield* vault.open(tenantId, tool, { actionId, agentId })
      return execute(implementation, params, credentials)
    })
  })
}

const offer = (tools: Tools): ReadonlyArray<OfferedTool> => {
  const all = Object.entries(tools).map(([path, given]): OfferedTool => {
    const slash = path.lastIndexOf("/")
    const [tool, method] = [path.slice(0, slash), path.slice(slash + 1)]
    const { description = `Performs ${path}.`, inputSchema = { type: "object" }, name } = typeof given === "object"
      ? given
      : {}
    return { name: name ?? nameOf(tool, method), tool, method, description, inputSchema }
  })
  const times = Map.groupBy(all, ({ name }) => name)
  return all.filter(({ name }) => times.get(name)?.length === 1)
}

/** MCP clients take letters, digits, `_` and `-`. */
const nameOf = (tool: string, method: string): string => `${tool}_${method}`.replaceAll(/[^A-Za-z0-9_-]/g, "_")

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
    ? executionOf(exit.value, latency)
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
