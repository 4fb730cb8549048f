/**
 * Asks witnesses to cosign a head (`add-checkpoint` of C2SP's tlog-witness): each of them has seen every earlier head of the
 * log, and signs only one that continues it.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import { checkDuration } from "../../errors/internal/checkInput.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"
import { boundedBody } from "../../transport/internal/boundedBody.ts"
import * as LogHead from "./LogHead.ts"
import * as Note from "./Note.ts"
import * as WitnessPolicy from "./WitnessPolicy.ts"

/**
 * What is to be cosigned.
 *
 * @category options
 * @since 0.2.0
 */
export interface Request {
  /** The head, signed by the log. */
  readonly note: string
  /** All record hashes of the head, oldest first, from which growth is proved. */
  readonly recordHashes: ReadonlyArray<string>
  readonly policy: WitnessPolicy.WitnessPolicy
  /** The last sizes that witnesses have cosigned, by their names. Default: none is known, and each says so itself. */
  readonly known?: Readonly<Record<string, number>> | undefined
  /** Time for one question. Default: 10 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * A witness that has not cosigned. `seen` is a size that it has cosigned before and that is larger than this head's.
 *
 * @category models
 * @since 0.2.0
 */
export interface Missing {
  readonly name: string
  readonly why: string
  readonly seen?: number | undefined
}

/**
 * The head with the cosignatures that were collected.
 *
 * @category models
 * @since 0.2.0
 */
export interface Cosigned {
  readonly note: string
  /** Whether they are enough for the policy. */
  readonly isQuorum: boolean
  /** What each witness has cosigned now, by its name. */
  readonly sizes: ReadonlyMap<string, number>
  readonly missing: ReadonlyArray<Missing>
}

/** Witnesses may answer with lines of several algorithms. */
const maxAnswerBytes = 64 * 1024
/** A witness that names another size each time is not followed indefinitely. */
const maxRounds = 3

const refusals: Readonly<Record<number, string>> = {
  400: "refused the request",
  403: "does not know the log's key",
  404: "does not know the log",
  422: "has seen another log: the proof of growth does not hold for it"
}

/**
 * Collects cosignatures from all witnesses of the policy that have a URL, at the same time. Fails only where the request makes
 * no sense; a witness that does not cosign is told in `missing`.
 *
 * **Details**
 *
 * A witness that has seen another size than was thought (409) is sent the proof from there. One that has seen a larger head
 * than this one is a warning: another process signs with this key, or the log was cut.
 *
 * @category collecting
 * @since 0.2.0
 */
export const cosign: (
  request: Request
) => Effect.Effect<Cosigned, VargateError, HttpClient.HttpClient> = Effect.fn("WitnessClient.cosign")(function*(
  { known = {}, note, policy, recordHashes, timeout = "10 seconds" }: Request
) {
  const operation = "WitnessClient.cosign"
  const client = yield* HttpClient.HttpClient
  const limit = yield* checkDuration(operation, "timeout", timeout)
  const { signatures, text } = yield* Note.parse(note)
  const head = yield* LogHead.parse(text)
  const root = yield* Effect.flatMap(LogHead.grow(recordHashes), LogHead.rootOf)
  if (head.size !== recordHashes.length || head.root !== root) {
    return yield* invalidRequest(operation, [{ path: ["recordHashes"], message: "are not those of the head" }])
  }

  const send = Effect.fnUntraced(function*(url: string, old: number, path: ReadonlyArray<string>) {
    const body = `${[`old ${old}`, ...path.map(LogHead.hashToBase64)].join("\n")}\n\n${note}`
    return yield* client.execute(
      HttpClientRequest.post(`${withoutTrailingSlashes(url)}/add-checkpoint`).pipe(
        HttpClientRequest.bodyText(body, "text/plain; charset=utf-8")
      )
    ).pipe(
      Effect.flatMap((response) => boundedBody(response, maxAnswerBytes)),
      Effect.flatMap((response) => Effect.map(response.text, (text) => ({ status: response.status, text }))),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, undefined),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.mapError(() => "could not be reached"),
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => Effect.fail(`did not answer within ${Duration.format(limit)}`)
      })
    )
  })

  type Answer = { readonly signature: Note.Signature } | Omit<Missing, "name">

  const askOne = Effect.fnUntraced(
    function*(name: string, { key, url }: WitnessPolicy.Party): Effect.fn.Return<Answer> {
      if (url === undefined) return { why: "has no URL in the policy" }
      let old = Math.min(known[name] ?? 0, head.size)
      for (let round = 0; round < maxRounds; round++) {
        const answer = yield* Effect.result(
          Effect.flatMap(
            Effect.orDie(
              Effect.flatMap(
                LogHead.grow(recordHashes.slice(0, old)),
                (peaks) => LogHead.proveGrowth(peaks, recordHashes.slice(old))
              )
            ),
            (path) => send(url, old, path)
          )
        )
        if (answer._tag === "Failure") {
          return { why: answer.failure }
        }
        const { status, text: lines } = answer.success
        if (status === 200) {
          const added = yield* Effect.orElseSucceed(Note.parseSignatures(lines), () => [])
          const own = added.filter(({ keyId, name }) => name === key.name && keyId === key.id)
          for (const signature of own) {
            if ((yield* Note.verify({ text, signatures: [signature] }, [key])).length === 1) return { signature }
          }
          return { why: "answered with no cosignature that holds" }
        }
        if (status !== 409) return { why: `${refusals[status] ?? "answered otherwise"} (${status})` }
        const seen = /^(0|[1-9]\d{0,15})\n$/.exec(lines)?.[1]
        if (seen === undefined) return { why: "answered 409 without a size" }
        if (Number(seen) > head.size) {
          return { why: `has cosigned ${seen} records, and this head has ${head.size}`, seen: Number(seen) }
        }
        old = Number(seen)
      }
      return { why: "names another size each time" }
    }
  )

  const answers = yield* Effect.forEach(
    policy.witnesses,
    ([name, party]) => Effect.map(askOne(name, party), (answer) => [name, answer] as const),
    { concurrency: "unbounded" }
  )
  const cosignatures = answers.flatMap(([name, answer]) =>
    "signature" in answer ? [[name, answer.signature] as const] : []
  )
  const whole = Note.format({ text, signatures: [...signatures, ...cosignatures.map(([, signature]) => signature)] })
  const verdict = yield* WitnessPolicy.verifyHead(whole, policy)
  return {
    note: whole,
    isQuorum: verdict.valid,
    sizes: new Map(cosignatures.map(([name]) => [name, head.size])),
    missing: answers.flatMap(([name, answer]): ReadonlyArray<Missing> => "why" in answer ? [{ name, ...answer }] : [])
  }
})
