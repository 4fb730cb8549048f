/**
 * Counts what a walk over values looks at: the entries of each object that it lists, what it puts on a list of its own, and
 * the length of each text that it searches, splits or rewrites. Patterns are shown to be linear by `.ci/regex.ts`.
 */
export const countedWork = (walk: () => unknown): number => {
  let work = 0
  const undo: Array<() => void> = []
  const count = (owner: object, name: string, cost: (self: unknown, values: ReadonlyArray<unknown>) => number) => {
    const original = Reflect.get(owner, name) as (...values: ReadonlyArray<unknown>) => unknown
    Reflect.set(owner, name, function(this: unknown, ...values: ReadonlyArray<unknown>) {
      work += cost(this, values)
      return Reflect.apply(original, this, values)
    })
    undo.push(() => Reflect.set(owner, name, original))
  }
  for (const name of ["toLowerCase", "normalize", "replace", "replaceAll", "split", "trim", "includes", "startsWith"]) {
    count(String.prototype, name, (self) => 1 + String(self).length)
  }
  count(RegExp.prototype, "test", (_, [text]) => 1 + String(text).length)
  for (const name of ["keys", "values", "entries"]) {
    count(Object, name, (_, [value]) => 1 + Reflect.ownKeys(value as object).length)
  }
  count(Array.prototype, "push", (_, values) => values.length)
  count(Array.prototype, "includes", (self) => (self as ReadonlyArray<unknown>).length)
  try {
    walk()
  } finally {
    for (const restore of undo) restore()
  }
  return work
}
