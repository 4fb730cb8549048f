/**
 * The governed workflows that this process runs, by name: an operator names an execution, and the engine wants its workflow.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import type * as Workflow from "effect/workflow/Workflow"

/** @internal */
export type Registered = Workflow.Workflow<
  string,
  Workflow.AnyStructSchema,
  Schema.Codec<unknown, unknown>,
  Schema.Codec<unknown, unknown>
>

/** @internal */
export const registry = new Map<string, Registered>()
