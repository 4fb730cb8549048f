/** A process of a panel on a SQLite file: opens ballots, votes, claims and ends, beside others that do the same. */
import { Effect, Layer } from "effect"
import { Ballots, ReviewRules } from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import { action, idOf, minute, next, openingOf, reviewer, sealOf, signer } from "../ballots.ts"

const [filename = "", name = "", count = "0"] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const ballots = yield* Ballots.Ballots
  const won: Array<string> = []
  for (let n = 0; n < Number(count); n++) {
    const opening = openingOf(
      ReviewRules.quorum(2, "finance"),
      {},
      action({ actionId: idOf(`action-${n}`), createdAt: minute(1) })
    )
    yield* ballots.open(opening, yield* sealOf(opening))
    if (yield* ballots.append(yield* next(opening, [], { by: reviewer(name, "finance") }))) won.push(`vote ${n}`)
    if (yield* ballots.claim(opening, { choice: "approve", votes: 1, token: name })) won.push(`claim ${n}`)
    const end = yield* ballots.end(opening, { result: "approved", byPanel: true, note: name, at: minute(2) })
    if (end.note === name) won.push(`end ${n}`)
  }
  console.log(JSON.stringify(won))
}).pipe(Effect.provide(Layer.merge(BallotsSql.layerSqlite({ filename }), signer)))

await Effect.runPromise(program)
