/**
 * How an action ends, for calls that have joined it, where its own exit does not say so: a toolkit's handler runs after the
 * call was cleared, and an MCP server answers with a failure that is a value.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import { VargateError } from "../../errors/VargateError.ts"

/**
 * What became of an action that was begun here. `left`: it is not performed here, or it is not known.
 *
 * @internal
 */
export class Ended {
  readonly outcome: "performed" | "failed" | "left"
  readonly result: unknown

  constructor(outcome: Ended["outcome"], result?: unknown) {
    this.outcome = outcome
    this.result = result
  }
}

/**
 * What an action results in whose exit does not say how it ended. It is read where others wait for that.
 *
 * @internal
 */
export class Ending {
  readonly read: () => Ended

  constructor(read: () => Ended) {
    this.read = read
  }
}

/**
 * What an action results in that has only begun: the one who performs it says how it ended, where others wait for that.
 *
 * @internal
 */
export class Beginning {
  ended: ((ended: Ended) => void) | undefined = undefined
}

/**
 * The end of an action that an exit stands for.
 *
 * @internal
 */
export const endedBy = (exit: Exit.Exit<unknown, unknown>): Ended =>
  Exit.isSuccess(exit)
    ? exit.value instanceof Ending ? exit.value.read() : new Ended("performed", exit.value)
    // A durable call continues elsewhere, and what another call has begun is performed by that one.
    : new Ended(Cause.hasInterruptsOnly(exit.cause) || isBegunElsewhere(exit.cause) ? "left" : "failed")

const isBegunElsewhere = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) =>
    reason._tag === "Fail" && reason.error instanceof VargateError && reason.error.reason._tag === "Conflict"
  )

/**
 * On whose behalf an agent asks, where it serves several clients: no client is handed the result of another one's call.
 *
 * @internal
 */
export const Client = Context.Reference<string | undefined>("effect-vargate/governed/Client", {
  defaultValue: () => undefined
})
