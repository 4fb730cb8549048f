/**
 * Turns a schema's complaint into paths and sentences. Values stay out of it: they may hold secrets.
 *
 * A value of a megabyte may have faults by the thousand, far down and under long keys. The first hundred are told, and the
 * places of no more than fit into 64 KiB.
 *
 * @internal
 */
import * as SchemaIssue from "effect/SchemaIssue"
import type { FieldIssue } from "../VargateError.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const max = { issues: 100, segments: 64, key: 256, text: 64 * 1024 } as const

/** The same complaint about the first faults alone: the formatter writes out the path of each. */
const firstOf = (issue: SchemaIssue.Issue): SchemaIssue.Issue => {
  let left: number = max.issues
  const copyOf = <A extends SchemaIssue.Issue>(issue: A, change: Partial<A>): A =>
    Object.assign(Object.create(Object.getPrototypeOf(issue)), issue, change)

  const first = (issue: SchemaIssue.Issue): SchemaIssue.Issue => {
    switch (issue._tag) {
      case "Filter":
      case "Encoding":
      case "Pointer":
        return copyOf(issue, { issue: first(issue.issue) })
      case "Composite":
      case "AnyOf": {
        if (issue.issues.length === 0) break
        const issues: Array<SchemaIssue.Issue> = []
        for (const part of issue.issues) {
          if (left === 0) break
          issues.push(first(part))
        }
        return copyOf<SchemaIssue.Composite | SchemaIssue.AnyOf>(issue, { issues: issues as never })
      }
    }
    left--
    return issue
  }
  return first(issue)
}

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof segment === "object" ? segment.key : segment
  if (typeof key === "number") return key
  const text = String(key)
  return text.length > max.key ? `${text.slice(0, max.key)}…` : text
}

/** @internal */
export const fieldIssues = (
  issue: SchemaIssue.Issue,
  at: ReadonlyArray<string | number>
): ReadonlyArray<FieldIssue> => {
  const issues: Array<FieldIssue> = []
  let length = 0
  for (const { message, path: found = [] } of format(firstOf(issue)).issues) {
    const path = found.slice(0, max.segments).map(keyOf)
    if (found.length > max.segments) path.push("…")
    length += message.length + path.reduce<number>((sum, key) => sum + String(key).length, 0)
    if (issues.length > 0 && length > max.text) break
    issues.push({ path: [...at, ...path], message })
  }
  return issues
}
