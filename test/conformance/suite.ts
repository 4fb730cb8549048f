/** The same two tests for every operation but the tool call: what a 200 says, and what anything else becomes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { type OperationName, run } from "../support/operations.ts"
import { type Capture, hasCaptures, plain, reason, routes } from "./captures.ts"
import { checkRefusal } from "./refusals.ts"

/** A JSON body as the test reads it, by itself. */
export type Raw = Readonly<Record<string, never>>

export const rows = (body: Raw, key: string): ReadonlyArray<Raw> => body[key] as unknown as ReadonlyArray<Raw>

export const suite = (options: {
  readonly route: keyof typeof routes
  readonly operation: Exclude<OperationName, "ToolCalls.call" | "ToolCalls.decide">
  /** The value that a 200 with this body must become. */
  readonly expected: (body: Raw) => unknown
  /** What looks like another outcome than it is; it has a test of its own. */
  readonly isFailure?: (capture: Capture) => boolean
}) => {
  const { expected, isFailure = () => false, operation, route } = options
  const captures = routes[route]
  const read = ({ headers, status, text }: Capture) =>
    Effect.result(run(operation, ScriptedTransport.text(status, text, headers)))

  describe.skipIf(!hasCaptures)(`${route} (${reason})`, () => {
    it.effect.each(captures.filter((capture) => capture.status === 200 && !isFailure(capture)))(
      "reads $file",
      (capture) =>
        Effect.gen(function*() {
          const result = yield* read(capture)
          assert(result._tag === "Success", String(result))
          assert.deepStrictEqual(plain(result.success), plain(expected(JSON.parse(capture.text))))
        })
    )

    it.effect.each(captures.filter((capture) => capture.status !== 200 && !isFailure(capture)))(
      "is refused $status $file",
      (capture) =>
        Effect.gen(function*() {
          const result = yield* read(capture)
          assert(result._tag === "Failure")
          checkRefusal(capture, result.failure, operation)
        })
    )
  })
}
