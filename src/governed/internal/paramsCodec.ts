/**
 * Params of a program's own types as the JSON that is submitted. Toolkits, typed functions and workflows encode here, and
 * take everything that follows (the request, the digest, the handler's params) from the snapshot.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type ParamsSnapshot, snapshotParams } from "../../calls/internal/paramsSnapshot.ts"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { maxParamsDepth } from "../../internal/limits.ts"

/**
 * How the params of one operation are read and written. What is wrong with them is an invalid request under `path`.
 *
 * @internal
 */
export const paramsCodec = (operation: string, path: ReadonlyArray<string>) => {
  const refuse = (message: string) => Effect.fail(invalidRequest(operation, [{ path, message }]))

  /**
   * What a codec returns. Most are done at once, and then nothing is wrapped around them. Values that nest too deep, or
   * contain themselves, exhaust the stack of some.
   */
  const guarded = <A, E, R>(codec: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | VargateError, R> => {
    try {
      const effect = codec()
      return isDone(effect) ? effect : Effect.catchDefect(effect, (defect) => ofDefect(defect))
    } catch (thrown) {
      return ofDefect(thrown)
    }
  }
  const ofDefect = (defect: unknown) => defect instanceof RangeError ? refuse(tooDeep) : Effect.die(defect)

  /** What a codec makes of a copy of the params. */
  const read = <R>(
    params: unknown,
    codec: (params: unknown) => Effect.Effect<unknown, Schema.SchemaError, R>
  ): Effect.Effect<unknown, Schema.SchemaError | VargateError, R> => {
    const copy = readOnce(params)
    return Result.isFailure(copy) ? refuse(copy.failure) : guarded(() => codec(copy.success))
  }

  /** The issues of a schema as those of the request. */
  const checked = <A, R>(
    codec: () => Effect.Effect<A, Schema.SchemaError | VargateError, R>
  ): Effect.Effect<A, VargateError, R> => {
    const effect = guarded(codec)
    return isDone(effect) ? effect : Effect.mapError(
      effect,
      (error) => error._tag === "SchemaError" ? invalidRequest(operation, fieldIssues(error.issue, path)) : error
    )
  }

  /** The snapshot of params that are JSON already. It is remembered for its value, which is to be submitted. */
  const snapshot = (json: unknown): Effect.Effect<ParamsSnapshot, VargateError> => {
    const taken = snapshotParams(json)
    if (Result.isSuccess(taken)) return Effect.succeed(taken.success.remembered())
    const issues = taken.failure.map((issue) => ({ ...issue, path: [...path, ...issue.path.slice(2)] }))
    return Effect.fail(invalidRequest(operation, issues))
  }

  return {
    read,
    checked,
    snapshot,
    /** The snapshot of what a codec makes of the params. */
    encode: <R>(
      params: unknown,
      codec: (params: unknown) => Effect.Effect<unknown, Schema.SchemaError, R>
    ): Effect.Effect<ParamsSnapshot, VargateError, R> =>
      Effect.flatMapEager(checked(() => read(params, codec)), snapshot)
  }
}

const isDone = <A>(effect: Effect.Effect<A, unknown, unknown>): effect is Exit.Success<A> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

const tooDeep = `Expected at most ${maxParamsDepth} levels of nesting`

/** More values than the params of any call can hold, whatever a codec makes of them. */
const maxValues = 1_000_000

/**
 * A copy of the plain objects and arrays of a value, in which nothing changes while codecs read it, perhaps later and
 * several times. Everything else, such as dates and class instances, is left to the codec.
 */
const readOnce = (value: unknown): Result.Result<unknown, string> => {
  const within = new Set<object>()
  let values = 0
  const read = (value: unknown): unknown => {
    if (++values > maxValues) throw new Unreadable(`Expected at most ${maxValues} values`)
    if (typeof value !== "object" || value === null || !isPlain(value)) return value
    if (within.has(value)) throw new Unreadable("Expected JSON, and this refers back to an object that it is in")
    if (within.size > maxParamsDepth) throw new Unreadable(tooDeep)
    within.add(value)
    const copy = Array.isArray(value) ? readArray(value) : readObject(value)
    within.delete(value)
    return copy
  }
  const readArray = (array: ReadonlyArray<unknown>) => {
    const { length } = array
    values += length
    const copy: Array<unknown> = []
    for (let i = 0; i < length; i++) {
      if (values > maxValues) throw new Unreadable(`Expected at most ${maxValues} values`)
      copy.push(read(array[i]))
    }
    return copy
  }
  const readObject = (object: object) => {
    const copy: Record<PropertyKey, unknown> = Object.getPrototypeOf(object) === null ? Object.create(null) : {}
    for (const key of Reflect.ownKeys(object)) {
      if (!Object.prototype.propertyIsEnumerable.call(object, key)) continue
      const member = read((object as Readonly<Record<PropertyKey, unknown>>)[key])
      if (key !== "__proto__") copy[key] = member
      // An assignment would set the prototype.
      else Object.defineProperty(copy, key, { value: member, enumerable: true, configurable: true, writable: true })
    }
    return copy
  }
  try {
    return Result.succeed(read(value))
  } catch (thrown) {
    // What a getter or a proxy throws may hold anything, so nothing of it is shown.
    return Result.fail(thrown instanceof Unreadable ? thrown.message : "Expected JSON, and reading this throws")
  }
}

class Unreadable extends Error {}

const isPlain = (value: object) => {
  if (Array.isArray(value)) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
