/**
 * The governed workflows that this process runs, by name: an operator names an execution, and the engine wants its workflow.
 *
 * @internal
 */
import type * as Workflow from "effect/workflow/Workflow"

/** @internal */
export const registry = new Map<string, Workflow.Any>()
