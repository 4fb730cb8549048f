/**
 * What a story of the bypass campaign is made of: a caller that cheats or is unlucky, a gateway whose answers get lost, and
 * a reviewer.
 */
import { Effect, Layer, Schedule, type Scope } from "effect"
import { Approvals, Reviews, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import * as Faults from "effect-vargate/testing/Faults"
import { makeRandom } from "../../../src/internal/seededRandom.ts"

export const isFull = process.env["VARGATE_FULL_CAMPAIGNS"] !== undefined

export interface Params extends Record<string, unknown> {
  amount: number
  readonly story: number
  readonly note: { to: string; readonly list: Array<number> }
}

/** Below 1000 allowed, below 5000 pending, from 5000 denied. */
export const amounts = [5, 7, 2000, 3000, 9000]

export const tenant = {
  id: "t",
  apiKey: "test-key",
  burst: 1e9,
  policyConfig: { dailyActionLimit: 1e9, cooldownViolations: 1e9, anomalyThreshold: 1e9 }
} as const

const amountOf = (params: unknown) => (params as Partial<Params>).amount ?? 0

/** Everything that was performed, by handlers, MCP servers and the gateway's own tools, as JSON text. */
export const performed: Array<string> = []

/** Where is written what is asked for and what is performed. Processes of their own write it into files. */
export const book = {
  /** Where there is no test clock, everything takes this share of the time. */
  pace: Number(process.env["VARGATE_BYPASS_PACE"] ?? 1),
  asked: (_bytes: string): void => {},
  performed: (bytes: string): void => void performed.push(bytes)
}

export const perform = (params: unknown): Effect.Effect<string> =>
  Effect.sync(() => {
    book.performed(bytesOf(params))
    return "done"
  })

export const millis = (n: number): number => n * book.pace

/** The JSON of params, without the reference that a submission may add. */
export const bytesOf = (params: unknown): string => {
  const { vargate_reference: _, ...own } = params as Record<string, unknown>
  return JSON.stringify(own)
}

export const gatewayOptions: Gateway.Options = {
  tenants: [tenant],
  tools: { "broker/pay": (params) => Effect.as(perform(params), { paid: true }) },
  policy: {
    rules: [{ name: "too_much", severity: "high", when: ({ action }) => amountOf(action.params) >= 5000 }],
    approvals: [({ action }) => amountOf(action.params) >= 1000]
  }
}

/** The services of agents and reviewers, over a way to the gateway on which much goes wrong. */
export const services = (seed: number, url?: string) =>
  Reviews.layer.pipe(
    Layer.provideMerge(Approvals.layerWith(url === undefined ? {} : { poll: Schedule.spaced("50 millis") })),
    Layer.provideMerge(Vargate.layer({ apiKey: tenant.apiKey, ...(url !== undefined && { url }) })),
    Layer.provide(Faults.layer({
      seed,
      limited429: 0.4,
      opa502: 0.05,
      requestLost: 0.03,
      answerLost: 0.05,
      bodyCut: 0.02
    }))
  )

export type Services = Layer.Success<ReturnType<typeof services>>

export const world = (seed: number) => Layer.provideMerge(services(seed), Gateway.layerMemory(gatewayOptions))

// --- the caller ------------------------------------------------------------------------------------------------------

/** How a caller treats the params that it has handed out. */
const habits = ["keeps", "keeps", "changes", "changes", "changes", "getters", "proxy"] as const

export class Story {
  readonly n: number
  readonly random: () => number
  readonly habit: (typeof habits)[number]
  /** The calls that the story has made, by the params that it began with. */
  readonly calls: Array<string> = []

  /** Makes a call, or one that was made before once more. */
  asks(...calls: ReadonlyArray<string>): void {
    this.calls.push(...calls)
    for (const call of calls) book.asked(call)
  }

  constructor(n: number, seed: number) {
    this.n = n
    this.random = makeRandom(seed)
    this.habit = this.pick(habits)
  }

  pick<A>(from: ReadonlyArray<A>): A {
    return from[Math.floor(this.random() * from.length)]!
  }

  chance(share: number): boolean {
    return this.random() < share
  }

  /** Params for a call, and what the caller does with them afterwards. */
  params(amount = this.pick(amounts)): Effect.Effect<Params, never, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const params: Params = { amount, story: this.n, note: { to: "ann", list: [1] } }
      this.asks(bytesOf(params))
      switch (this.habit) {
        case "keeps":
          return params
        case "changes":
          for (let i = 0; i < 4; i++) {
            const at = millis(this.random() * (i < 2 ? 200 : 20_000))
            const to = this.pick(amounts)
            yield* Effect.forkScoped(Effect.andThen(
              Effect.sleep(at),
              Effect.sync(() => {
                params.amount = to
                params.note.to = "eve"
                params.note.list.push(i)
              })
            ))
          }
          return params
        case "getters": {
          let reads = 0
          return Object.defineProperty(params, "amount", { enumerable: true, get: () => reads++ % 2 === 0 ? 5 : 9000 })
        }
        case "proxy": {
          let reads = 0
          return new Proxy(params, {
            get: (target, key) => key === "amount" ? (reads++ % 2 === 0 ? 7 : 9001) : Reflect.get(target, key)
          })
        }
      }
    })
  }

  /** Runs a part of the story. Some are interrupted at some time, and some of these are then done over. */
  attempt<A, E, R>(part: Effect.Effect<A, E, R>): Effect.Effect<void, never, R | Scope.Scope> {
    const whole = Effect.asVoid(Effect.exit(part))
    if (!this.chance(0.3)) return whole
    const patience = millis(Math.ceil(this.random() * (this.chance(0.5) ? 300 : 15_000)))
    const impatient = Effect.asVoid(Effect.timeoutOption(whole, patience))
    return this.chance(0.6) ? Effect.andThen(impatient, whole) : impatient
  }
}

// --- the reviewer ----------------------------------------------------------------------------------------------------

/** Decides on what waits, mostly with a yes, sometimes twice. Some actions are left alone. */
export const reviewing = (seed: number): Effect.Effect<never, never, Approvals.Approvals | Reviews.Reviews> =>
  Effect.gen(function*() {
    const random = makeRandom(seed)
    const approvals = yield* Approvals.Approvals
    const reviews = yield* Reviews.Reviews
    const seen = new Set<string>()
    return yield* Effect.gen(function*() {
      const { pending } = yield* approvals.pending
      for (const { actionId } of pending) {
        if (seen.has(actionId)) continue
        seen.add(actionId)
        const choice = random()
        if (choice < 0.1) continue
        yield* choice < 0.25
          ? Effect.ignore(reviews.reject(actionId))
          : choice < 0.45
          ? Effect.ignore(
            Effect.all([reviews.approve(actionId), reviews.approve(actionId)], { concurrency: 2, mode: "result" })
          )
          : Effect.ignore(reviews.approve(actionId))
      }
    }).pipe(Effect.ignore, Effect.andThen(Effect.sleep(Math.max(100, millis(700)))), Effect.forever)
  })
