import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { hash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { asciiString, auditPayload, canonicalJson } from "../../../../src/internal/canonicalJson.ts"
import { canonicalJsonBytes } from "../../../../src/verify/internal/json/jsonCopier.ts"
import { auditFields } from "../../../../src/verify/internal/scan/auditFields.ts"
import { type AuditPage, scanAuditPage } from "../../../../src/verify/internal/scan/auditScanner.ts"
import { generateJson, mutate, type Random, seeded, spellJson } from "../../../support/generateJson.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

interface Scanned {
  readonly id: number
  readonly actionId: string
  readonly recordHash: string
  readonly prevHash: string
  readonly erasureStatus: string | undefined
  readonly requestedAt: string
  readonly payload: string
  readonly hashes: boolean
  readonly isLinked: boolean | undefined
}

const scan = (text: string | Uint8Array, options?: { readonly maxDepth?: number }) => {
  const records: Array<Scanned> = []
  const result = scanAuditPage(typeof text === "string" ? encoder.encode(text) : text, (record) => {
    records.push({
      id: record.id,
      actionId: record.actionId,
      recordHash: record.recordHash,
      prevHash: record.prevHash,
      erasureStatus: record.erasureStatus,
      requestedAt: record.requestedAt,
      payload: decoder.decode(record.payload),
      hashes: record.recordHashIs(hash("sha256", record.payload, "hex")),
      isLinked: record.isLinked
    })
  }, options)
  return { records, result }
}

const scanned = (text: string | Uint8Array): { readonly page: AuditPage; readonly records: ReadonlyArray<Scanned> } => {
  const { records, result } = scan(text)
  return { page: Result.getOrThrow(result), records }
}

const capture = new URL("../../../../../shared/gateway-capture/audit-log/", import.meta.url)
const hasCapture = existsSync(capture)

const read = (path: string): Uint8Array => {
  const bytes = readFileSync(new URL(path, capture))
  return path.endsWith(".gz") ? gunzipSync(bytes) : bytes
}

const pathsIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(new URL(folder, capture)).filter((name) => /(page|offset|limit).*\.json(\.gz)?$/.test(name))
    .map((name) => folder + name)

describe.skipIf(!hasCapture)("logs captured from a gateway (needs ../shared/gateway-capture)", () => {
  const assertGenuine = (path: string, last = "GENESIS") => {
    const { page, records } = scanned(read(path))
    assert.strictEqual(records.length, page.count)
    assert.strictEqual(records[0]!.recordHash, page.firstRecordHash)
    assert.strictEqual(records.at(-1)!.prevHash, page.lastPrevHash)
    if (last !== "") assert.strictEqual(page.lastPrevHash, last)
    records.forEach((record, i) => {
      assert.isTrue(record.hashes, `${path}: record ${record.id}`)
      assert.strictEqual(record.isLinked, i === 0 ? undefined : true, `${path}: record ${record.id}`)
    })
    return page
  }

  it("recomputes every hash of the adversarial log, whole and in pages", () => {
    const whole = assertGenuine("adversarial/limit-1000.json")
    assert.strictEqual(whole.total, 52)
    const pages = pathsIn("adversarial/pages-limit-3/").map((path) => assertGenuine(path, ""))
      .sort((a, b) => a.offset - b.offset)
    assert.strictEqual(pages.reduce((sum, page) => sum + page.count, 0), whole.total)
    pages.slice(1).forEach((page, i) => assert.strictEqual(page.firstRecordHash, pages[i]!.lastPrevHash))
    assert.strictEqual(pages.at(-1)!.lastPrevHash, "GENESIS")
  })

  it("sees erased records", () => {
    const { records } = scanned(read("adversarial/limit-1000.json"))
    assert.isTrue(records.some((record) => record.erasureStatus === "erased" && record.hashes))
  })

  it("recomputes every hash of the log of 5,000, whole and in pages", () => {
    assert.deepInclude(assertGenuine("big/log-5000.json.gz"), { count: 5000, total: 5000, tenantId: "fx-big" })
    const pages = pathsIn("big/").filter((path) => path.includes("page-"))
    assert.strictEqual(pages.length, 5)
    for (const path of pages) assertGenuine(path, "")
  })

  it("finds the checkpoints of the genuine log", () => {
    const oldestFirst = scanned(read("big/log-5000.json.gz")).records.toReversed()
    for (const { position, ...expected } of JSON.parse(decoder.decode(read("big/log-5000.meta.json"))).checkpoints) {
      const { actionId, id, recordHash } = oldestFirst[position]!
      assert.deepStrictEqual(
        { id, action_id: actionId, record_hash: recordHash, record_count: position + 1 },
        expected
      )
    }
  })

  const meta = (variant: string) => JSON.parse(decoder.decode(read(`big/${variant}.meta.json`)))

  it("finds the record whose params were changed, and no other", () => {
    const { records } = scanned(read("big/tampered-param.json.gz"))
    const bad = records.filter((record) => !record.hashes)
    assert.deepStrictEqual(bad.map(({ actionId, id }) => [id, actionId]), [[
      meta("tampered-param").expect.first_bad.id,
      meta("tampered-param").expect.first_bad.action_id
    ]])
    assert.isTrue(records.slice(1).every((record) => record.isLinked === true))
  })

  it("finds the gap that a removed record leaves", () => {
    const { records } = scanned(read("big/deleted-record.json.gz"))
    const broken = records.findIndex((record) => record.isLinked === false)
    assert.strictEqual(records[broken - 1]!.id, meta("deleted-record").expect.first_bad.id)
    assert.strictEqual(records[broken - 1]!.prevHash, meta("deleted-record").removed.record_hash)
    assert.strictEqual(records.filter((record) => record.isLinked === false).length, 1)
    assert.isTrue(records.every((record) => record.hashes))
  })

  it("finds truncated and rehashed logs consistent, with another head", () => {
    for (const variant of ["truncated-last-10", "rehashed-suffix"]) {
      const page = assertGenuine(`big/${variant}.json.gz`)
      assert.strictEqual(page.firstRecordHash, meta(variant).new_head.record_hash)
    }
  })

  it("cannot prove records whose params lost a key, but their links", () => {
    const { records } = scanned(read("unverifiable-sa-keys/limit-1000.json"))
    assert.deepStrictEqual(records.filter((record) => !record.hashes).map((record) => record.id), [621, 619, 617])
    assert.isTrue(records.slice(1).every((record) => record.isLinked === true))
  })
})

interface Sample {
  readonly members: ReadonlyArray<readonly [key: string, text: string]>
  readonly payload: string
}

/** A record in odd spellings, and the payload that `auditPayload` makes of it. */
const sample = (random: Random): Sample => {
  const text = () => {
    const value = generateJson(random)
    return typeof value === "string" ? value : "text"
  }
  const json = (value: unknown) => spellJson(random, value)
  const canonical = (spelled: string) => decoder.decode(Result.getOrThrow(canonicalJsonBytes(encoder.encode(spelled))))
  const params = json(generateJson(random))
  const violations = json(generateJson(random))
  const values = {
    action_id: text(),
    agent_id: text(),
    tool: text(),
    method: text(),
    requested_at: text(),
    decision: text(),
    severity: text(),
    bundle_revision: text(),
    prev_hash: text()
  }
  const spelled = (key: keyof typeof values) => [key, json(values[key])] as const
  return {
    members: [
      ["id", String(random.below(1e9))],
      spelled("action_id"),
      spelled("agent_id"),
      spelled("tool"),
      spelled("method"),
      ["params", params],
      spelled("requested_at"),
      spelled("decision"),
      ["violations", violations],
      spelled("severity"),
      ["alert_tier", json(text())],
      spelled("bundle_revision"),
      spelled("prev_hash"),
      ["record_hash", json(text())],
      ["created_at", json(text())],
      ["pii_fields", json(generateJson(random))],
      ["erasure_status", json("active")]
    ],
    payload: auditPayload({
      actionId: values.action_id,
      agentId: values.agent_id,
      tool: values.tool,
      method: values.method,
      paramsText: canonical(params),
      requestedAt: values.requested_at,
      decision: values.decision,
      violationsText: canonical(violations),
      severity: values.severity,
      bundleRevision: values.bundle_revision,
      prevHash: values.prev_hash
    })
  }
}

const recordText = (members: Sample["members"]): string =>
  "{" + members.map(([key, text]) => `"${key}":${text}`).join(",") + "}"

const pageText = (...records: ReadonlyArray<string>): string =>
  `{"records":[${records.join(",")}],"count":${records.length},"offset":0,"total":${records.length},"tenant_id":"t"}`

const shuffled = <A>(random: Random, items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items.map((item) => [random.next(), item] as const).sort(([a], [b]) => a - b).map(([, item]) => item)

const plain = (fields: Record<string, string> = {}): string =>
  recordText(Object.entries({
    id: "1",
    action_id: "\"a\"",
    agent_id: "\"b\"",
    tool: "\"c\"",
    method: "\"d\"",
    params: "{}",
    requested_at: "\"e\"",
    decision: "\"f\"",
    violations: "[]",
    severity: "\"g\"",
    bundle_revision: "\"h\"",
    prev_hash: "\"i\"",
    record_hash: "\"j\"",
    ...fields
  }))

const failureOf = (text: string) => Result.getOrThrow(Result.flip(scan(text).result))

describe("scanAuditPage", () => {
  it("makes the same payload of fields in any order, spelling and company, 5,000 times", () => {
    const random = seeded(6)
    for (let i = 0; i < 5000; i++) {
      const { members, payload } = sample(random)
      const others = Array.from(
        { length: random.below(4) },
        (_, n) => [`x${n}`, spellJson(random, generateJson(random))]
      )
      const strange = shuffled(random, [...members, ...others.map(([key, text]) => [key!, text!] as const)])
        .map(([key, text]) => [random.below(4) === 0 ? spellJson(random, key).slice(1, -1) : key, text] as const)
      const { page, records } = scanned(pageText(recordText(members), recordText(strange)))
      assert.strictEqual(records[0]!.payload, payload)
      assert.strictEqual(records[1]!.payload, payload)
      assert.deepStrictEqual({ ...records[0]!, isLinked: 0 }, { ...records[1]!, isLinked: 0 })
      assert.strictEqual(records[0]!.prevHash, page.lastPrevHash)
      assert.strictEqual(asciiString(records[0]!.actionId), canonicalJson(JSON.parse(members[1]![1])))
    }
  })

  it("does not rely on the order of the record before, 500 times", () => {
    const random = seeded(7)
    for (let i = 0; i < 500; i++) {
      const { members, payload } = sample(random)
      const once = shuffled(random, members)
      // The same order twice, the gateway's, one that differs at its end, one that differs at its beginning.
      const orders = [once, once, members, once, [...once.slice(0, 6), ...once.slice(6).reverse()], [
        once.at(-1)!,
        ...once.slice(0, -1)
      ]]
      const { records } = scanned(pageText(...orders.map(recordText)))
      assert.deepStrictEqual(records.map((record) => record.payload), orders.map(() => payload))
      assert.deepStrictEqual(new Set(records.map(({ id }) => id)).size, 1)

      const page = (record: Sample["members"]) => pageText(recordText(once), recordText(once), recordText(record))
      const place = random.below(once.length)
      const [name] = once[place]!
      assert.strictEqual(failureOf(page(once.toSpliced(place, 0, once[place]!))).expected, `one ${name} only`)
      if (auditFields.find((field) => field.name === name)!.isRequired) {
        assert.strictEqual(failureOf(page(once.toSpliced(place, 1))).expected, `a ${name} in the record`)
      }
    }
  })

  it("accepts blanks wherever JSON has them", () => {
    const text = pageText(plain(), plain({ id: "2" }))
    const pretty = JSON.stringify(JSON.parse(text), null, 2)
    assert.deepStrictEqual(scanned("\ufeff\r\n" + pretty + "\n"), scanned(text))
  })

  it("reads the page's own fields, in any order and beside others", () => {
    const { page, records } = scanned(
      "{\"x\":[1,{}],\"total\":9,\"tenant_id\":\"\\u0074\",\"offset\":3,\"count\":0,\"records\":[ ]}"
    )
    assert.deepStrictEqual(page, {
      count: 0,
      offset: 3,
      total: 9,
      tenantId: "t",
      firstRecordHash: undefined,
      lastActionId: undefined,
      lastPrevHash: undefined
    })
    assert.deepStrictEqual(records, [])
  })

  it("compares links and hashes by what they mean, not by how they are spelled", () => {
    const { records } = scanned(pageText(
      plain({ prev_hash: "\"ab\"" }),
      plain({ record_hash: "\"\\u0061b\"", prev_hash: "\"abc\"" }),
      plain({ record_hash: "\"abd\"" })
    ))
    assert.deepStrictEqual(records.map((record) => record.isLinked), [undefined, true, false])
    const hashes: Array<boolean> = []
    scanAuditPage(encoder.encode(pageText(plain({ record_hash: "\"\\u0061b\"" }))), (record) => {
      hashes.push(...["ab", "a", "abc", ""].map((text) => record.recordHashIs(text)))
    })
    assert.deepStrictEqual(hashes, [true, false, false, false])
  })

  it("reads bytes in the middle of a larger buffer", () => {
    const text = pageText(plain())
    const bytes = encoder.encode("xyz" + text + "}")
    assert.deepStrictEqual(scanned(bytes.subarray(3, bytes.length - 1)), scanned(text))
  })

  it("copies null where a hashed field has no text", () => {
    const { records } = scanned(pageText(plain({ severity: "null" })))
    assert.include(records[0]!.payload, "\"severity\":null,")
  })

  it("has room for payloads beyond its first buffer", () => {
    const params = JSON.stringify({ a: "é\"".repeat(50_000) })
    const texts = [plain(), plain({ params }), plain({ id: "2" })]
    const payloads = scanned(pageText(...texts)).records.map((record) => record.payload)
    assert.strictEqual(payloads[0], payloads[2])
    assert.include(payloads[1], asciiString(canonicalJson(JSON.parse(params))))
    assert.isAbove(payloads[1]!.length, 500_000)
  })

  it("limits nesting without using the stack", () => {
    const params = "[".repeat(100_000) + "]".repeat(100_000)
    const text = pageText(plain({ params }))
    assert.strictEqual(failureOf(text).expected, "at most 10000 open arrays and objects")
    assert.strictEqual(failureOf(pageText(plain({ id: params }))).expected, "at most 10000 open arrays and objects")
    const { records, result } = scan(text, { maxDepth: 100_000 })
    assert.isTrue(Result.isSuccess(result))
    assert.include(records[0]!.payload, params)
  })

  it("says what is missing, repeated or of the wrong kind", () => {
    const failures: ReadonlyArray<readonly [string, string]> = [
      ["[]", "an object"],
      ["{}", "a records in the page"],
      ["{\"records\":{}}", "an array"],
      ["{\"records\":[1]}", "a record"],
      ["{\"records\":[],\"records\":[]}", "one records only"],
      [pageText().replace("\"total\":0,", ""), "a total in the page"],
      [pageText().replace("\"count\":0", "\"count\":\"0\""), "an integer"],
      [pageText() + "x", "the end of the text"],
      [pageText("{}"), "a string"],
      [pageText(plain({ id: "1.5" })), "an integer"],
      [pageText(plain({ id: "[1]" })), "an integer"],
      [pageText(plain({ id: "10000000000000000" })), "an integer"],
      [pageText(plain({ prev_hash: "null" })), "a string"],
      [pageText(plain().replace("\"tool\":\"c\",", "")), "a tool in the record"],
      [pageText(plain().replace("\"record_hash\"", "\"hash\"")), "a record_hash in the record"],
      [pageText(plain().replace("\"c\"", "\"c\",\"tool\":\"c\"")), "one tool only"],
      [pageText(plain().replace("\"c\"", "\"c\",\"\\u0069d\":1")), "one id only"],
      [pageText(plain().replace("\"j\"", "\"j\",")), "a string"],
      [pageText(plain().replace("\"c\",", "\"c\"")), "\",\" or \"}\""]
    ]
    for (const [text, expected] of failures) assert.strictEqual(failureOf(text).expected, expected, text)
  })

  it("fails on every page cut short, having handed out the records before the cut", () => {
    const bytes = encoder.encode(pageText(plain(), plain({ id: "2" })))
    for (let length = 0; length < bytes.length; length++) {
      const { records, result } = scan(bytes.subarray(0, length))
      assert.isTrue(Result.isFailure(result), `cut at ${length}`)
      assert.isAtMost(records.length, 2)
      if (Result.isFailure(result)) assert.isAtMost(result.failure.position, length)
    }
  })

  it("never accepts a page that JSON.parse refuses, on 30,000 mutations", () => {
    const random = seeded(7)
    const text = pageText(plain({ params: "{\"a\":[1.0,\"\\u00e9\",{}]}" }), plain({ id: "2" }))
    let accepted = 0
    for (let i = 0; i < 30_000; i++) {
      const mutated = encoder.encode(mutate(random, text))
      const { records, result } = scan(mutated)
      if (Result.isFailure(result)) continue
      accepted++
      const page = JSON.parse(decoder.decode(mutated))
      assert.deepStrictEqual(
        records.map((record) => [record.id, record.actionId, record.prevHash]),
        page.records.map((record: Record<string, unknown>) => [record.id, record.action_id, record.prev_hash])
      )
      for (const record of records) JSON.parse(JSON.parse(record.payload).params)
    }
    assert.isAbove(accepted, 1000)
  })

  it("lets errors of the callback through", () => {
    assert.throws(() => {
      scanAuditPage(encoder.encode(pageText(plain())), () => {
        throw new RangeError("mine")
      })
    }, RangeError)
  })
})
