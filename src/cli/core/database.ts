/**
 * Databases that commands read: a SQLite file, or the Postgres of VARGATE_POSTGRES_URL.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { FileFailed, NotConfigured } from "./failure.ts"
import { variable } from "./variables.ts"

/** Opening a file that is not there would make it. */
const sqlite = Effect.fnUntraced(function*(filename: string) {
  const files = yield* FileSystem.FileSystem
  yield* Effect.mapError(files.access(filename), FileFailed.of("read", filename))
  const SqliteClient = yield* Effect.promise(() => import("../../internal/sqliteClient.ts"))
  return SqliteClient.layer({ filename })
})

const postgres = Effect.fnUntraced(function*(what: string) {
  const url = yield* variable("VARGATE_POSTGRES_URL")
  if (url === undefined) {
    return yield* new NotConfigured({
      message: `Pass --data FILE, or set VARGATE_POSTGRES_URL, to say where the ${what} are.`
    })
  }
  const PgClient = yield* Effect.tryPromise({
    try: () => import("@effect/sql-pg/PgClient"),
    catch: () =>
      new NotConfigured({ message: "Postgres needs the package @effect/sql-pg: install it beside this one." })
  })
  return PgClient.layer({ url })
})

/**
 * The database in which these are, opened only here, since few commands need one.
 *
 * @internal
 */
export const database = Effect.fnUntraced(function*(file: Option.Option<string>, what: string) {
  const layer: Layer.Layer<SqlClient, SqlError> = Option.isSome(file)
    ? yield* sqlite(file.value)
    : yield* postgres(what)
  return layer
})

/**
 * Says that they cannot be read.
 *
 * @internal
 */
export const cannotRead = (what: string) => ({ message }: { readonly message: string }) =>
  new FileFailed({ message: `The ${what} cannot be read: ${message.split("\n")[0]}` })
