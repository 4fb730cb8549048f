/** A store is opened while another process writes to the file for longer than SQLite waits. */
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import * as GrantsSql from "effect-vargate/node/GrantsSql"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { folder } from "../support/folder.ts"

const stores: Readonly<Record<string, (filename: string) => Layer.Layer<never, unknown>>> = {
  ballots: (filename) => Layer.effectDiscard(Effect.void).pipe(Layer.provide(BallotsSql.layerSqlite({ filename }))),
  decisions: (filename) => Layer.effectDiscard(Effect.void).pipe(Layer.provide(GovernedSql.layerSqlite({ filename }))),
  grants: (filename) => Layer.effectDiscard(Effect.void).pipe(Layer.provide(GrantsSql.layerSqlite({ filename })))
}

describe("a file that another process writes to", () => {
  it.live.each(Object.keys(stores))("is waited for by the store of %s", (name) =>
    Effect.scoped(Effect.gen(function*() {
      const filename = join(yield* folder, "store.db")
      const other = yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(filename)),
        (other) => Effect.sync(() => other.close())
      )
      other.exec("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE")
      // Runs when SQLite has given up once: until then it keeps this thread.
      const released = setTimeout(() => other.exec("COMMIT"))
      yield* Effect.ensuring(Layer.build(stores[name]!(filename)), Effect.sync(() => clearTimeout(released)))
    })))
})
