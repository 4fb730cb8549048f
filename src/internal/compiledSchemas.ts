/**
 * Effect's schema compiler, for the schemas that a busy process runs most. Where code cannot be made at run time, they are
 * interpreted as elsewhere.
 *
 * @internal
 */
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import { AllowedBody, Blocked403, Pending202, ToolCallBody } from "../api/ToolCallsApi.ts"

/** @internal */
export const compileSchemas = (): void => {
  for (const { ast } of [ToolCallBody, AllowedBody, Pending202, Blocked403]) SchemaJITCompiler.enable(ast)
}
