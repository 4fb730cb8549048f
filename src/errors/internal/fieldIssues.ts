/**
 * Turns a schema's complaint into paths and sentences. Values stay out of it: they may hold secrets.
 *
 * @internal
 */
import * as SchemaIssue from "effect/SchemaIssue"
import type { FieldIssue } from "../VargateError.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** @internal */
export const fieldIssues = (
  issue: SchemaIssue.Issue,
  at: ReadonlyArray<string | number>
): ReadonlyArray<FieldIssue> =>
  format(issue).issues.map(({ message, path = [] }) => ({
    path: [
      ...at,
      ...path.map((segment) => {
        const key = typeof segment === "object" ? segment.key : segment
        return typeof key === "number" ? key : String(key)
      })
    ],
    message
  }))
