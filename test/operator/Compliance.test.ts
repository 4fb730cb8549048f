/** Exports as bytes: piece by piece, bounded, and never half a file. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Queue, Stream } from "effect"
import { Compliance, Vargate } from "effect-vargate"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { OperationError, Reason } from "../../src/errors/VargateError.ts"
import type * as Transport from "../../src/transport/Transport.ts"
import { answering, scripted } from "../support/operations.ts"

const pdf = (options: Compliance.ExportOptions = { tenantId: "acme" }) =>
  Stream.unwrap(Compliance.Compliance.use((compliance) => Effect.succeed(compliance.pdf(options))))

const text = (pieces: Iterable<Uint8Array>) => Buffer.concat([...pieces]).toString()

const printed = (body: string, headers: Readonly<Record<string, string>> = {}) =>
  ScriptedTransport.text(200, body, { "content-type": "application/pdf", ...headers })

const reasonOf = <A, R>(effect: Effect.Effect<A, OperationError, R>) =>
  Effect.map(Effect.flip(effect), (error): Reason => {
    assert(error._tag === "VargateError", error._tag)
    assert.strictEqual(error.operation, "Compliance.pdf")
    assert.strictEqual(error.sideEffect, "none")
    return error.reason
  })

/** A wire whose body is written by the test, piece by piece, without saying how long it will be. */
const openBody = Effect.gen(function*() {
  const pieces = yield* Queue.unbounded<Uint8Array | "end" | "break">()
  let isClosed = false
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const piece = await Effect.runPromise(Queue.take(pieces))
      if (piece === "end") controller.close()
      else if (piece === "break") controller.error(Object.assign(new Error("reset"), { code: "ECONNRESET" }))
      else controller.enqueue(piece)
    },
    cancel: () => {
      isClosed = true
    }
  }, { highWaterMark: 0 })
  const client = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) =>
      Effect.succeed(
        HttpClientResponse.fromWeb(request, new Response(body, { headers: { "content-type": "application/pdf" } }))
      )
    )
  )
  return {
    isClosed: () => isClosed,
    write: (piece: string) =>
      Queue.offer(pieces, piece === "end" || piece === "break" ? piece : new TextEncoder().encode(piece)),
    services: (options: Partial<Transport.Options> = {}) =>
      Layer.provide(Vargate.layerOperator({ apiKey: "test-key", ...options }), client)
  }
})

const breathe = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

describe("pdf", () => {
  it.effect("gives the pieces while they arrive", () =>
    Effect.gen(function*() {
      const { services, write } = yield* openBody
      const seen: Array<string> = []
      const fiber = yield* Stream.runForEach(pdf(), (piece) => Effect.sync(() => void seen.push(text([piece])))).pipe(
        Effect.provide(services()),
        Effect.forkChild({ startImmediately: true })
      )
      for (const piece of ["%PDF", "-1.7", "..."]) {
        yield* write(piece)
        yield* Effect.repeat(breathe, { until: () => seen.includes(piece), times: 1000 })
        assert.strictEqual(seen.at(-1), piece)
        assert.isUndefined(fiber.pollUnsafe())
      }
      yield* write("end")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, ["%PDF", "-1.7", "..."])
    }))

  it.effect("lets go of the body when nobody wants more of it", () =>
    Effect.gen(function*() {
      const { isClosed, services, write } = yield* openBody
      yield* write("%PDF")
      const [first] = yield* Stream.runCollect(Stream.take(pdf(), 1)).pipe(Effect.provide(services()))
      assert.strictEqual(text([first!]), "%PDF")
      yield* Effect.repeat(breathe, { until: isClosed, times: 1000 })
      assert.isTrue(isClosed())
    }))

  it.effect("has a deadline for each piece, and not for all of them", () =>
    Effect.gen(function*() {
      const { services, write } = yield* openBody
      let seen = 0
      const fiber = yield* reasonOf(Stream.runForEach(pdf(), () => Effect.sync(() => seen++))).pipe(
        Effect.provide(services()),
        Effect.forkChild({ startImmediately: true })
      )
      for (const count of [1, 2, 3]) {
        yield* TestClock.adjust("20 seconds")
        yield* write("x")
        yield* Effect.repeat(breathe, { until: () => seen === count, times: 10_000 })
      }
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "Timeout")
    }))

  it.effect("ends with an error where the connection breaks", () =>
    Effect.gen(function*() {
      const { services, write } = yield* openBody
      yield* write("%PDF")
      yield* write("break")
      const reason = yield* Effect.provide(reasonOf(Stream.runDrain(pdf())), services())
      assert.strictEqual(reason._tag, "ConnectionLost")
    }))

  it.effect("ends with an error where there is more than the limit allows", () =>
    Effect.gen(function*() {
      const { services, write } = yield* openBody
      for (const piece of ["1234", "5678", "9", "end"]) yield* write(piece)
      const reason = yield* Effect.provide(reasonOf(Stream.runDrain(pdf())), services({ maxBodyBytes: 8 }))
      assert(reason._tag === "UnexpectedResponse")
      assert.include(reason.detail, "larger than 8 bytes")
    }))

  it.effect("accepts as much as the limit allows", () =>
    Effect.gen(function*() {
      const wire = answering(printed("12345678"), { maxBodyBytes: 8 })
      assert.strictEqual(text(yield* Effect.provide(Stream.runCollect(pdf()), wire)), "12345678")
    }))

  it.effect("takes nothing but a PDF for one", () =>
    Effect.gen(function*() {
      const answers = [
        ScriptedTransport.json(200, { error: "no printer" }),
        ScriptedTransport.text(200, "<html>", { "content-type": "text/html" }),
        ScriptedTransport.text(200, "%PDF", {})
      ]
      for (const answer of answers) {
        const reason = yield* Effect.provide(reasonOf(Stream.runDrain(pdf())), answering(answer))
        assert.strictEqual(reason._tag, "UnexpectedResponse")
      }
    }))

  it.effect("is refused in the words of a gateway that cannot print", () =>
    Effect.gen(function*() {
      const detail = "PDF generation requires reportlab. Install with: pip install reportlab"
      const reason = yield* Effect.provide(
        reasonOf(Stream.runDrain(pdf())),
        answering(ScriptedTransport.json(501, { detail }))
      )
      assert(reason._tag === "NotSupported")
      assert.strictEqual(reason.detail, detail)
      assert.isFalse(reason.isRetryable)
    }))

  it.effect("sends nothing before anybody pulls, and once for each run", () =>
    Effect.gen(function*() {
      const wire = yield* ScriptedTransport.ScriptedTransport
      const stream = yield* Compliance.Compliance.use((compliance) =>
        Effect.succeed(compliance.pdf({ tenantId: "acme" }))
      )
      assert.isEmpty(yield* wire.requests)
      yield* Stream.runDrain(stream)
      yield* Stream.runDrain(stream)
      assert.lengthOf(yield* wire.requests, 2)
    }).pipe(Effect.provide(scripted([printed("a"), printed("b")]))))
})

describe("the tenant", () => {
  const page = { records: [], count: 0, offset: 0, total: 7 }

  it.effect("is asked for where it is not given", () =>
    Effect.gen(function*() {
      const wire = yield* ScriptedTransport.ScriptedTransport
      assert.strictEqual(text(yield* Stream.runCollect(pdf({}))), "%PDF")
      assert.deepStrictEqual((yield* wire.requests).map(({ path }) => path), [
        "/api/audit/log?limit=0",
        "/api/compliance/export/acme%20corp?format=pdf"
      ])
    }).pipe(
      Effect.provide(scripted([ScriptedTransport.json(200, { ...page, tenant_id: "acme corp" }), printed("%PDF")]))
    ))

  it.effect("must be given where the gateway does not tell", () =>
    Effect.gen(function*() {
      const reason = yield* reasonOf(Stream.runDrain(pdf({})))
      assert(reason._tag === "UnexpectedResponse")
      assert.include(reason.message, "tenantId")
    }).pipe(Effect.provide(scripted([ScriptedTransport.json(200, page)]))))
})

describe("export", () => {
  it.effect("takes no PDF for an export", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Compliance.Compliance.use((compliance) => compliance.export({ tenantId: "acme" }))
      )
      assert(error._tag === "VargateError" && error.reason._tag === "UnexpectedResponse")
    }).pipe(Effect.provide(answering(printed("%PDF")))))
})

describe("writePdf", () => {
  const inFolder = <A, E, R>(body: (folder: string) => Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "compliance-"))),
      body,
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    ).pipe(Effect.provide(NodeFileSystem.layer))

  const write = (folder: string) => Compliance.writePdf(join(folder, "report.pdf"), { tenantId: "acme" })
  const files = (folder: string) => readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")])

  it.effect("writes the whole file, in the place of the old one, and nothing beside it", () =>
    inFolder((folder) =>
      Effect.gen(function*() {
        for (const body of ["%PDF one", "%PDF two"]) {
          yield* Effect.provide(write(folder), answering(printed(body)))
          assert.deepStrictEqual(files(folder), [["report.pdf", body]])
        }
      })
    ))

  it.effect("writes through a link", () =>
    inFolder((folder) =>
      Effect.gen(function*() {
        writeFileSync(join(folder, "old.pdf"), "old")
        symlinkSync("old.pdf", join(folder, "report.pdf"))
        yield* Effect.provide(write(folder), answering(printed("%PDF")))
        assert.deepStrictEqual(files(folder), [["old.pdf", "%PDF"], ["report.pdf", "%PDF"]])
      })
    ))

  it.effect.each([
    ScriptedTransport.cut(printed("%PDF of some length"), 7),
    ScriptedTransport.json(501, { detail: "no printer" }),
    ScriptedTransport.refuse
  ])("leaves what was there where the export fails", (answer) =>
    inFolder((folder) =>
      Effect.gen(function*() {
        writeFileSync(join(folder, "report.pdf"), "old")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.provide(write(folder), answering(answer)))))
        assert.deepStrictEqual(files(folder), [["report.pdf", "old"]])
      })
    ))

  it.effect("leaves what was there where it is interrupted", () =>
    inFolder((folder) =>
      Effect.gen(function*() {
        writeFileSync(join(folder, "report.pdf"), "old")
        const body = yield* openBody
        yield* body.write("%PDF")
        const fiber = yield* Effect.forkChild(Effect.provide(write(folder), body.services()), {
          startImmediately: true
        })
        yield* Effect.repeat(breathe, { until: () => files(folder).some(([, text]) => text === "%PDF"), times: 10_000 })
        assert.lengthOf(files(folder), 2)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(files(folder), [["report.pdf", "old"]])
      })
    ))

  it.effect("says so where it may not write", () =>
    inFolder((folder) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          Effect.provide(write(join(folder, "missing")), answering(printed("%PDF")))
        )
        assert.strictEqual(error._tag, "PlatformError")
      })
    ))
})
