/**
 * Ids are long, and their beginning is enough where it is of one thing alone.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { Usage } from "./failure.ts"

/**
 * The one whose id begins with a text. Fails with `Usage` where there is none, or several.
 *
 * @internal
 */
export const beginningWith = <A>(
  beginning: string,
  all: ReadonlyArray<A>,
  idOf: (one: A) => string,
  noun: string
): Effect.Effect<A, Usage> => {
  const [found, ...others] = all.filter((one) => idOf(one).startsWith(beginning))
  if (found === undefined) return Effect.fail(new Usage({ message: `No ${noun} begins with ${beginning}.` }))
  if (others.length === 0) return Effect.succeed(found)
  const message = `${others.length + 1} ids begin with ${beginning}: pass more of it.`
  return Effect.fail(new Usage({ message }))
}
