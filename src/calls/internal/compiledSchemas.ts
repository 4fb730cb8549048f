/**
 * Effect's schema compiler, for the schemas that a busy process runs most. Where code cannot be made at run time, they are
 * interpreted as elsewhere.
 *
 * @internal
 */
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import * as SchemaAST from "effect/SchemaAST"
import { Denied, PendingApproval } from "../../errors/VargateError.ts"
import { Allowed } from "../../model/Allowed.ts"
import { AllowedBody, Blocked403, Pending202, ToolCallBody } from "../wire/ToolCallsApi.ts"

/** A class is made from its fields as they are in memory. */
const fieldsOf = ({ ast }: { readonly ast: SchemaAST.Declaration }) => ast.typeParameters.map(SchemaAST.toType)

/** @internal */
export const compileSchemas = (): void => {
  const read = [ToolCallBody, AllowedBody, Pending202, Blocked403].map(({ ast }) => ast)
  const made = [Allowed, Denied, PendingApproval].flatMap(fieldsOf)
  for (const ast of [...read, ...made]) SchemaJITCompiler.enable(ast)
}
