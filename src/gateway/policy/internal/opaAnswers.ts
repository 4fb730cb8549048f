/**
 * Reads what an OPA server answers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import { fieldIssues } from "../../../errors/internal/fieldIssues.ts"
import { noRevision, PolicyUnavailable } from "../PolicyEngine.ts"
import { PolicyDecision, type PolicyInput } from "../PolicyInput.ts"
import { absentFrom, requiring } from "../RequiredFields.ts"

const Bundle = Schema.Struct({ revision: Schema.optionalKey(Schema.String) })

const DataAnswer = Schema.fromJsonString(Schema.Struct({
  result: Schema.optionalKey(Schema.Unknown),
  provenance: Schema.optionalKey(Schema.Struct({
    revision: Schema.optionalKey(Schema.String),
    bundles: Schema.optionalKey(Schema.Record(Schema.String, Bundle))
  }))
}))

/**
 * An answer of `POST /v1/data/...?provenance=true`: the value of the document, if it has one, and the bundles in force.
 *
 * @category models
 * @since 0.1.0
 */
export interface DataAnswer extends Schema.Schema.Type<typeof DataAnswer> {}

/**
 * Reads an answer of the data API.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readData = (status: number, text: string): Effect.Effect<DataAnswer, PolicyUnavailable> => {
  if (status === 400) {
    return Effect.as(
      Effect.logError("OPA refuses the decision document, so the call is denied", refusal(status, text)),
      { result: denial("policy_document_refused") }
    )
  }
  if (status !== 200) return Effect.fail(new PolicyUnavailable({ detail: refusal(status, text) }))
  return Effect.mapError(
    Schema.decodeEffect(DataAnswer)(text),
    () => new PolicyUnavailable({ detail: "the answer is not that of an OPA server; check its URL" })
  )
}

const Fault = Schema.fromJsonString(Schema.Struct({ code: Schema.String, message: Schema.String }))

const refusal = (status: number, text: string): string => {
  if (status >= 300 && status < 400) {
    return `OPA answered ${status}, and redirects are never followed; give the URL that it leads to`
  }
  const words = Option.match(Schema.decodeOption(Fault)(text), {
    onNone: () => "",
    onSome: ({ code, message }) => ` (${`${code}: ${message}`.slice(0, 200)})`
  })
  return `OPA answered ${status}${words}; its log says more`
}

const FieldList = Schema.Array(Schema.String)

/** What is no list of texts was meant as one. */
const readFields = Effect.fnUntraced(function*(value: unknown) {
  if (value === undefined) return []
  const fields = Option.getOrUndefined(Schema.decodeUnknownOption(FieldList)(value))
  if (fields === undefined) {
    yield* Effect.logError(
      "required_fields of OPA's policy is no list of paths like \"agent.roles\", so calls are denied"
    )
  }
  return fields
})

/**
 * Reads the values at the paths of the decision and of `required_fields`. See `OpaEngine.make` for what becomes of a value
 * that is no decision.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readDecision = Effect.fnUntraced(function*(
  { result }: DataAnswer,
  required: DataAnswer,
  input: PolicyInput
): Effect.fn.Return<PolicyDecision, PolicyUnavailable> {
  const ofPolicy = yield* readFields(required.result)
  const ofDecision = yield* readFields(Predicate.isObject(result) ? result["required_fields"] : undefined)
  if (ofPolicy === undefined || ofDecision === undefined) return denial("policy_required_fields_unreadable")
  const fields = [...ofPolicy, ...ofDecision]
  // a policy that reads what is absent may decide nothing at all, which must not count as allowed
  const decision = Predicate.isObject(result) || absentFrom(input, fields).length === 0
    ? yield* decisionIn(result)
    : silence
  return requiring(decision, input, fields)
})

const decisionIn = Effect.fnUntraced(function*(result: unknown): Effect.fn.Return<PolicyDecision, PolicyUnavailable> {
  if (result === undefined) {
    return yield* new PolicyUnavailable({
      detail: "data.vargate.policy.decision is undefined; load a policy that defines it for every input"
    })
  }
  if (!Predicate.isObject(result)) {
    return yield* new PolicyUnavailable({
      detail:
        "data.vargate.policy.decision is no decision; it must be an object with allow, requires_human, violations, " +
        "severity and alert_tier"
    })
  }
  return yield* Effect.matchEffect(Schema.decodeUnknownEffect(PolicyDecision)(result), {
    onSuccess: (decision) => Effect.succeed(normalized(decision)),
    onFailure: ({ issue }) =>
      Effect.as(
        Effect.logError(
          "The decision of OPA cannot be read, so the call is denied",
          ...fieldIssues(issue, ["decision"]).map(({ message, path }) => `${path.join(".")}: ${message}`)
        ),
        denial("policy_decision_unreadable")
      )
  })
})

/** OPA sorts by bytes, which is not the order of JavaScript, and policies of other authors may answer with a list. */
const normalized = (decision: PolicyDecision): PolicyDecision => ({
  ...decision,
  requires_human: decision.allow && decision.requires_human,
  violations: [...new Set(decision.violations)].sort()
})

/**
 * A denial that no policy has written: something that was meant for one cannot be read.
 *
 * @category constructors
 * @since 0.2.0
 */
export const denial = (violation: string): PolicyDecision => ({
  allow: false,
  requires_human: false,
  violations: [violation],
  severity: "high",
  alert_tier: "soc_ticket"
})

const silence: PolicyDecision = {
  allow: true,
  requires_human: false,
  violations: [],
  severity: "none",
  alert_tier: "none"
}

/**
 * The revision of the bundles that took a decision: `r7`, or `crm=r7,mail=r2` for several. Undefined where there is no
 * bundle, or one without a revision.
 *
 * @category getters
 * @since 0.1.0
 */
export const revisionOfBundles = ({ provenance }: DataAnswer): string | undefined => {
  // an OPA with a single, unnamed bundle
  if (provenance?.revision) return provenance.revision
  const bundles = Object.entries(provenance?.bundles ?? {})
  if (bundles.length === 0 || !bundles.every(([, { revision }]) => revision)) return undefined
  return bundles.length === 1
    ? bundles[0]![1].revision
    : bundles.map(([name, { revision }]) => `${name}=${revision}`).sort().join()
}

const ModulesAnswer = Schema.fromJsonString(
  Schema.Struct({ result: Schema.Array(Schema.Struct({ raw: Schema.String })) })
)

/**
 * A revision for policies without a bundle, from an answer of `GET /v1/policies`: a hash over the text of the modules,
 * wherever they were loaded from. `noRevision` where OPA does not show them.
 *
 * @category getters
 * @since 0.1.0
 */
export const revisionOfModules = (text: string): string =>
  Option.match(Schema.decodeOption(ModulesAnswer)(text), {
    onNone: () => noRevision,
    onSome: ({ result }) => {
      const texts = JSON.stringify(result.map(({ raw }) => raw).sort())
      return `modules-${hash("sha256", texts, "hex").slice(0, 16)}`
    }
  })
