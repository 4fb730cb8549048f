/** A process on a SQLite file: claims calls, lets some be pending and rejected, beside others that do the same. */
import { Effect, Schema } from "effect"
import { ActionId, Decisions } from "effect-vargate"
import * as GovernedSql from "effect-vargate/node/GovernedSql"

const [filename = "", name = "", count = "0"] = process.argv.slice(2)
const idOf = Schema.decodeSync(ActionId.ActionId)

const program = Effect.gen(function*() {
  const store = yield* Decisions.DecisionStore
  const won: Array<string> = []
  const seen: Array<string> = []
  for (let n = 0; n < Number(count); n++) {
    const claim = { token: name, now: 0, until: 1_000_000 }
    const standing = yield* store.claim(`call ${n}`, claim)
    if (standing === undefined) {
      won.push(`call ${n}`)
      yield* store.pend(`call ${n}`, name, { actionId: idOf(`${name}-${n}`), until: 1_000_000 })
    }
    const now = (yield* store.look(`call ${n}`, 0))!
    if (now.actionId !== null) yield* store.decide(now.actionId, { note: now.token, until: 1_000_000 })
    seen.push((yield* store.claim(`call ${n}`, claim))!.token)
  }
  console.log(JSON.stringify({ won, seen }))
}).pipe(Effect.provide(GovernedSql.layerSqlite({ filename })))

await Effect.runPromise(program)
