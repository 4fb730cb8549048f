/**
 * Two tool calls that do no harm wherever they are executed: one that a policy allows, one that it stops.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Decision } from "../../calls/ToolCalls.ts"
import * as ToolCalls from "../../calls/ToolCalls.ts"
import type { AgentIdentity } from "../../model/Agent.ts"
import { Usage } from "../core/failure.ts"
import { parseParams } from "../core/params.ts"

/** @internal */
export interface Probe {
  readonly tool: string
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** A domain that is reserved for examples: fetching it reaches no real site. */
const harmless: Probe = { tool: "http", method: "GET", params: { url: "https://example.com/" } }

/** No tool of this name exists either: for a policy that lets nothing reach the network. */
const idle: Probe = { tool: "vargate-doctor", method: "ping", params: {} }

/**
 * No tool of this name exists, so that nothing can be executed; its params offend the templates financial, crm,
 * data_access and the hosted gateway's own rules, and its method needs an approval under the general one.
 */
const forbidden: Probe = {
  tool: "vargate-doctor",
  method: "delete",
  params: {
    amount: 1_000_000_000,
    currency: "XXX",
    region: "nowhere",
    limit: 1_000_000_000,
    fields: { owner: "doctor", revenue: 0 }
  }
}

/** For the template email, which looks at nothing else: mail that does not say who wrote it, to an impossible address. */
const forbiddenMail: Probe = {
  tool: "email",
  method: "vargate-doctor",
  params: { to: "doctor@example.invalid", body: "effect-vargate doctor" }
}

const probeFlags = (name: string, description: string) => ({
  call: Flag.String(name).pipe(Flag.withMetavar("<tool/method>"), Flag.withDescription(description), Flag.optional),
  params: Flag.String(`${name}-params`).pipe(
    Flag.withMetavar("<json>"),
    Flag.withDescription("Its params"),
    Flag.withDefault("{}")
  )
})

/** @internal */
export const flags = {
  allowed: probeFlags("allowed", "A harmless call that your policy allows"),
  forbidden: probeFlags("forbidden", "A harmless call that your policy denies")
}

interface Named {
  readonly call: Option.Option<string>
  readonly params: string
}

const named = Effect.fnUntraced(function*(name: string, { call, params }: Named) {
  if (Option.isNone(call)) return undefined
  const slash = call.value.lastIndexOf("/")
  if (slash < 1) return yield* new Usage({ message: `--${name} takes a tool and a method, like stripe/create_refund.` })
  const probe: Probe = {
    tool: call.value.slice(0, slash),
    method: call.value.slice(slash + 1),
    params: yield* parseParams(params, `--${name}-params`)
  }
  return probe
})

/** @internal */
export interface Probes {
  /** Tried one after the other until one is allowed. */
  readonly allowed: ReadonlyArray<Probe>
  /** Whether the user named the allowed one: then the policy is expected to allow it. */
  readonly isAllowedNamed: boolean
  /** Tried one after the other until one is stopped. */
  readonly forbidden: ReadonlyArray<Probe>
}

/** @internal */
export const choose = Effect.fnUntraced(function*(requested: { readonly allowed: Named; readonly forbidden: Named }) {
  const ownForbidden = yield* named("forbidden", requested.forbidden)
  const ownAllowed = yield* named("allowed", requested.allowed)
  const probes: Probes = {
    allowed: ownAllowed === undefined ? [harmless, idle] : [ownAllowed],
    isAllowedNamed: ownAllowed !== undefined,
    forbidden: ownForbidden === undefined ? [forbidden, forbiddenMail] : [ownForbidden]
  }
  return probes
})

/** @internal */
export const nameOf = ({ method, tool }: Probe): string => `${tool}/${method}`

/** @internal */
export const inFull = (probe: Probe): string =>
  `${nameOf(probe)} ${JSON.stringify(probe.params, undefined, 1).replaceAll(/\n */g, " ")}`

/**
 * A decision, and when it was asked for and given by this machine's clock.
 *
 * @internal
 */
export interface Answer {
  readonly probe: Probe
  readonly decision: Decision
  readonly sentAt: number
  readonly answeredAt: number
}

/** @internal */
export const submit = Effect.fnUntraced(function*(probe: Probe, agent: AgentIdentity) {
  const sentAt = yield* Clock.currentTimeMillis
  const decision = yield* ToolCalls.decide({ ...probe, agent })
  const answer: Answer = { probe, decision, sentAt, answeredAt: yield* Clock.currentTimeMillis }
  return answer
})
