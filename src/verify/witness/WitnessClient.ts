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
import * as Semaphore from "effect/Semaphore"
import { checkDuration } from "../../errors/internal/checkInput.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"
import { boundedBody } from "../../transport/internal/boundedBody.ts"
import * as LogHead from "./LogHead.ts"
import * as Note from "./Note.ts"
import type { VerifiedRecords } from "./VerifiedRecords.ts"
import * as WitnessPolicy from "./WitnessPolicy.ts"

/**
 * Records from which growth is proved: those after the log of these peaks, oldest first.
 *
 * @category options
 * @since 0.2.0
 */
export interface Growth {
  readonly recordHashes: ReadonlyArray<string>
  /** Default: an empty log. */
  readonly after?: LogHead.Peaks | undefined
}

/**
 * Growth as it was read: what `VerifiedRecords` returns.
 *
 * @category options
 * @since 0.2.0
 */
export const growthOf = (
  { recordHashes, since }: Pick<VerifiedRecords, "recordHashes" | "since">
): Growth => ({
  recordHashes,
  ...since === undefined ? {} : { after: { size: since.checkpoint.count, peaks: since.peaks } }
})

/**
 * What is to be cosigned.
 *
 * @category options
 * @since 0.2.0
 */
export interface Request<R = never> extends Growth {
  /** The head, signed by the log. */
  readonly note: string
  /**
   * Reads older records, for a witness that has cosigned fewer than are in `after`: from a size that is at most this one. It
   * is read again only where a later witness has cosigned fewer still. Default: such a witness is not followed.
   */
  readonly readAfter?: ((size: number) => Effect.Effect<Growth, { readonly message: string }, R>) | undefined
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
 * Growth is proved from `after` and the records since: those before are neither read nor hashed. A witness that has seen another
 * size than was thought (409) is sent the proof from there, with older records where it needs them. One that has seen a larger
 * head than this one is a warning: another process signs with this key, or the log was cut.
 *
 * @category collecting
 * @since 0.2.0
 */
export const cosign: <R = never>(
  request: Request<R>
) => Effect.Effect<Cosigned, VargateError, HttpClient.HttpClient | R> = Effect.fn("WitnessClient.cosign")(function*<R>(
  { known = {}, note, policy, readAfter, timeout = "10 seconds", ...growth }: Request<R>
) {
  const operation = "WitnessClient.cosign"
  const client = yield* HttpClient.HttpClient
  const limit = yield* checkDuration(operation, "timeout", timeout)
  const { signatures, text } = yield* Note.parse(note)
  const head = yield* LogHead.parse(text)
  const isOfHead = Effect.fnUntraced(function*({ after = empty, recordHashes }: Growth) {
    return head.size === after.size + recordHashes.length &&
      head.root === (yield* Effect.flatMap(LogHead.grow(recordHashes, after), LogHead.rootOf))
  })
  if (!(yield* isOfHead(growth))) {
    return yield* invalidRequest(operation, [{ path: ["recordHashes"], message: "are not those of the head" }])
  }
  const prove = makeProofs(head.size, growth, isOfHead, readAfter)

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
    function*(name: string, { key, url }: WitnessPolicy.Party): Effect.fn.Return<Answer, never, R> {
      if (url === undefined) return { why: "has no URL in the policy" }
      // A witness may have any name, also that of what each object has.
      const last = Math.min(Object.hasOwn(known, name) ? known[name] ?? 0 : 0, head.size)
      // One that is behind may not answer at all: it is asked without a proof before older records are read for it.
      let old = last < (growth.after?.size ?? 0) ? 0 : last
      for (let round = 0; round < maxRounds; round++) {
        const answer = yield* Effect.result(Effect.flatMap(prove(old), (path) => send(url, old, path)))
        if (answer._tag === "Failure") {
          return { why: answer.failure }
        }
        const { status, text: lines } = answer.success
        if (status === 200) {
          const added = yield* Effect.orElseSucceed(Note.parseSignatures(lines), () => [])
          const own = added.filter(({ keyId, name }) => name === key.name && keyId === key.id)
          let isUnsupported = false
          for (const signature of own) {
            const { unsupported, verified } = yield* Note.examine({ text, signatures: [signature] }, [key])
            if (verified.length === 1) return { signature }
            isUnsupported ||= unsupported.length > 0
          }
          return {
            why: isUnsupported
              ? `has cosigned by ${key.algorithm}, which this runtime cannot verify`
              : "answered with no cosignature that holds"
          }
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

const empty: LogHead.Peaks = { size: 0, peaks: [] }

/** Proofs of growth to a size, each made once, from as few records as are needed. Fails with why there is none. */
const makeProofs = <R>(
  size: number,
  growth: Growth,
  isOfHead: (growth: Growth) => Effect.Effect<boolean, VargateError>,
  readAfter: Request<R>["readAfter"]
) => {
  const making = Semaphore.makeUnsafe(1)
  const proofs = new Map<number, ReadonlyArray<string>>([[0, []]])
  let longest = growth
  const startOf = ({ after }: Growth) => after?.size ?? 0

  const read = Effect.fnUntraced(function*(old: number) {
    if (readAfter === undefined) {
      return yield* Effect.fail(`has cosigned ${old} records, and older ones are not at hand`)
    }
    const { after, recordHashes } = yield* Effect.mapError(
      readAfter(old),
      ({ message }) => `has cosigned ${old} records, and older ones could not be read: ${message}`
    )
    // The log may have grown meanwhile.
    const older = { after, recordHashes: recordHashes.slice(0, size - startOf({ after, recordHashes })) }
    const isRight = startOf(older) <= old && (yield* Effect.orElseSucceed(isOfHead(older), () => false))
    if (!isRight) return yield* Effect.fail(`has cosigned ${old} records, and older ones are not those of the head`)
    longest = older
  })

  const make = Effect.fnUntraced(function*(old: number) {
    const done = proofs.get(old)
    if (done !== undefined) return done
    if (old < startOf(longest)) yield* read(old)
    const { after = empty, recordHashes } = longest
    const place = old - after.size
    const proof = yield* Effect.orDie(Effect.flatMap(
      LogHead.grow(recordHashes.slice(0, place), after),
      (peaks) => LogHead.proveGrowth(peaks, recordHashes.slice(place))
    ))
    proofs.set(old, proof)
    return proof
  })

  return (old: number): Effect.Effect<ReadonlyArray<string>, string, R> => making.withPermits(1)(make(old))
}
