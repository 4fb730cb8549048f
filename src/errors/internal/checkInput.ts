/**
 * Checks what operations are given. The types say it, and not every caller has types.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type { VargateError } from "../VargateError.ts"
import { fieldIssues } from "./fieldIssues.ts"
import { invalidRequest } from "./invalidRequest.ts"

/**
 * Fails with `InvalidRequest`, and every issue under `name`, where a value is not of the schema's type.
 *
 * @internal
 */
export const checkInput = <S extends Schema.Constraint>(name: string, schema: S, options?: SchemaAST.ParseOptions) => {
  const decode = Schema.decodeUnknownEffect(Schema.toType(schema), { errors: "all", ...options })
  return (operation: string, input: unknown): Effect.Effect<S["Type"], VargateError> =>
    Effect.mapError(
      decode(input),
      ({ issue }) => invalidRequest(operation, fieldIssues(issue, [name]))
    )
}

const isObject = checkInput("options", Schema.ObjectKeyword)

/**
 * Options as they came, where the contract checks what is in them. Anything that is no object has none, and to take it
 * for an empty one would do something else than was asked.
 *
 * @internal
 */
export const checkObject = <A extends object>(operation: string, options: A): Effect.Effect<A, VargateError> =>
  Effect.as(isObject(operation, options), options)

/**
 * Fails with `InvalidRequest`, under `name`, where a value is no duration.
 *
 * @internal
 */
export const checkDuration = (
  operation: string,
  name: string,
  input: Duration.Input
): Effect.Effect<Duration.Duration, VargateError> =>
  Effect.mapError(Effect.fromOption(Duration.fromInput(input)), () => {
    const message = "Expected a duration, like \"30 seconds\""
    return invalidRequest(operation, [{ path: [name], message }])
  })
