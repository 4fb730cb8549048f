/**
 * JSON to read, from values of any depth. It keeps no stack of calls, and stops indenting at a depth beyond reading.
 */

interface Open {
  readonly entries: ReadonlyArray<readonly [label: string, value: unknown]>
  readonly close: string
  next: number
}

const deepestIndent = 16

const labelled = (value: object): Open => {
  if (Array.isArray(value)) return { entries: value.map((item) => ["", item]), close: "]", next: 0 }
  // Own keys only, `__proto__` among them: JSON knows no others.
  const entries = Object.entries(value).map(([key, item]) => [`${JSON.stringify(key)}: `, item] as const)
  return { entries, close: "}", next: 0 }
}

export const jsonText = (root: unknown): string => {
  const parts: Array<string> = []
  const stack: Array<Open> = []
  const lineBreak = (depth: number) => depth > deepestIndent ? "" : `\n${"  ".repeat(depth)}`

  const write = (value: unknown) => {
    if (typeof value !== "object" || value === null) return void parts.push(JSON.stringify(value) ?? "null")
    const open = labelled(value)
    const start = open.close === "]" ? "[" : "{"
    if (open.entries.length === 0) return void parts.push(start + open.close)
    parts.push(start)
    stack.push(open)
  }

  write(root)
  for (let open = stack.at(-1); open !== undefined; open = stack.at(-1)) {
    const entry = open.entries[open.next]
    if (entry === undefined) {
      stack.pop()
      parts.push(lineBreak(stack.length), open.close)
      continue
    }
    parts.push(open.next++ === 0 ? "" : stack.length > deepestIndent ? ", " : ",", lineBreak(stack.length), entry[0])
    write(entry[1])
  }
  return parts.join("")
}
