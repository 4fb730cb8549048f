/**
 * The two directions of a governed conversation: which message is passed on, and which one waits for leave.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { snapshotText, type Taken } from "../../calls/internal/paramsSnapshot.ts"
import type { StorageFailed } from "../../errors/VargateError.ts"
import * as Clearance from "../../governed/Clearance.ts"
import { maxParamsLength } from "../../internal/limits.ts"
import { Agent } from "../../model/Agent.ts"
import { HandOverClaims } from "../HandOverClaims.ts"
import * as JsonRpc from "../JsonRpc.ts"
import { type ChannelFailed, type Incoming, type McpChannel, Unanswered, Unreadable } from "../McpChannel.ts"
import type { Options } from "../ProxyOptions.ts"
import type { Listed } from "../ToolPins.ts"
import type { Call, ClientRequest, ServerAnswer, Shared } from "./conversation.ts"
import { eraOf, metaKeys } from "./era.ts"
import * as governedCalls from "./governedCalls.ts"
import {
  checkToolText,
  instructionsIn,
  type Kind,
  listed,
  misreadInstructions,
  pinnedIn,
  pinOf,
  withKnownVersions
} from "./listing.ts"
import * as mcpResults from "./mcpResults.ts"
import { misread, namesOf } from "./memberNames.ts"
import { errorText, findById, keyOfId, messagesIn, type Read, readMessage } from "./messages.ts"
import { askedFor, knownNotifications, knownRequests } from "./methods.ts"
import { objectAt, type ObjectText } from "./rawMessage.ts"

/** No text of params that the gateway takes is longer, however it is spelled: `\u0041` is one character for it. */
const maxGovernedText = 8 * maxParamsLength

const maxTasks = 100_000

/**
 * The state of one conversation. `principal` is on whose behalf the client asks, where that is known.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function*(
  client: McpChannel,
  server: McpChannel,
  options: Options,
  shared: Shared,
  principal: string | null
) {
  const scope = yield* Effect.scope
  const { allow, govern = [], methods = [], pinAlso = [], withhold = [] } = options

  const calls = new Map<string, Call>()
  /** Every other request of the client that is not answered yet. */
  const requests = new Map<string, ClientRequest>()

  /** A client that has disconnected needs no answer. */
  const tellClient = (message: string, relatedTo?: string) => Effect.ignore(client.send(message, relatedTo))
  const tellError = (id: string | undefined, code: number, why: string, data?: unknown) =>
    tellClient(errorText(id, code, why, data))

  const { asksForWithheld, carryOut, checkTool, isCheck, refusalByPins, refuse } = governedCalls.make({
    options,
    shared,
    claims: yield* HandOverClaims,
    principal: JSON.stringify([(yield* Agent).id, principal]),
    client: principal ?? undefined,
    onTask: (taskId) => {
      if (principal === null) return
      shared.tasks.set(taskId, principal)
      if (shared.tasks.size > maxTasks) shared.tasks.delete(shared.tasks.keys().next().value)
    },
    services: yield* Clearance.services,
    server,
    calls,
    tellClient
  })

  const isOffered = (name: string) => allow === undefined || allow.includes(name)

  // --- from the client

  const call = Effect.fnUntraced(function*(request: ClientRequest) {
    const { id, params, paramsText } = request
    const invalid = (why: string) => tellError(id, JsonRpc.ErrorCode.invalidParams, why)
    const isTool = request.method === "tools/call"
    const wrong = misread(params, isTool ? namesOf.call : namesOf.read)
    if (wrong !== undefined) return yield* invalid(wrong)
    const { name } = params
    if (isTool && typeof name !== "string") return yield* invalid("name: Expected string")
    const given = isTool
      ? paramsText?.raw("arguments") ?? "{}"
      : paramsText?.with({ _meta: undefined, requestState: undefined, inputResponses: undefined }) ?? "{}"
    if (isTool && "arguments" in params && !JsonRpc.isRecord(params["arguments"])) {
      return yield* invalid("arguments: Expected object")
    }
    const taken: Taken = given.length > maxGovernedText
      ? Result.fail([{ path: ["body", "params"], message: `Expected at most ${maxParamsLength} characters` }])
      : snapshotText(given)
    if (Result.isFailure(taken) && taken.failure.some(({ message }) => message.startsWith("Expected each key once"))) {
      const { message, path } = taken.failure[0]!
      return yield* invalid(`${["arguments", ...path.slice(2)].join(".")}: ${message}`)
    }
    const one: Call = {
      ...request,
      name: isTool ? name as string : request.method,
      given: taken,
      answer: yield* Deferred.make<ServerAnswer>(),
      handedOver: undefined,
      fiber: undefined
    }
    calls.set(keyOfId(id), one)
    if (isTool && !isCheck(one) && !isOffered(one.name)) return yield* refuse(one, mcpResults.notOffered(one.name))
    one.fiber = yield* Effect.forkIn(isTool ? asApproved(one) : carryOut(one), scope)
  })

  /** Carries a call out, unless its tool says something else than when it was approved. */
  const asApproved = (one: Call) =>
    isCheck(one)
      ? carryOut(one)
      : Effect.flatMap(
        refusalByPins("tools", one.name),
        (refusal) => refusal === undefined ? carryOut(one) : refuse(one, refusal)
      )

  /** True where the server has to hear of it too. */
  const cancel = Effect.fnUntraced(function*(id: string) {
    const key = keyOfId(id)
    const one = calls.get(key)
    if (one === undefined) {
      requests.delete(key)
      return true
    }
    calls.delete(key)
    if (one.handedOver === undefined && one.fiber !== undefined) yield* Fiber.interrupt(one.fiber)
    yield* Deferred.succeed(one.answer, { _tag: "Lost", isUnsent: false })
    return one.handedOver !== undefined
  })

  const passOn = (message: string, request?: ClientRequest) =>
    Effect.catch(server.send(message), (error) =>
      request !== undefined && requests.delete(keyOfId(request.id))
        ? tellError(request.id, JsonRpc.ErrorCode.connectionClosed, error.message)
        : Effect.logWarning(error.message))

  /** The declared capabilities without those that the server must not use. */
  const narrowed = (capabilities: ObjectText | undefined) =>
    capabilities !== undefined && withhold.some((name) => capabilities.raw(name) !== undefined)
      ? capabilities.with(Object.fromEntries(withhold.map((name) => [name, undefined])))
      : undefined

  /** A message as the server is to get it. */
  const narrow = (message: ObjectText): ObjectText => {
    const params = message.object("params")
    const meta = params?.object("_meta")
    const changes: Record<string, string> = {}
    const modern = narrowed(meta?.object(metaKeys.clientCapabilities))
    if (modern !== undefined) changes["_meta"] = meta!.with({ [metaKeys.clientCapabilities]: modern })
    const legacy = message.raw("method") === `"initialize"` ? narrowed(params?.object("capabilities")) : undefined
    if (legacy !== undefined) changes["capabilities"] = legacy
    return Object.keys(changes).length === 0 ? message : objectAt(message.with({ params: params!.with(changes) }))!
  }

  const onNotification = Effect.fnUntraced(function*(method: string, { object, value }: Read) {
    if (!knownNotifications.includes(method) && !methods.includes(method)) {
      return yield* knownRequests.includes(method)
        ? tellError(undefined, JsonRpc.ErrorCode.invalidRequest, `${method} needs an id: it was dropped`)
        : Effect.logWarning(`a notification of the client is not passed on: ${JSON.stringify(method)}`)
    }
    if (method === "notifications/cancelled") {
      const params = object.object("params")
      const requestId = params?.raw("requestId")
      const wrong = misread(JsonRpc.member(value, "params"), namesOf.cancellation)
      if (wrong !== undefined || params?.repeated !== undefined || requestId === undefined) return
      if (!/^["\d-]/.test(requestId) || !(yield* cancel(requestId))) return
    }
    yield* passOn(object.text)
  })

  const onRequest = Effect.fnUntraced(function*(id: string, method: string, { object, value }: Read) {
    const invalid = (why: string) => tellError(id, JsonRpc.ErrorCode.invalidParams, why)
    if (!knownRequests.includes(method) && !methods.includes(method)) {
      return yield* tellError(id, JsonRpc.ErrorCode.methodNotFound, `${method} is not passed on here`)
    }
    if (calls.has(keyOfId(id)) || requests.has(keyOfId(id))) {
      return yield* tellError(id, JsonRpc.ErrorCode.invalidRequest, "a request with this id is not answered yet")
    }
    if ("params" in value && !JsonRpc.isRecord(value["params"])) return yield* invalid("params: Expected object")
    const params = JsonRpc.member(value, "params")
    const text = object.object("params")
    const meta = text?.object("_meta")
    const repeated = text?.repeated ?? meta?.repeated
    if (repeated !== undefined) return yield* invalid(`${JSON.stringify(repeated)} stands twice`)
    const wrong = misread(JsonRpc.member(params, "_meta"), namesOf.meta)
    if (wrong !== undefined) return yield* invalid(`_meta: ${wrong}`)
    const era = eraOf(method, params)
    if (era._tag === "BadEnvelope") return yield* tellError(id, era.code, era.message, era.data)
    const passed = withhold.length === 0 ? object : narrow(object)
    const token = meta?.raw("progressToken")
    const request: ClientRequest = {
      id,
      method,
      era,
      object: passed,
      params,
      paramsText: passed === object ? text : passed.object("params"),
      tokenKey: token !== undefined && /^["\d-]/.test(token) ? keyOfId(token) : undefined
    }
    // A task belongs to the client that it was given to.
    if (principal !== null && method.startsWith("tasks/") && shared.tasks.get(params["taskId"]) !== principal) {
      return yield* invalid("taskId: there is no such task")
    }
    if (method === "prompts/get" && typeof params["name"] === "string") {
      const refusal = yield* refusalByPins("prompts", params["name"])
      if (refusal !== undefined) return yield* invalid(refusal)
    }
    if (method === "tools/call" || (govern as ReadonlyArray<string>).includes(method)) return yield* call(request)
    requests.set(keyOfId(id), request)
    yield* passOn(passed.text, request)
  })

  const onClient = Effect.fnUntraced(function*(received: Incoming) {
    if (received instanceof Unanswered) {
      return yield* passOn(errorText(received.id, JsonRpc.ErrorCode.connectionClosed, received.why))
    }
    if (received instanceof Unreadable) {
      // The server waits for an answer that cannot be passed on.
      if (received.id !== undefined && !received.hasMethod) {
        return yield* passOn(errorText(received.id, JsonRpc.ErrorCode.internalError, received.why))
      }
      return yield* tellError(received.id, JsonRpc.ErrorCode.invalidRequest, received.why)
    }
    const reading = readMessage(received)
    if (Result.isFailure(reading)) {
      return yield* tellError(reading.failure.id, reading.failure.code, reading.failure.why)
    }
    const read = reading.success
    const { method } = read.value
    if (typeof method !== "string") return yield* passOn(read.object.text)
    if ("id" in read.value && read.id === undefined) {
      return yield* tellError(undefined, JsonRpc.ErrorCode.invalidRequest, "id: Expected string or number")
    }
    yield* read.id === undefined ? onNotification(method, read) : onRequest(read.id, method, read)
  })

  // --- from the server

  /** The client hears of an answer that cannot be passed on. */
  const answerClient = ({ id }: ClientRequest, answer: ObjectText, changed?: string) => {
    const text = changed ?? answer.text
    // A server that holds numbers as doubles may have answered another id.
    const named = answer.raw("id") === id ? text : objectAt(text)!.with({ id })
    return Effect.ignore(
      Effect.catch(
        client.send(named),
        ({ message }) => client.send(errorText(id, JsonRpc.ErrorCode.internalError, message))
      )
    )
  }

  const tellMisread = (id: string, why: string) =>
    tellError(id, JsonRpc.ErrorCode.internalError, `the server's answer cannot be passed on: ${why}`)

  const onResponse = (id: string, read: Read): Effect.Effect<void> => {
    const { object, value } = read
    const one = findById(calls, id)
    if (one !== undefined) {
      return one.handedOver === undefined
        // It has not been sent to the server yet.
        ? Effect.void
        : Effect.asVoid(Deferred.succeed(one.answer, { _tag: "Answered", object, value }))
    }
    const request = findById(requests, id)
    if (request === undefined) return Effect.logDebug("the MCP server answered what was not asked, or not any more")
    requests.delete(keyOfId(request.id))
    const result = object.object("result")
    if (result === undefined) {
      return answerClient(
        request,
        object,
        request.era._tag === "Modern" ? withKnownVersions(object, value) : undefined
      )
    }
    if (asksForWithheld(result)) return tellMisread(request.id, "it asks for what is withheld from the server")
    const answering = answersOf.get(request.method)
    return answering === undefined
      ? answerClient(request, object)
      : Effect.catch(
        answering(request, read, result),
        ({ message }) => Effect.andThen(Effect.logError(message), tellMisread(request.id, "its pins"))
      )
  }

  type Answering = (request: ClientRequest, read: Read, result: ObjectText) => Effect.Effect<void, StorageFailed>

  const onList = (kind: Kind): Answering =>
    Effect.fnUntraced(function*(request, { object, value }, result) {
      const offersCheck = kind === "tools" &&
        (options.onPending?._tag === "Answer" || request.era._tag === "Modern")
      const said = JsonRpc.member(value, "result")
      if (kind === "tools") shared.mirrored.learn(said)
      const changed = yield* changedAmong(pinnedIn(options.tool, kind, result))
      const text = listed(request.era, kind, result, said, {
        isListed: (name) =>
          (kind === "prompts" || isOffered(name)) && !changed.has(pinOf(options.tool, kind, name)) &&
          !(offersCheck && name === checkTool),
        checkTool: offersCheck ? checkToolText(checkTool) : undefined
      })
      if (Result.isFailure(text)) return yield* tellMisread(request.id, text.failure)
      yield* answerClient(
        request,
        object,
        text.success === undefined ? undefined : object.with({ result: text.success })
      )
    })

  /** The server says what it is. */
  const onServerInfo: Answering = Effect.fnUntraced(function*(request, { object, value }, result) {
    const toTell = (answer: ObjectText) =>
      request.method === "server/discover" ? withKnownVersions(answer, value) : answer.text
    if (!pinAlso.includes("instructions")) return yield* answerClient(request, object, toTell(object))
    const said = JsonRpc.member(value, "result")
    const wrong = misreadInstructions(result, said)
    if (wrong !== undefined) return yield* tellMisread(request.id, wrong)
    const changed = yield* changedAmong(instructionsIn(options.tool, said))
    const told = changed.size === 0
      ? object
      : objectAt(object.with({ result: result.with({ instructions: undefined }) }))!
    yield* answerClient(request, object, toTell(told))
  })

  const answersOf: ReadonlyMap<string, Answering> = new Map([
    ["tools/list", onList("tools")],
    ...(pinAlso.includes("prompts") ? [["prompts/list", onList("prompts")]] as const : []),
    ["initialize", onServerInfo],
    ["server/discover", onServerInfo]
  ])

  /** What is something else than when it was approved. */
  const changedAmong = (found: ReadonlyArray<Listed>) =>
    options.pins === undefined
      ? Effect.succeed<ReadonlySet<string>>(new Set())
      : Effect.tap(options.pins.look(found), (changed) =>
        changed.size === 0
          ? Effect.void
          : Effect.logWarning(
            `changed since approved, and not offered: ${[...changed].map((one) => JSON.stringify(one)).join(", ")}`
          ))

  /** An answer that one client reads as the answer to this request, and another as something else, or that is too long. */
  const onMisread = Effect.fnUntraced(function*(
    { hasMethod, id, why }: { readonly why: string; readonly id: string | undefined; readonly hasMethod: boolean }
  ) {
    yield* Effect.logWarning(`a message of the MCP server is not passed on: ${why}`)
    if (id === undefined) return
    if (hasMethod) {
      return yield* Effect.ignore(server.send(errorText(id, JsonRpc.ErrorCode.invalidRequest, why)))
    }
    const one = findById(calls, id)
    const request = findById(requests, id)
    if (one?.handedOver !== undefined) {
      yield* Deferred.succeed(one.answer, { _tag: "Lost", isUnsent: false })
    } else if (request !== undefined && requests.delete(keyOfId(request.id))) {
      yield* tellMisread(request.id, why)
    }
  })

  const onUnanswered = ({ id, isUnsent, why }: Unanswered) => {
    const one = findById(calls, id)
    if (one?.handedOver !== undefined) return Deferred.succeed(one.answer, { _tag: "Lost", isUnsent })
    const request = findById(requests, id)
    return request !== undefined && requests.delete(keyOfId(request.id))
      ? tellError(request.id, JsonRpc.ErrorCode.connectionClosed, why)
      : Effect.void
  }

  const requestOf = (token: string | undefined) => {
    if (token === undefined || !/^["\d-]/.test(token)) return undefined
    const key = keyOfId(token)
    for (const open of [calls, requests]) {
      for (const { id, tokenKey } of open.values()) if (tokenKey === key) return id
    }
    return undefined
  }

  const withheld: ReadonlyArray<unknown> = withhold.map((capability) => askedFor[capability])

  const onServer = (received: Incoming): Effect.Effect<unknown> => {
    if (received instanceof Unreadable) return onMisread(received)
    if (received instanceof Unanswered) return onUnanswered(received)
    const reading = readMessage(received)
    if (Result.isFailure(reading)) {
      // Whatever a server prints beside its messages is not part of the conversation.
      return reading.failure.isMessage
        ? onMisread(reading.failure)
        : Effect.logDebug("the MCP server wrote something that is no message")
    }
    const { id, object, value } = reading.success
    const { method } = value
    if (id !== undefined && method === undefined) return onResponse(id, reading.success)
    if (id !== undefined && withheld.includes(method)) {
      return Effect.ignore(
        server.send(errorText(id, JsonRpc.ErrorCode.methodNotFound, "the client does not offer this"))
      )
    }
    return tellClient(
      object.text,
      method === "notifications/progress" ? requestOf(object.object("params")?.raw("progressToken")) : undefined
    )
  }

  // --- ends

  /**
   * The client has disconnected. What can be performed at once is performed, since it was asked for; pending calls are
   * not.
   */
  const abandon = Effect.suspend(() => {
    const fibers = Array.from(calls.values(), ({ fiber }) => fiber).filter((fiber) => fiber !== undefined)
    return Fiber.awaitAll(fibers).pipe(
      Effect.timeoutOption("1 second"),
      Effect.andThen(Fiber.interruptAll(fibers))
    )
  })

  const serverHasGone = Effect.suspend(() =>
    Effect.andThen(
      Effect.forEach([...calls.values()], (one) =>
        one.handedOver === undefined
          ? Effect.andThen(
            one.fiber === undefined ? Effect.void : Fiber.interrupt(one.fiber),
            // It may have been answered meanwhile, or have come through.
            Effect.suspend(() =>
              refuse(
                one,
                one.handedOver === undefined ? mcpResults.serverGone : mcpResults.answerLost(one.handedOver),
                one.handedOver
              )
            )
          )
          : refuse(one, mcpResults.answerLost(one.handedOver), one.handedOver)),
      Effect.forEach(
        [...requests.values()],
        ({ id }) => tellError(id, JsonRpc.ErrorCode.connectionClosed, "the MCP server has ended")
      )
    )
  )

  return {
    fromClient: Stream.runForEach(messages(client), onClient),
    fromServer: Stream.runForEach(messages(server), onServer),
    abandon,
    serverHasGone
  }
})

const messages = ({ incoming }: McpChannel): Stream.Stream<Incoming, ChannelFailed> =>
  Stream.flatMap(
    incoming,
    (message) => Stream.fromIterable<Incoming>(typeof message === "string" ? messagesIn(message) : [message])
  )
