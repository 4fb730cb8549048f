/**
 * The agent: reads a ticket, decides, and calls a tool. Here a rule decides; put a language model in its place, with
 * `effect/ai` and `effect-vargate/ai/GovernedToolkit`.
 */
import { Effect } from "effect"
import { refund } from "./tools.ts"

export interface Ticket {
  readonly charge: string
  readonly amount: number
  readonly text: string
}

/** What the customer is told. */
export const answer = Effect.fn("agent.answer")(
  function*({ amount, charge, text }: Ticket) {
    if (!/refund|money back/i.test(text)) return "A colleague will look at your question."
    const done = yield* refund({ charge, amount })
    return done.executedBy === "agent" ? `You get ${amount} back (${done.result}).` : `You get ${amount} back.`
  },
  // What certainly did not happen may be told as such. Everything else is for an operator, and is not repeated.
  Effect.catchTags({
    Denied: () => Effect.succeed("This refund is not possible."),
    Rejected: ({ note }) => Effect.succeed(`This refund was declined${note ? `: ${note}` : ""}.`),
    Expired: () => Effect.succeed("Please ask again: this refund was not decided in time.")
  })
)
