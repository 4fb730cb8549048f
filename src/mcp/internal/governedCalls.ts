/**
 * What becomes of a request that is asked for first: submitted once, waited for, handed to the server once, answered.
 *
 * A modern client's call is several requests, tied together by the proxy's sealed state. A request without state is a new
 * action. One with state never is: it continues the action that the state names, or is refused.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Approved } from "../../approvals/Approval.ts"
import { readParamsText } from "../../calls/internal/paramsText.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { PendingApproval } from "../../errors/VargateError.ts"
import * as Clearance from "../../governed/Clearance.ts"
import * as Governed from "../../governed/Governed.ts"
import { begun } from "../../governed/internal/begun.ts"
import { Client, Ended, Ending } from "../../governed/internal/endings.ts"
import * as Refusal from "../../governed/Refusal.ts"
import { sha256 } from "../../internal/sha256.ts"
import { ActionId } from "../../model/ActionId.ts"
import type { Claims, HandOver } from "../HandOverClaims.ts"
import * as JsonRpc from "../JsonRpc.ts"
import type { McpChannel } from "../McpChannel.ts"
import type { Options } from "../ProxyOptions.ts"
import { type Call, type RequestState, type ServerAnswer, type Shared, Waiting } from "./conversation.ts"
import { canOpenUrls, type Modern, takesRounds } from "./era.ts"
import { type Kind, pinOf } from "./listing.ts"
import * as mcpResults from "./mcpResults.ts"
import { errorText, keyOfId, notificationText, responseText } from "./messages.ts"
import { askedFor, type Governable, methodOf } from "./methods.ts"
import { objectAt, type ObjectText } from "./rawMessage.ts"

/** Of calls that wait for a question after them. */
const maxWaiting = 1000

/** How long a server's question can be answered, and how long the claim of it is kept beyond that. */
const stateLife = Duration.toMillis("1 hour")

const defaultWait = Duration.toMillis("65 minutes")

/** How long a modern client's model can ask after a pending call. */
const askLife = Duration.toMillis("1 day")

/**
 * How long the first hand-over of an approved action is claimed: longer than anything can ask for it, which is a state that
 * was sealed while it was pending, and a question after it, here or in another process.
 */
const claimLife = defaultWait + askLife + stateLife

/** The requests after whose `input_required` a modern client comes back. */
const roundMethods = new Set(["tools/call", "resources/read", "prompts/get"])

const decodeActionId = Schema.decodeUnknownOption(ActionId)
const decodeWaiting = Schema.decodeUnknownOption(Schema.fromJsonString(Waiting))

/** @internal */
export interface Parts {
  readonly options: Options
  readonly shared: Shared
  readonly claims: Claims
  /** On whose behalf the client asks, as JSON. */
  readonly principal: string
  /** The same, where clients are told apart. */
  readonly client: string | undefined
  /** Remembers whose a task is that the server has begun. */
  readonly onTask: (taskId: string) => void
  readonly services: Context.Context<Clearance.Services>
  readonly server: McpChannel
  /** Those that are not answered yet, by the key of their ids. */
  readonly calls: Map<string, Call>
  readonly tellClient: (message: string, relatedTo?: string) => Effect.Effect<void>
}

/** Which action a hand-over belongs to. Where `until` is given, others may ask for the same one. */
type Passing = Omit<HandOver, "until"> & {
  readonly until?: number | undefined
  /** The params of the call that is performed, as JSON, where the client's request is a question after it. */
  readonly onBehalfOf?: string | undefined
}

/** @internal */
export const make = (
  { calls, claims, client, onTask, options, principal, server, services, shared: { sealer, waiting }, tellClient }:
    Parts
) => {
  const { inbox, onPending, progressEvery = "10 seconds", rounds = {}, tell = Refusal.reasonOf } = options
  const asking = onPending?._tag === "Answer" ? onPending : undefined
  const checkTool = asking?.checkTool ?? "vargate_check_approval"
  const patience = asking?.patience ?? "5 seconds"

  // --- answers

  const take = (call: Call) => calls.delete(keyOfId(call.id))

  const answer = (call: Call, member: "result" | "error", json: string) =>
    Effect.suspend(() => take(call) ? tellClient(responseText(call.id, member, json)) : Effect.void)

  const answerError = (call: Call, code: number, why: string, data?: unknown) =>
    Effect.suspend(() => take(call) ? tellClient(errorText(call.id, code, why, data)) : Effect.void)

  const refuse = (call: Call, text: string, actionId?: ActionId) =>
    // Only the result of a tool has words for the model. A task that was never begun is no task either.
    call.method === "tools/call" && call.params["task"] === undefined
      ? answer(call, "result", JSON.stringify(mcpResults.failure(call.era, text, actionId)))
      : answerError(
        call,
        JsonRpc.ErrorCode.invalidRequest,
        text,
        actionId && { "effect-vargate/actionId": actionId }
      )

  /** The client gets the gateway's result where the gateway executed the call; the server's comes by itself. */
  const report = Effect.fnUntraced(function*(call: Call, done: Governed.Done<unknown>) {
    if (done.executedBy !== "gateway") return
    const result = yield* Clearance.resultOf(done)
    yield* call.method === "tools/call"
      ? answer(call, "result", JSON.stringify(mcpResults.executed(call.era, result, done.actionId)))
      : answer(call, "result", JSON.stringify(result ?? {}))
  })

  const withheld: ReadonlyArray<unknown> = (options.withhold ?? []).map((capability) => askedFor[capability])

  // --- handing over

  /** Passes a message to the server, in the name of the request that waits for its answer. */
  const handOver = (call: Call, text: string, actionId: ActionId): Effect.Effect<ServerAnswer> =>
    Effect.suspend(() => {
      call.handedOver = actionId
      return Effect.matchEffect(server.send(text), {
        onFailure: ({ isUnsent = false }) => Effect.succeed<ServerAnswer>({ _tag: "Lost", isUnsent }),
        onSuccess: () => Effect.interruptible(Deferred.await(call.answer))
      })
    })

  /** Where the server asks for something, its state is put into the proxy's own, so that the answer finds its action. */
  const inRounds = Effect.fnUntraced(function*(call: Call, { object, value }: Answered, passing: Passing) {
    const member = object.raw("error") === undefined ? "result" as const : "error" as const
    const result = member === "result" ? object.object("result") : undefined
    const { resultType, task, taskId } = JsonRpc.member(value, "result")
    const begunTask = resultType === "task" ? taskId : JsonRpc.isRecord(task) ? task["taskId"] : undefined
    if (typeof begunTask === "string") onTask(begunTask)
    if (call.era._tag === "Legacy" || result === undefined || resultType !== "input_required") {
      return { member, json: object.raw(member) ?? "null", isSame: true }
    }
    if (result.repeated !== undefined || asksForWithheld(result)) return undefined
    const state: RequestState = {
      act: passing.actionId,
      space: claims.space,
      sub: principal,
      dig: digestOf(call),
      phase: "passed",
      round: passing.round + 1,
      polls: 0,
      exp: (yield* Clock.currentTimeMillis) + stateLife,
      ...(result.raw("requestState") === undefined ? {} : { up: result.raw("requestState")! }),
      ...(passing.onBehalfOf === undefined ? {} : { of: passing.onBehalfOf })
    }
    const json = result.with({ requestState: JSON.stringify(sealer.seal(state)) })
    return { member, json, isSame: false }
  })

  /** Whether a result asks for what the server must not use, or may be read so. */
  const asksForWithheld = (result: ObjectText): boolean => {
    const asked = result.raw("inputRequests")
    if (asked === undefined || withheld.length === 0) return false
    if (result.repeated !== undefined || Result.isFailure(readParamsText(asked))) return true
    return Object.values(Object(JSON.parse(asked))).some((one) =>
      JsonRpc.isRecord(one) && withheld.includes(one["method"])
    )
  }

  /** Hands a message over, answers the client with what the server says, and says how the call ended. */
  const pass = Effect.fnUntraced(function*(call: Call, text: string, passing: Passing) {
    const { actionId, until } = passing
    const said = yield* handOver(call, text, actionId)
    if (said._tag === "Lost") {
      yield* refuse(
        call,
        said.isUnsent ? mcpResults.unsent(actionId) : mcpResults.answerLost(actionId),
        actionId
      )
      return new Ending(() => new Ended("failed"))
    }
    const told = yield* inRounds(call, said, passing)
    if (told === undefined) {
      yield* refuse(call, mcpResults.answerLost(actionId), actionId)
      return isLeft
    }
    if (until !== undefined) {
      yield* Effect.ignore(claims.keep({ ...passing, until }, `{"${told.member}":${told.json}}`))
    }
    yield* told.isSame && said.object.raw("id") === call.id
      ? Effect.suspend(() => take(call) ? tellClient(said.object.text) : Effect.void)
      : answer(call, told.member, told.json)
    return new Ending(() => endedWith(told.member, told.json))
  })

  /** The same, where others may ask for it too: the first one hands it over, the others hear what that was answered. */
  const passOnce = Effect.fnUntraced(function*(
    call: Call,
    passing: Passing & { readonly until: number },
    passed: Effect.Effect<Ending, Refusal.Refused, Clearance.Services>
  ) {
    const { answer: kept, isOurs } = yield* claims.claim(passing)
    if (isOurs) return yield* passed
    const before = kept === undefined ? undefined : objectAt(kept)
    for (const member of ["result", "error"] as const) {
      const json = before?.raw(member)
      if (json === undefined) continue
      yield* answer(call, member, json)
      return new Ending(() => endedWith(member, json))
    }
    yield* refuse(call, mcpResults.handedOverBefore(passing.actionId), passing.actionId)
    return isLeft
  })

  /** What a reviewer has approved is performed, in the name of the request that asked after it. */
  const perform = (call: Call, approved: Approved, text: string, passing: Passing & { readonly until: number }) =>
    Effect.uninterruptible(Effect.flatMap(
      Governed.settle(approved, {
        act: (actionId) => passOnce(call, passing, begun(actionId, pass(call, text, passing)))
      }),
      (done) => report(call, done)
    ))

  // --- a new action

  const actionOf = ({ method, name }: Call) =>
    method === "tools/call"
      ? options.action?.(name, options.tool) ?? { tool: options.tool, method: name }
      : { tool: options.tool, method: methodOf(method as Governable) }

  const reportWait = (call: Call) => {
    const token = call.paramsText?.object("_meta")?.raw("progressToken")
    if (token === undefined) return undefined
    let steps = 0
    return ({ actionId }: Pick<PendingApproval, "actionId">) =>
      Effect.suspend(() =>
        tellClient(
          notificationText(
            "notifications/progress",
            // Progress has to grow, and the server's own may begin at 1 when the wait is over.
            `{"progressToken":${token},"progress":${++steps / 1e6},"message":${
              JSON.stringify(`waiting for a reviewer's approval as ${actionId}`)
            }}`
          ),
          call.id
        )
      ).pipe(Effect.repeat(Schedule.spaced(progressEvery)), Effect.asVoid)
  }

  const submit = Effect.fnUntraced(function*(call: Call) {
    const { allowDuplicate, isBusinessHours, reconcile, reference, retry, same } = options
    const { method, tool } = actionOf(call)
    const { value } = yield* Effect.mapError(
      Effect.fromResult(call.given),
      (issues) => invalidRequest(call.method, issues)
    )
    const since = yield* Clock.currentTimeMillis
    const { era } = call
    const isInRounds = era._tag === "Modern" && roundMethods.has(call.method) && asking === undefined
    const submitted = Clearance.run({
      tool,
      method,
      params: value,
      isBusinessHours,
      reference,
      allowDuplicate,
      retry,
      reconcile,
      same,
      onPending: asking !== undefined || era._tag === "Modern"
        ? { _tag: "Fail" }
        : onPending?._tag === "Wait"
        ? onPending
        : undefined,
      joins: isInRounds ? { timeout: rounds.first ?? "25 seconds" } : undefined,
      whileWaiting: reportWait(call)
    }, (actionId) => pass(call, call.object.text, { actionId, round: 0 }))
    const done = yield* Effect.catchTag(submitted, "PendingApproval", (pending) =>
      isInRounds
        ? Effect.as(wait(call, era, pending.actionId, { polls: 0, until: since + longestWait }), undefined)
        : Effect.fail(pending))
    if (done !== undefined) yield* report(call, done)
  })

  /** Why a tool or a prompt may not be used: it says something else than when it was approved. */
  const refusalByPins = (kind: Kind, name: string): Effect.Effect<string | undefined> => {
    const { pinAlso = [], pins, tool } = options
    if (pins === undefined || (kind === "prompts" && !pinAlso.includes("prompts"))) return Effect.succeed(undefined)
    const what = `${kind === "tools" ? "tool" : "prompt"} ${name}`
    return Effect.matchEffect(pins.hasChanged(pinOf(tool, kind, name)), {
      onFailure: (error) => Effect.as(Effect.logError(error.message), mcpResults.pinsUnreadable(what)),
      onSuccess: (hasChanged) => Effect.succeed(hasChanged ? mcpResults.changed(what) : undefined)
    })
  }

  // --- pending actions

  const longestWait = onPending?._tag === "Wait" && onPending.timeout !== undefined
    ? Math.min(Duration.toMillis(onPending.timeout), defaultWait)
    : defaultWait

  const hold = (call: Call, actionId: ActionId) =>
    Effect.suspend(() => {
      if (call.method !== "tools/call") return refuse(call, mcpResults.pendingStill(actionId), actionId)
      return Effect.gen(function*() {
        const one = { name: call.name, params: withoutAnswers(call.paramsText!), principal }
        if (call.era._tag === "Legacy") {
          // Its conversation is in this process alone, and what it has asked for is performed here or nowhere.
          waiting.set(actionId, one)
        } else {
          const until = (yield* Clock.currentTimeMillis) + askLife
          waiting.set(actionId, { ...one, until })
          yield* Effect.catch(
            claims.remember(actionId, JSON.stringify({ ...one, until }), until),
            ({ message }) => Effect.logWarning(message)
          )
        }
        if (waiting.size > maxWaiting) waiting.delete(waiting.keys().next().value!)
        yield* refuse(call, mcpResults.waitsFor(actionId, checkTool), actionId)
      })
    })

  /** One round of a modern client's wait. */
  const wait = Effect.fnUntraced(function*(
    call: Call,
    era: Modern,
    actionId: ActionId,
    { polls, until }: { readonly polls: number; readonly until: number }
  ): Effect.fn.Return<void, Refusal.Refused, Clearance.Services> {
    const left = Math.max(until - (yield* Clock.currentTimeMillis), 0)
    const round = Duration.toMillis(polls === 0 ? rounds.first ?? "25 seconds" : rounds.next ?? "45 seconds")
    const approving = Clearance.wait(actionId, {
      timeout: Duration.millis(Math.min(left, round)),
      ...(onPending?._tag === "Wait" && onPending.poll !== undefined ? { poll: onPending.poll } : {})
    })
    const progress = reportWait(call)
    const approved = yield* Effect.catchTag(
      progress === undefined
        ? approving
        : Effect.raceFirst(approving, Effect.andThen(progress({ actionId }), Effect.never)),
      "ApprovalTimeout",
      (error) => left > round ? Effect.succeed(undefined) : Effect.fail(error)
    )
    if (approved !== undefined) {
      // What the client says beside its state is its answer to the proxy, not to the server.
      const text = call.object.with({
        params: call.paramsText!.with({ requestState: undefined, inputResponses: undefined })
      })
      const passing = { actionId, round: 0, until: (yield* Clock.currentTimeMillis) + claimLife }
      return yield* perform(call, approved, polls === 0 ? call.object.text : text, passing)
    }
    if (polls >= (rounds.max ?? 8) || !takesRounds(era)) return yield* hold(call, actionId)
    const state = sealer.seal({
      act: actionId,
      space: claims.space,
      sub: principal,
      dig: digestOf(call),
      phase: "pending",
      round: 0,
      polls: polls + 1,
      exp: until
    })
    const url = polls === 0 && canOpenUrls(era) ? inbox?.(actionId) : undefined
    yield* answer(call, "result", JSON.stringify(mcpResults.askAgain(state, actionId, url)))
  })

  /** Asks for the decision on a pending call, and performs it in the name of the question. */
  const check = Effect.fnUntraced(function*(call: Call) {
    const given = decodeActionId(JsonRpc.member(call.params, "arguments")["action_id"])
    if (given._tag === "None") return yield* refuse(call, mcpResults.badActionId)
    const actionId = given.value
    const here = waiting.get(actionId)
    const one = here ?? Option.getOrUndefined(decodeWaiting(yield* claims.recall(actionId)))
    const now = yield* Clock.currentTimeMillis
    if (one?.principal !== principal || (one.until !== undefined && now >= one.until)) {
      return yield* refuse(call, mcpResults.nothingWaits)
    }
    const wrong = yield* refusalByPins("tools", one.name)
    if (wrong !== undefined) return yield* refuse(call, wrong, actionId)
    const approved = yield* Effect.tapError(
      Clearance.wait(actionId, { timeout: patience }),
      ({ _tag }) =>
        Effect.sync(() => {
          if (_tag === "Rejected" || _tag === "Expired") waiting.delete(actionId)
        })
    )
    yield* Effect.uninterruptible(Effect.gen(function*() {
      // Two questions may get the same approval.
      if (here !== undefined && !waiting.delete(actionId)) return yield* refuse(call, mcpResults.nothingWaits)
      const { params } = one
      const until = (yield* Clock.currentTimeMillis) + claimLife
      yield* perform(call, approved, inPlaceOf(call, params), { actionId, round: 0, until, onBehalfOf: params })
    }))
  })

  // --- repetitions

  /** What a repetition continues, or why it continues nothing. */
  const stateOf = (call: Call, now: number): Result.Result<RequestState, string> => {
    const sealed = call.params["requestState"]
    if (call.era._tag === "Legacy") {
      return Result.fail("requestState and inputResponses: Expected none in this revision")
    }
    if (sealed === undefined) return Result.fail("inputResponses: Expected the requestState that they answer")
    const state = typeof sealed === "string" ? sealer.open(sealed) : undefined
    if (state === undefined) return Result.fail("requestState: it was not issued here, or was changed")
    if (state.sub !== principal) return Result.fail("requestState: it was issued to another client")
    if (state.dig !== digestOf(call)) return Result.fail("requestState: it belongs to another request")
    if (state.exp < now) return Result.fail(`requestState: it has expired; the action is ${state.act}`)
    if (state.space !== claims.space) {
      return Result.fail(`requestState: it was issued by another process; the action is ${state.act}`)
    }
    return Result.succeed(state)
  }

  const goOn = Effect.fnUntraced(function*(call: Call) {
    const found = stateOf(call, yield* Clock.currentTimeMillis)
    if (Result.isFailure(found)) return yield* answerError(call, JsonRpc.ErrorCode.invalidParams, found.failure)
    const { act: actionId, exp, of: first, phase, polls, round, up } = found.success
    yield* Effect.annotateCurrentSpan({ "vargate.action_id": actionId })
    if (phase === "pending") {
      const own = JsonRpc.member(JsonRpc.member(call.params, "inputResponses"), mcpResults.ownRequest)
      return yield* own["action"] === "decline"
        ? hold(call, actionId)
        : wait(call, call.era as Modern, actionId, { polls, until: exp })
    }
    const responses = call.paramsText!.raw("inputResponses")
    if (responses !== undefined) {
      yield* Effect.annotateCurrentSpan({ "vargate.mcp.input_responses_digest": sha256(responses) })
    }
    const text = first === undefined
      ? call.object.with({ params: call.paramsText!.with({ requestState: up }) })
      : inPlaceOf(call, first, { requestState: up, inputResponses: responses })
    const passing = { actionId, round, until: exp + stateLife, onBehalfOf: first }
    yield* Effect.uninterruptible(passOnce(call, passing, pass(call, text, passing)))
  })

  // --- all of them

  const isRepetition = ({ params }: Call) =>
    params["requestState"] !== undefined || params["inputResponses"] !== undefined

  const isCheck = ({ era, method, name }: Call) =>
    method === "tools/call" && name === checkTool && (asking !== undefined || era._tag === "Modern")

  /** The same call waits already, and can be asked after. */
  const isAskedAgain = (error: Refusal.Refused) => {
    if (error._tag !== "VargateError" || error.reason._tag !== "Joined") return undefined
    const { actionId, outcome } = error.reason
    const isOurs = outcome === "pending" && waiting.get(actionId)?.principal === principal
    return isOurs ? mcpResults.waitsFor(actionId, checkTool) : undefined
  }

  const carryOut = (call: Call): Effect.Effect<void> =>
    Effect.suspend((): Effect.Effect<void, Refusal.Refused, Clearance.Services> =>
      isRepetition(call) ? goOn(call) : isCheck(call) ? check(call) : submit(call)
    ).pipe(
      Effect.catch((error) =>
        Effect.andThen(
          Refusal.report(call.name, error),
          error._tag === "PendingApproval" && asking !== undefined && call.params["task"] === undefined
            ? hold(call, error.actionId)
            : refuse(call, isAskedAgain(error) ?? tell(error), Refusal.actionIdOf(error))
        )
      ),
      // Options are functions of the program's: a fault in one must not leave the client waiting.
      Effect.catchDefect((defect) =>
        Effect.andThen(Effect.logError(`${call.name}: a fault`, defect), refuse(call, mcpResults.fault))
      ),
      Clearance.withSpan(call.name, call.id.replaceAll("\"", "")),
      Effect.provideService(Client, client),
      Effect.provideContext(services)
    )

  /** Of what was submitted. */
  const digestOf = (call: Call) =>
    sha256(
      JSON.stringify([
        options.tool,
        call.method,
        call.name,
        Result.isSuccess(call.given) ? call.given.success.text : ""
      ])
    )

  return { asksForWithheld, carryOut, checkTool, isCheck, refusalByPins, refuse }
}

/** How a call ended by what the server answered: what it asks for, and what it does later, is no end. */
const endedWith = (member: "result" | "error", json: string): Ended => {
  if (member === "error") return new Ended("failed")
  const result: unknown = JSON.parse(json)
  if (!JsonRpc.isRecord(result)) return new Ended("performed", result)
  if (result["resultType"] === "input_required" || result["resultType"] === "task" || "task" in result) {
    return new Ended("left")
  }
  return result["isError"] === true ? new Ended("failed") : new Ended("performed", result)
}

const isLeft = new Ending(() => new Ended("left"))

type Answered = Extract<ServerAnswer, { readonly _tag: "Answered" }>

/** Params without what a client says to the proxy. */
const withoutAnswers = (params: ObjectText): string =>
  params.with({ _meta: undefined, requestState: undefined, inputResponses: undefined })

/** A call with these params, in the name of the question after it, and with what that says of itself. */
const inPlaceOf = (
  { object, paramsText }: Call,
  params: string,
  answers: Readonly<Record<string, string | undefined>> = {}
): string => object.with({ params: objectAt(params)!.with({ _meta: paramsText?.raw("_meta"), ...answers }) })
