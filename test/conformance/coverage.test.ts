import { assert, describe, it } from "@effect/vitest"
import { hasCaptures, index, reason, routes } from "./captures.ts"

const counts = {
  "POST /mcp/tools/call": 80,
  "GET /audit/log": 25,
  "GET /audit/verify": 14,
  "POST /audit/replay": 17,
  "GET /audit/merkle/roots": 9,
  "GET /audit/merkle/proof/{hash}": 33,
  "GET /approvals": 12,
  "GET /approvals/history": 5,
  "POST /approve/{id}": 19,
  "POST /reject/{id}": 7,
  "GET /health": 2
}

/** Routes that begin like ours and are others. */
const others = new Set([
  "GET /mcp/tools/call",
  "OPTIONS /mcp/tools/call",
  "POST /audit/replay-bulk"
])

const isOurs = (method: string, path: string) => {
  const beginsLikeOurs = /^\/(?:mcp\/tools\/|audit\/(?:log|verify|replay|merkle\/(?:roots|proof))|appro|reject|health)/
  return beginsLikeOurs.test(path) && !others.has(`${method} ${path}`)
}

describe.skipIf(!hasCaptures)(`captures (${reason})`, () => {
  it.each(Object.entries(routes))("%s has all its cases", (route, captures) => {
    assert.strictEqual(captures.length, Reflect.get(counts, route))
  })

  it("no case of these routes is left out", () => {
    const read = new Set(Object.values(routes).flat().map(({ file }) => file))
    const listed = index.filter(({ method, path }) => isOurs(method, path)).map(({ file }) => file)
    assert.deepStrictEqual([...read].sort(), listed.sort())
  })
})
