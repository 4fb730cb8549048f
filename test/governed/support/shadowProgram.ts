/** A process on a SQLite file: claims pending actions, in shadow or on their approval, beside others, and notes each claim. */
import { Effect, Schema } from "effect"
import { ActionId, Shadow } from "effect-vargate"
import * as GovernedSql from "effect-vargate/node/GovernedSql"

const [filename = "", by = "", count = "0"] = process.argv.slice(2)
const idOf = Schema.decodeSync(ActionId.ActionId)
const names = { agentId: "a", tool: "t", method: "m" }

const program = Effect.gen(function*() {
  const store = yield* Shadow.ShadowStore
  const won: Array<string> = []
  for (let n = 0; n < Number(count); n++) {
    const action = new Shadow.ActedAction({ ...names, actionId: idOf(`action-${n}`), at: n })
    const before = yield* store.claim(action, by as Shadow.ClaimedBy, 1e15)
    if (before === undefined) won.push(action.actionId)
    yield* store.note({ ...names, verdict: "pending", rules: [], actionId: action.actionId, at: 0, until: 1e15 })
  }
  console.log(JSON.stringify({ won }))
}).pipe(Effect.provide(GovernedSql.layerSqlite({ filename })))

await Effect.runPromise(program)
