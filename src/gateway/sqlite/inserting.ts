/**
 * Insertions whose text is made once.
 *
 * @since 0.2.0
 */
import type { SQLInputValue } from "node:sqlite"
import type { Database } from "./Database.ts"

/**
 * Inserts rows of one kind. The columns are named one by one, so that the compiler sees that none is missing.
 *
 * @category constructors
 * @since 0.2.0
 */
export const insertInto = <Row extends { readonly [K in keyof Row]: SQLInputValue }>(
  table: string,
  columns: { readonly [_ in keyof Row & string]: true },
  conflict = ""
) => {
  const names = Object.keys(columns) as unknown as ReadonlyArray<keyof Row & string>
  const text = `INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")}) ${conflict}`
  return ({ run }: Database["Service"]["direct"], row: Row): void => run(text, ...names.map((name) => row[name]))
}
