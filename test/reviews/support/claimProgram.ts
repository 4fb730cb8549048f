/** A process of a panel on a SQLite file that claims a decision, and is killed before it tells the gateway. */
import { Effect } from "effect"
import { Ballots, ClaimHolder } from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"

const [filename = ""] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const { claim, list } = yield* Ballots.Ballots
  const { name } = yield* ClaimHolder.ClaimHolder
  const [ballot] = yield* list()
  yield* claim(ballot!.opening, { choice: "approve", votes: ballot!.votes.length, token: `${name}#1` })
  process.kill(process.pid, "SIGKILL")
}).pipe(Effect.provide(BallotsSql.layerSqlite({ filename })))

await Effect.runPromise(program)
