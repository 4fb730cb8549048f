/**
 * The policy engine as an OPA server beside the gateway: policies in Rego, of any author.
 *
 * The decision document is sent to `POST /v1/data/vargate/policy/decision` as `{"input": ...}`, and a `PolicyDecision`
 * comes back. The folder `examples/policies` of the repository holds the five templates in Rego.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Layer from "effect/Layer"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"
import { BodyTooLarge, boundedBody } from "../../transport/internal/boundedBody.ts"
import { connectionFailure } from "../../transport/internal/connectionFailure.ts"
import { type DataAnswer, readData, readDecision, revisionOfBundles, revisionOfModules } from "./internal/opaAnswers.ts"
import { noRevision, PolicyEngine, PolicyUnavailable } from "./PolicyEngine.ts"
import type { PolicyInput } from "./PolicyInput.ts"

/**
 * How to reach an OPA server.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The server's address, without the path of its API: `http://127.0.0.1:8181`. */
  readonly url: string
  /** Time for one decision, from asking to the last byte of the answer. Default: 3 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Makes an engine that asks an OPA server over the `HttpClient` in context. Fails with `InvalidRequest` when an option is
 * unusable; the server itself need not be there yet.
 *
 * **Details**
 *
 * Covered is what the Rego says and nothing else: the rules of the built-in engine do not apply beside it. The folder
 * `examples/policies` has them in Rego, with what reads governed fields in every spelling. The document is that of the
 * built-in engine (`PolicyInput`), which says where each field comes from and which are absent.
 *
 * Where OPA decides nothing, the tenant's switch does (`PolicyUnavailable`): no connection, no answer in time, an error, a
 * redirect, an undefined decision because no policy is loaded, a value that is no object.
 *
 * An object that is not a `PolicyDecision` was meant as one and may be a denial, so no tenant may get a yes out of it:
 * the call is denied with the violation `policy_decision_unreadable`, of severity high, and what is wrong is logged.
 *
 * A policy lists what it needs of the document in `required_fields`: a rule beside its decision that is the same for every
 * call (it is asked for without a document, once for each revision), or a key of the decision itself. Fields are paths such
 * as `"agent.roles"`. Where one is absent the call is denied with the violation `required_field_absent_{field}`, of severity
 * high, even where the decision is undefined. A list that cannot be read denies as `policy_required_fields_unreadable`.
 *
 * A document that OPA refuses (400), such as one nested too deep for it, is denied with `policy_document_refused`: what it
 * holds is the caller's choice.
 *
 * The revision is that of OPA's bundles, which OPA tells with the decision: `r7`, or `crm=r7,mail=r2` for several.
 * Policies from plain files have none. For them it is `modules-` and a hash over the text of all modules, asked for with
 * `GET /v1/policies` after each decision, which is taken again if the modules have changed. The hash does not cover data
 * files. An OPA that does not show its modules decides all the same, but without a revision: nothing can be replayed.
 *
 * A broken connection is tried once more, since asking changes nothing.
 *
 * **Gotchas**
 *
 * A policy that is undefined or fails for some inputs decides nothing about them, and a tenant who fails open lets them
 * through: define a decision for every input, and list what it reads in `required_fields`.
 *
 * An OPA that wants a token gets it from the `HttpClient` (`HttpClient.mapRequest`). The document holds the params of the
 * call: use `https:` where others can listen.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<PolicyEngine["Service"], VargateError, HttpClient.HttpClient> {
  const url = yield* checkUrl(options.url)
  const timeout = yield* checkTimeout(options.timeout ?? "3 seconds")
  const client = HttpClient.mapRequest(yield* HttpClient.HttpClient, HttpClientRequest.prependUrl(url))

  const send = (request: HttpClientRequest.HttpClientRequest, limit: number) =>
    client.execute(request).pipe(
      Effect.flatMap((response) => boundedBody(response, limit)),
      Effect.flatMap((response) => Effect.map(response.text, (text) => ({ status: response.status, text }))),
      Effect.retry({ while: ({ reason }) => reason._tag === "TransportError", times: 1 }),
      Effect.mapError((error) => unavailable(failureOf(error))),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      // What a gateway may be sent says nothing about what OPA may answer.
      Effect.provideService(HttpIncomingMessage.MaxBodySize, undefined)
    )

  const ask = Effect.fnUntraced(function*(rule: "decision" | "required_fields", body: unknown) {
    const request = yield* Effect.mapError(
      HttpClientRequest.bodyJson(HttpClientRequest.post(`${policyPath}/${rule}?provenance=true`), body),
      () => unavailable("the decision document cannot be written as JSON; look at the tenant's policy_config")
    )
    const { status, text } = yield* send(request, maxDecisionBytes)
    return yield* readData(status, text)
  })

  let modules: string | undefined
  const readModules = Effect.map(
    send(HttpClientRequest.get("/v1/policies"), maxModulesBytes),
    ({ text }) => revisionOfModules(text)
  ).pipe(Effect.tap((revision) =>
    revision === noRevision && modules !== noRevision
      ? Effect.logWarning("OPA shows neither a bundle's revision nor its modules: its decisions cannot be replayed")
      : Effect.void
  ))

  let listed: { readonly revision: string; readonly required: DataAnswer } | undefined

  const evaluate = Effect.fn("OpaEngine.evaluate")(
    function*(input: PolicyInput) {
      while (true) {
        // Policies may change at any moment: a decision counts when they were the same before and after it.
        const before = modules
        const answer = yield* ask("decision", { input })
        let revision = revisionOfBundles(answer)
        const isListed = listed !== undefined && listed.revision === (revision ?? before)
        const required = isListed ? listed!.required : yield* ask("required_fields", {})
        if (revision === undefined) {
          revision = modules = yield* readModules
          if (revision !== before) continue
        } else if (!isListed && (revisionOfBundles(required) ?? revision) !== revision) continue
        if (revision !== noRevision) listed = { revision, required }
        return { decision: yield* readDecision(answer, required, input), revision }
      }
    },
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () =>
        Effect.fail(unavailable(`no answer within ${Duration.format(timeout)}; relieve OPA, or allow it more time`))
    })
  )

  return PolicyEngine.of({ evaluate })
})

/**
 * The policy engine as an OPA server. See {@link make}.
 *
 * **Example** (A gateway with its own OPA)
 *
 * ```ts
 * import { Layer } from "effect"
 * import * as Gateway from "effect-vargate/gateway/Gateway"
 * import * as OpaEngine from "effect-vargate/gateway/policy/OpaEngine"
 * import { FetchHttpClient } from "effect/http"
 *
 * const gateway = Gateway.layerMemory({
 *   policy: OpaEngine.layer({ url: "http://127.0.0.1:8181" }).pipe(Layer.provide(FetchHttpClient.layer), Layer.orDie)
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<PolicyEngine, VargateError, HttpClient.HttpClient> =>
  Layer.effect(PolicyEngine, make(options))

const policyPath = "/v1/data/vargate/policy"

const maxDecisionBytes = 1024 * 1024
/** OPA shows every module with its syntax tree, about ten times the size of the text. */
const maxModulesBytes = 64 * 1024 * 1024

const unavailable = (detail: string) => new PolicyUnavailable({ detail })

const failureOf = ({ reason }: HttpClientError.HttpClientError): string => {
  if ("response" in reason && reason.cause instanceof BodyTooLarge) {
    return `OPA answered more than ${reason.cause.limit} bytes; let its policy decide more briefly, or load it as a bundle`
  }
  return `${connectionFailure(reason.cause ?? reason).detail}; see that OPA runs and can be reached`
}

const invalidOption = (option: string, message: string) =>
  invalidRequest("OpaEngine.make", [{ path: [option], message }])

const checkUrl = (text: string): Effect.Effect<string, VargateError> => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}${url.pathname}`
    ? Effect.succeed(withoutTrailingSlashes(url.href))
    : Effect.fail(
      invalidOption(
        "url",
        "it must begin with http:// or https:// and have no user, query or fragment, like http://127.0.0.1:8181"
      )
    )
}

const checkTimeout = (input: Duration.Input): Effect.Effect<Duration.Duration, VargateError> =>
  Effect.mapError(
    Effect.fromOption(Duration.fromInput(input)),
    () => invalidOption("timeout", "it must be a duration, like \"3 seconds\"")
  )
