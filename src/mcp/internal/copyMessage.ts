import * as Result from "effect/Result"
import { isNestedDeeper } from "../../internal/jsonNesting.ts"

/** Far more than any message of the protocol has, and little enough for every reader's stack. */
const maxDepth = 1000

/**
 * A message as its JSON says, or why it has none. What is looked at is then what is passed on: a client in the same
 * process keeps its object, and could change it meanwhile.
 */
export const copyMessage = (message: unknown): Result.Result<unknown, string> => {
  try {
    const text = JSON.stringify(message) as string | undefined
    if (text === undefined) return Result.succeed(undefined)
    return isNestedDeeper(text, maxDepth) ? Result.fail(tooDeep) : Result.succeed(JSON.parse(text) as unknown)
  } catch (thrown) {
    // Only the stack of `JSON.stringify` ends with a RangeError.
    return Result.fail(thrown instanceof RangeError ? tooDeep : "this cannot be written as JSON")
  }
}

const tooDeep = `this nests more than ${maxDepth} levels deep`
