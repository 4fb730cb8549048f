/** What was performed, held against what the ledger shows. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import { bytesOf, type Params, tenant } from "./story.ts"

/** A call as the ledger shows it. */
export interface Shown {
  readonly bytes: string
  /** Whether it was allowed or approved. */
  readonly isPermitted: boolean
  /** Whether it was allowed, and left to the agent: where the answer is lost, such a call is submitted anew. */
  readonly isLeft: boolean
}

/** What has become of stories. All texts are the JSON of params. */
export interface Account {
  readonly performed: ReadonlyArray<string>
  readonly asked: ReadonlyArray<string>
  readonly shown: ReadonlyArray<Shown>
  /** Whether the caller of a story left its params as they were. */
  readonly isKept: (story: number) => boolean
  readonly say: (story: number) => string
}

/** How often `Reconcile` submits a call anew that the gateway left to the agent. */
const submissionsAnew = 3

const count = (texts: Iterable<string>) => {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return counts
}

const storyOf = (bytes: string) => (JSON.parse(bytes) as Params).story

/** None has happened more often than the other. */
export const assertWithin = (
  happened: Iterable<string>,
  limits: Iterable<string>,
  what: (key: string) => string
) => {
  const limit = count(limits)
  for (const [key, times] of count(happened)) {
    if (times > (limit.get(key) ?? 0)) assert.fail(`${what(key)}: ${times} times, and ${limit.get(key) ?? 0} at most`)
  }
}

/**
 * What was performed is, byte for byte and one by one, what the ledger shows as allowed or approved, and nothing was
 * submitted that was not asked for.
 */
export const settleAccount = ({ asked, isKept, performed, say, shown }: Account) => {
  const permitted = shown.filter(({ isPermitted }) => isPermitted).map(({ bytes }) => bytes)
  assertWithin(performed, permitted, (bytes) => `${say(storyOf(bytes))}: performed ${bytes}`)
  for (
    const [submitted, times] of [
      [shown.filter(({ isLeft }) => !isLeft), 1],
      [shown, 1 + submissionsAnew]
    ] as const
  ) {
    const all = submitted.map(({ bytes }) => bytes)
    const limit = asked.flatMap((bytes) => Array.from({ length: times }, () => bytes))
    const kept = (bytes: string) => isKept(storyOf(bytes))
    assertWithin(
      all.map((bytes) => String(storyOf(bytes))),
      limit.map((bytes) => String(storyOf(bytes))),
      (story) => `${say(Number(story))}: submitted`
    )
    assertWithin(all.filter(kept), limit.filter(kept), (bytes) => `${say(storyOf(bytes))}: submitted ${bytes}`)
  }
  return { performed: performed.length, permitted: permitted.length, records: shown.length }
}

/** What the ledger of a gateway in this process shows. */
export const shown = Effect.gen(function*() {
  const ledger = yield* Ledger
  const records = (yield* ledger.records(tenant.id)).filter(({ tool }) => tool === "bank" || tool === "broker")
  return yield* Effect.forEach(records, ({ actionId, decision, executionMode, params }) =>
    Effect.gen(function*() {
      const held = decision === "pending_approval" ? yield* ledger.held(tenant.id, actionId) : undefined
      return {
        bytes: bytesOf(params),
        isPermitted: decision === "allow" || held?.status === "approved",
        isLeft: decision === "allow" && executionMode === "agent_direct"
      }
    }))
})
