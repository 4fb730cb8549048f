/**
 * The policy engine as Rego in this process: policies that OPA has compiled to WebAssembly, without an OPA server.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Pool from "effect/Pool"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { denial, readDecision } from "../gateway/policy/internal/opaAnswers.ts"
import { PolicyEngine, PolicyUnavailable } from "../gateway/policy/PolicyEngine.ts"
import type { PolicyInput } from "../gateway/policy/PolicyInput.ts"
import { parseRfc3339 } from "./internal/regoBuiltins.ts"
import type { Answer, Question, Start } from "./internal/wasmThread.ts"
import { decisionRule, type RegoPolicy, requiredFieldsRule } from "./RegoPolicy.ts"

/**
 * Which policy, and what it may take.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  readonly policy: RegoPolicy
  /** Time for one decision, from asking to the answer; what takes longer is ended. Default: 3 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** How many decisions are taken at a time, each in a thread of its own. Default: 1. */
  readonly threads?: number | undefined
  /** Memory of the policy in each thread, in MB. Default: 256. */
  readonly maxMemory?: number | undefined
}

const operation = "OpaWasmEngine.make"

const invalid = (option: string, message: string) =>
  invalidRequest(operation, [{ path: option === "" ? [] : [option], message }])

const unavailable = (detail: string) => new PolicyUnavailable({ detail })

// --- threads ---------------------------------------------------------------------------------------------------------

/** The module of a thread, as source or built: whichever this one is. */
const threadModule = () => {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  return new URL(`./internal/wasmThread.${extension}`, import.meta.url)
}

/** It answers one question at a time. */
class Thread {
  readonly worker: Worker
  start: Start | undefined
  private waiting: ((answer: Answer | Start | undefined) => void) | undefined

  constructor(workerData: unknown) {
    this.worker = new Worker(threadModule(), { workerData })
    this.worker.on("message", (message: Answer | Start) => this.give(message))
    // An exit follows.
    this.worker.on("error", () => {})
    this.worker.on("exit", () => this.give(undefined))
  }

  /** Undefined where the thread has ended without an answer. */
  readonly next = Effect.callback<Answer | Start | undefined>((resume) => {
    this.worker.ref()
    this.waiting = (answer) => resume(Effect.succeed(answer))
  })

  readonly ask = (question: Question): Effect.Effect<Answer | undefined> =>
    Effect.suspend(() => {
      this.worker.postMessage(question)
      return this.next as Effect.Effect<Answer | undefined>
    })

  private give(answer: Answer | Start | undefined): void {
    const { waiting } = this
    this.waiting = undefined
    // A thread with nothing to do keeps no process alive.
    this.worker.unref()
    waiting?.(answer)
  }
}

/** A module may do anything while it is loaded. */
const loaded = (thread: Thread) =>
  Effect.timeoutOrElse(thread.next, {
    duration: "60 seconds",
    orElse: () => Effect.fail("its thread does not start within a minute")
  })

const started = (workerData: unknown): Effect.Effect<Thread, string, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: () => new Thread(workerData), catch: () => "its thread cannot be started" }),
    ({ worker }) => Effect.promise(() => worker.terminate())
  ).pipe(Effect.tap((thread) =>
    Effect.flatMap(loaded(thread), (start) => {
      if (start === undefined) return Effect.fail("its thread ended; leave effect-vargate out of the bundle")
      switch (start._tag) {
        case "NotInstalled":
          return Effect.fail(
            "@open-policy-agent/opa-wasm is not installed here: npm install @open-policy-agent/opa-wasm"
          )
        case "Unusable":
          return Effect.fail(start.detail)
        case "Ready":
          thread.start = start
          return Effect.void
        default:
          return Effect.fail("its thread answers before it is asked")
      }
    })
  ))

// --- the engine ------------------------------------------------------------------------------------------------------

/** What stands for half a pair of UTF-16, which is no character, is read as U+FFFD everywhere else. */
const wellFormed = (json: string): string =>
  json.replace(/\\(?:u(d[89a-f][0-9a-f]{2})|[\s\S])/g, (whole, half?: string) => half === undefined ? whole : "\ufffd")

const toJson = (input: PolicyInput): Effect.Effect<string, PolicyUnavailable> =>
  Effect.try({
    try: () => wellFormed(JSON.stringify(input)),
    catch: () => unavailable("the decision document cannot be written as JSON; look at the tenant's policy_config")
  })

/**
 * Makes an engine that evaluates a compiled policy in threads of this process, which end with the scope. Fails with
 * `InvalidRequest` where an option is unusable, the policy has no decision or calls functions that are not available, or
 * the package `@open-policy-agent/opa-wasm` is not installed.
 *
 * **Details**
 *
 * It decides as `OpaEngine` does with the same policy on a server: the decision is that of `vargate/policy/decision`, where
 * a document lacks what `vargate/policy/required_fields` lists the call is denied, and what is no decision denies or is none
 * by the same rules. A document that is nested too deep for the policy is denied with `policy_document_refused`.
 *
 * A policy that does not end within the time, or that fails, decides nothing (`PolicyUnavailable`), and the tenant's switch
 * does. The thread of one that does not end is terminated and replaced; nothing else waits for it longer than its own
 * time.
 *
 * The revision is that of the bundle, or `wasm-` and a hash over the module and its data.
 *
 * Functions of Rego that OPA compiles into the policy are there, and besides them `json.is_valid`, `regex.find_n`,
 * `regex.replace`, `regex.split`, `sprintf`, `strings.any_prefix_match`, `strings.any_suffix_match`, `time.clock`, `time.date`,
 * `time.now_ns`, `time.parse_rfc3339_ns` and `time.weekday`. `time.now_ns` is the time of the decision document, so that a
 * replay decides the same. Any other makes the policy unusable, which is said at the start.
 *
 * **Gotchas**
 *
 * A caller chooses the params that a policy has to read: under `fail_open`, a caller that makes the policy slow is allowed
 * everything.
 *
 * `sprintf` knows `%s`, `%d` and `%v` of texts, numbers and booleans, patterns have no flags but at their beginning, and times
 * no zone but UTC: where a policy asks for more it decides nothing.
 *
 * A thread loads a module of this package from disk: leave `effect-vargate` out of a bundle.
 *
 * **Example** (The templates in Rego, compiled at the start)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import * as Gateway from "effect-vargate/gateway/Gateway"
 * import * as OpaWasmEngine from "effect-vargate/policy/OpaWasmEngine"
 * import * as RegoPolicy from "effect-vargate/policy/RegoPolicy"
 *
 * const policy = RegoPolicy.open("examples/policies").pipe(
 *   Effect.map((policy) => OpaWasmEngine.layer({ policy })),
 *   Layer.unwrap
 * )
 *
 * const gateway = Gateway.layerMemory({ policy: Layer.orDie(policy) })
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  { maxMemory = 256, policy, threads = 1, timeout: time = "3 seconds" }: Options
): Effect.fn.Return<PolicyEngine["Service"], VargateError, Scope.Scope> {
  const timeout = yield* Effect.mapError(
    Effect.fromOption(Duration.fromInput(time)),
    () => invalid("timeout", "it must be a duration, like \"3 seconds\"")
  )
  if (!Number.isInteger(threads) || threads < 1) return yield* invalid("threads", "must be a whole number, at least 1")
  if (!Number.isInteger(maxMemory) || maxMemory < 1 || maxMemory > 4096) {
    return yield* invalid("maxMemory", "must be a whole number from 1 to 4096")
  }
  const { data, module, revision, size } = policy
  const workerData = { data, module, size, maxPages: maxMemory * 16 }
  const scope = yield* Effect.scope
  const pool = yield* Pool.make({ acquire: started(workerData), size: threads })

  /** It continues where its caller does not wait any longer, since to end a thread and begin another takes longer. */
  const ask = Effect.fnUntraced(function*(question: Question) {
    const asking = Pool.use(pool, (thread) =>
      thread.ask(question).pipe(
        Effect.tap((answer) => answer === undefined ? Pool.invalidate(pool, thread) : Effect.void),
        Effect.onInterrupt(() => Pool.invalidate(pool, thread))
      )).pipe(
        Effect.mapError((detail) => unavailable(`the policy cannot be loaded: ${detail}`)),
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () =>
            Effect.fail(
              unavailable(`no decision within ${Duration.format(timeout)}; simplify the policy, or allow it more time`)
            )
        })
      )
    const answer = yield* Effect.flatMap(Effect.forkIn(asking, scope), Fiber.join)
    if (answer === undefined) {
      return yield* unavailable("the thread of the policy has ended; see that there is enough memory")
    }
    return answer._tag === "Failed" ? yield* unavailable(`the policy failed: ${answer.detail}`) : answer
  })

  const { entrypoints, missing } = yield* Pool.use(
    pool,
    ({ start }) => Effect.succeed(start as Extract<Start, { readonly _tag: "Ready" }>)
  ).pipe(
    Effect.mapError((detail) => invalid("policy", detail))
  )
  if (missing.length > 0) {
    return yield* invalid("policy", `it calls functions that are not available here: ${missing.join(", ")}`)
  }
  if (!entrypoints.includes(decisionRule)) {
    return yield* invalid(
      "policy",
      `it does not define data.vargate.policy.decision; compile it with --entrypoint ${decisionRule}`
    )
  }
  const now = yield* Clock.currentTimeMillis
  const required = entrypoints.includes(requiredFieldsRule)
    ? yield* ask({ entrypoint: requiredFieldsRule, input: undefined, now: BigInt(now) * 1_000_000n }).pipe(
      Effect.mapError(({ detail }) => invalid("policy", `its required_fields cannot be evaluated: ${detail}`))
    )
    : undefined
  const requiredFields = { result: required?._tag === "Value" ? required.value : undefined }

  const evaluate = Effect.fn("OpaWasmEngine.evaluate")(function*(input: PolicyInput) {
    const answer = yield* ask({
      entrypoint: decisionRule,
      input: yield* toJson(input),
      now: parseRfc3339(input.context.time_utc) ?? 0n
    })
    const decision = answer._tag === "Refused"
      ? denial("policy_document_refused")
      : yield* readDecision({ result: answer.value }, requiredFields, input)
    return { decision, revision }
  })

  return PolicyEngine.of({ evaluate })
})

/**
 * The policy engine as a compiled policy in this process. See {@link make}.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<PolicyEngine, VargateError> =>
  Layer.effect(PolicyEngine, make(options))
