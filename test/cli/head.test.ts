import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Failure, HeadKey, HeadVerdict, ProvedRecord, SignedHead } from "../../src/cli/Output.ts"
import { GatewayMemory } from "../../src/testing/GatewayMemory.ts"
import { MlDsa44, NotSupported } from "../../src/verify/witness/MlDsa44.ts"
import * as Note from "../../src/verify/witness/Note.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { seeded } from "../support/generateJson.ts"
import { assertMode } from "../support/mode.ts"
import { gateway, submitSome, tenant } from "../support/rawLog.ts"

const head = (...args: ReadonlyArray<string>) =>
  run(["head", ...args], { env: { VARGATE_API_KEY: tenant.apiKey }, hasFiles: true })

/** Five records, a key, and a witness that cosigns whatever it is sent, or answers a status. */
const scene = Effect.gen(function*() {
  yield* submitSome(seeded(3), 5)
  const path = yield* folder
  const at = (name: string) => join(path, name)
  const made = yield* head("keygen", at("key"), "--json")
  const [{ origin, verifier }] = decodeLines(HeadKey, made.out) as [typeof HeadKey.Type]
  const witness = yield* Note.makeKey("witness.test/w1", "witness")
  writeFileSync(
    at("policy"),
    `log ${verifier}\nwitness w1 ${Note.formatVerifier(witness.verifier)} http://witness.localhost/w1\nquorum w1\n`
  )
  const state = { status: 200, text: "", seen: undefined as number | undefined, olds: [] as Array<number> }
  const own = yield* HttpClient.HttpClient
  const client = HttpClient.transform(own, (send, request) =>
    request.url.startsWith("http://witness.localhost")
      ? Effect.gen(function*() {
        const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
        const old = Number(/^old (\d+)\n/.exec(body)?.[1])
        state.olds.push(old)
        if (state.seen !== undefined && old !== state.seen) {
          return HttpClientResponse.fromWeb(request, new Response(`${state.seen}\n`, { status: 409 }))
        }
        const note = yield* Effect.orDie(Note.parse(body.slice(body.indexOf("\n\n") + 2)))
        const signature = yield* Note.sign(note.text, witness, 1_700_000_000)
        const text = state.status === 200 ? `${Note.formatSignature(signature)}\n` : state.text
        return HttpClientResponse.fromWeb(request, new Response(text, { status: state.status }))
      })
      : send)
  const cosign = (...args: ReadonlyArray<string>) =>
    head("cosign", ...args, "--key", at("key"), "--state", at("state"), "--policy", at("policy")).pipe(
      Effect.provideService(HttpClient.HttpClient, client)
    )
  const sign = (...args: ReadonlyArray<string>) => head("sign", ...args, "--key", at("key"), "--state", at("state"))
  return { at, cosign, origin, path, sign, state }
})

describe("head", () => {
  it.effect("keygen writes a secret under an opaque name, once", () =>
    Effect.gen(function*() {
      const { at, origin } = yield* scene
      assert.match(origin, /^vargate\/[0-9a-f]{32}$/)
      assertMode(at("key"), 0o600)
      const secret = readFileSync(at("key"), "utf8").trim()
      const again = yield* head("keygen", at("key"))
      assert.strictEqual(again.code, 2)
      const named = yield* head("keygen", at("named"), "--name", "example.org/log")
      assert.match(named.out, /^log example\.org\/log\+[0-9a-f]{8}\+/m)
      assert.notInclude(named.out + again.err, secret.slice(-20))
      assert.strictEqual((yield* head("keygen", at("bad"), "--name", "a b")).code, 2)
    }).pipe(Effect.provide(gateway())))

  it.effect("sign, cosign, prove and verify go hand in hand, offline at the end", () =>
    Effect.gen(function*() {
      const { at, cosign, path, sign } = yield* scene
      const signed = yield* sign(at("head"), "--json")
      assert.deepInclude({ ...decodeLines(SignedHead, signed.out)[0] }, { size: 5 })
      const alone = yield* head("verify", at("head"), "--policy", at("policy"))
      assert.match(alone.out, /✗ does not hold: too few witnesses have cosigned it/)
      assert.strictEqual(alone.code, 1)
      yield* submitSome(seeded(4), 2)
      const [kept] = JSON.parse(readFileSync(at("state"), "utf8")).heads
      assert.deepInclude(kept.checkpoint, { count: 5, recordHash: kept.last, roots: [] })
      const cosigned = yield* cosign(at("cosigned"))
      assert.match(cosigned.out, /Head +7 records[^]*Cosigned +✓ by enough: w1/)
      assert.strictEqual(cosigned.code, 0)
      const verified = yield* head("verify", at("cosigned"), "--policy", at("policy"))
      assert.match(verified.out, /✓ holds\n[^]*7 records[^]*w1 at 2023-11-14T22:13:20/)
      assert.strictEqual(verified.code, 0)

      const proved = yield* head("prove", at("cosigned"), "--from", "2", "--to", "3", "--folder", path, "--json")
      const proofs = decodeLines(ProvedRecord, proved.out)
      assert.deepStrictEqual(proofs.map(({ index }) => index), [1, 2])
      const check = (record: string) =>
        head("verify", proofs[0]!.path, "--policy", at("policy"), "--record", record, "--json")
      const good = yield* check(proofs[0]!.recordHash)
      assert.deepInclude({ ...decodeLines(HeadVerdict, good.out)[0] }, { valid: true, index: 1, size: 7 })
      const bad = yield* check(proofs[1]!.recordHash)
      assert.deepInclude({ ...decodeLines(HeadVerdict, bad.out)[0] }, { valid: false, reason: "NotIncluded" })
      assert.deepStrictEqual([good.code, bad.code], [0, 1])
      assert.strictEqual((yield* head("prove", at("cosigned"), "ab".repeat(32), "--folder", path)).code, 2)
      assert.lengthOf(readdirSync(path).filter((name) => name.endsWith(".tlog-proof")), 2)
    }).pipe(Effect.provide(gateway())))

  it.effect("sign refuses a log that was rewritten or cut since", () =>
    Effect.gen(function*() {
      const { at, sign } = yield* scene
      assert.strictEqual((yield* sign(at("head"))).code, 0)
      const memory = yield* GatewayMemory
      yield* memory.tamperWithLedger({ edit: (records) => records.slice(1), rehash: true })
      for (
        const [flags, expected] of [
          [[], /the log is not valid \((?:Truncated|Rewritten)Since\): nothing is signed over it/],
          [["--full"], /a head of 5 records was signed, and now there are 4/]
        ] as const
      ) {
        const { code, err } = yield* sign(at("other"), "--json", ...flags)
        assert.match(decodeLines(Failure, err)[0]!.message, expected)
        assert.isFalse(existsSync(at("other")))
        assert.isAbove(code, 0)
      }
    }).pipe(Effect.provide(gateway())))

  it.effect("verify says what this runtime cannot verify, which is no verdict", () =>
    Effect.gen(function*() {
      const { at, sign } = yield* scene
      const key = Buffer.concat([Buffer.of(6), Buffer.alloc(1312, 7)])
      const id = createHash("sha256").update("witness.test/pq\n").update(key).digest("hex").slice(0, 8)
      const vkey = `witness.test/pq+${id}+${key.toString("base64")}`
      const [log] = readFileSync(at("policy"), "utf8").split("\n")
      writeFileSync(at("pq"), `${log}\nwitness pq ${vkey}\nquorum pq\n`)
      yield* sign(at("head"))
      const bytes = Buffer.concat([Buffer.from(id, "hex"), Buffer.alloc(8 + 2420)])
      const signed = `${readFileSync(at("head"), "utf8")}— witness.test/pq ${bytes.toString("base64")}\n`
      writeFileSync(at("cosigned"), signed)
      const verify = (...args: ReadonlyArray<string>) => head("verify", at("cosigned"), "--policy", at("pq"), ...args)
      const without = Effect.provideService(MlDsa44, { verify: () => Effect.fail(new NotSupported()) })
      const unknown = yield* without(verify())
      assert.match(unknown.out, /\? not known: too few witnesses[^]*Not known +pq/)
      assert.strictEqual(unknown.code, 5)
      const json = yield* without(verify("--json"))
      assert.deepInclude({ ...decodeLines(HeadVerdict, json.out)[0] }, { reason: "NotSupported", unsupported: ["pq"] })
      const forged = yield* Effect.provideService(verify(), MlDsa44, { verify: () => Effect.succeed(false) })
      assert.match(forged.out, /✗ does not hold: too few witnesses have cosigned it/)
      assert.strictEqual(forged.code, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("cosign reads the log again for a witness that is behind, from where it is", () =>
    Effect.gen(function*() {
      const { at, cosign, sign, state } = yield* scene
      assert.strictEqual((yield* cosign(at("a"))).code, 0)
      yield* submitSome(seeded(4), 2)
      // It has not seen this head, and knows five records when it is asked about nine.
      assert.strictEqual((yield* sign(at("b"))).code, 0)
      yield* submitSome(seeded(5), 2)
      state.seen = 5
      const { code, out } = yield* cosign(at("c"))
      assert.match(out, /Head +9 records[^]*Cosigned +✓ by enough: w1/)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(state.olds, [0, 0, 5])
      assert.strictEqual(JSON.parse(readFileSync(at("state"), "utf8")).heads[0].behind, undefined)
    }).pipe(Effect.provide(gateway())))

  it.effect("cosign tells a witness that is away from one that has seen another log", () =>
    Effect.gen(function*() {
      const { at, cosign, state } = yield* scene
      state.status = 503
      const away = yield* cosign(at("a"))
      assert.match(away.out, /✗ by too few: no witness[^]*Missing +w1 answered otherwise \(503\)/)
      state.status = 422
      const other = yield* cosign(at("b"))
      assert.match(other.out, /w1 has seen another log/)
      Object.assign(state, { status: 409, text: "9\n" })
      const larger = yield* cosign(at("c"), "--json")
      assert.deepInclude(decodeLines(SignedHead, larger.out)[0]!.missing![0]!, { name: "w1", seen: 9 })
      assert.deepStrictEqual([away.code, other.code, larger.code], [5, 1, 1])
    }).pipe(Effect.provide(gateway())))

  it.effect("names a file that holds something else", () =>
    Effect.gen(function*() {
      const { at, sign } = yield* scene
      writeFileSync(at("nonsense"), "nonsense")
      const policy = yield* head("verify", at("policy"), "--policy", at("nonsense"))
      assert.match(policy.err, /nonsense holds no policy: line 1: log, witness, group or quorum was expected/)
      const key = yield* head("sign", at("head"), "--key", at("nonsense"), "--state", at("state"))
      assert.match(key.err, /nonsense holds no key for signing/)
      writeFileSync(
        at("witness"),
        Redacted.value(Note.formatSigner(yield* Note.makeKey("witness.test/w9", "witness")))
      )
      const witness = yield* head("sign", at("head"), "--key", at("witness"), "--state", at("state"))
      assert.match(witness.err, /witness holds the key of a witness, and not that of a log/)
      assert.strictEqual(witness.code, 2)
      const note = yield* head("prove", at("nonsense"), "--from", "1")
      assert.match(note.err, /nonsense holds no signed head/)
      writeFileSync(at("state"), "{}")
      const state = yield* sign(at("head"))
      assert.deepStrictEqual([policy.code, key.code, note.code, state.code], [2, 2, 2, 2])
    }).pipe(Effect.provide(gateway())))
})
