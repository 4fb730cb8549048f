/**
 * The two directions of a governed conversation: which message is passed on, and which one waits for leave.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ActionName } from "../../ai/GovernedTool.ts"
import type * as Approvals from "../../approvals/Approvals.ts"
import { snapshotParams, type Taken } from "../../calls/internal/paramsSnapshot.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { PendingApproval } from "../../errors/VargateError.ts"
import * as Clearance from "../../governed/Clearance.ts"
import * as Governed from "../../governed/Governed.ts"
import { begun } from "../../governed/internal/begun.ts"
import * as Refusal from "../../governed/Refusal.ts"
import { ActionId } from "../../model/ActionId.ts"
import type { ToolCallRequest } from "../../model/ToolCall.ts"
import * as JsonRpc from "../JsonRpc.ts"
import type { McpChannel } from "../McpChannel.ts"
import { copyMessage } from "./copyMessage.ts"
import * as mcpResults from "./mcpResults.ts"
import { misread, misreadMessage, namesOf } from "./memberNames.ts"

/**
 * Answers a pending call at once with the id of the action, and offers a tool to ask again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly _tag: "Answer"
  /** Default: `vargate_check_approval`. */
  readonly checkTool: string
  /** How long one question after the decision waits for it. */
  readonly patience: Duration.Input
}

/**
 * How a server is governed.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options
  extends Governed.Submission, Pick<ToolCallRequest, "isBusinessHours" | "reference" | "allowDuplicate">
{
  /**
   * The name that the server's calls are submitted under, as `tool`; the `method` is the name of the MCP tool. Default: the
   * name that the server has itself, with `-` for what the gateway does not take. Give one where policies name it: a
   * server may change its mind.
   */
  readonly tool?: string | undefined
  /** Both names of a call, where they are to be others. `server` is what `tool` says. */
  readonly action?: ((name: string, server: string) => ActionName) | undefined
  /** The tools that the client may see and call. Default: all. */
  readonly allow?: ReadonlyArray<string> | undefined
  /** What to do when a call is pending: `Governed.wait()` (the default), or `GovernedMcpProxy.answer`. */
  readonly onPending?: (Approvals.AwaitOptions & { readonly _tag: "Wait" }) | Answer | undefined
  /** How often a client that asked for progress hears that its call waits. Default: at once, then every 10 seconds. */
  readonly progressEvery?: Duration.Input | undefined
  /** Writes what the model is told in place of a result. Default: `Refusal.reasonOf`. */
  readonly tell?: ((error: Refusal.Refused) => string) | undefined
}

/** A `tools/call` of the client that is not answered yet. */
interface Call {
  readonly id: JsonRpc.Id
  readonly name: string
  readonly params: JsonRpc.Message
  /** What is submitted, and what the server gets. */
  readonly given: Taken
  /** Done when the server's answer is no longer waited for. */
  readonly over: Deferred.Deferred<void>
  /** Set when the server has got it. */
  handedOver: ActionId | undefined
  fiber: Fiber.Fiber<void> | undefined
}

const maxHeld = 1000
const decodeActionId = Schema.decodeUnknownOption(ActionId)

/**
 * The state of one conversation.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function*(client: McpChannel, server: McpChannel, options: Options) {
  const scope = yield* Effect.scope
  const services = yield* Clearance.services
  const { allow, onPending, progressEvery = "10 seconds", tell = Refusal.reasonOf } = options
  const asking = onPending?._tag === "Answer" ? onPending : undefined

  const calls = new Map<JsonRpc.Id, Call>()
  /** Every other request of the client that is not answered yet. */
  const requests = new Map<JsonRpc.Id, JsonRpc.Request>()
  /** Calls that were answered with the id of an action, and are to be performed when the client asks for it again. */
  const waiting = new Map<ActionId, Call>()
  let serverName = options.tool ?? "mcp"

  const isOffered = (name: string) => allow === undefined || allow.includes(name)
  /** A client that has disconnected needs no answer. */
  const tellClient = (message: JsonRpc.Message, relatedTo?: JsonRpc.Id) =>
    Effect.ignore(client.send(message, relatedTo))

  // --- calls

  const answer = (call: Call, result: JsonRpc.Message) =>
    Effect.suspend(() => calls.delete(call.id) ? tellClient(JsonRpc.result(call.id, result)) : Effect.void)

  const refuse = (call: Call, text: string, actionId?: ActionId) =>
    // A task that was never begun is no task: its answer has another form than a result.
    call.params["task"] === undefined
      ? answer(call, mcpResults.failure(text, actionId))
      : Effect.suspend(() =>
        calls.delete(call.id)
          ? tellClient(JsonRpc.error(call.id, JsonRpc.ErrorCode.invalidRequest, text))
          : Effect.void
      )

  /** Passes the call to the server, in the name of the request that waits for its answer. */
  const handOver = (call: Call, params: JsonRpc.Message, actionId: ActionId) =>
    Effect.suspend(() => {
      call.handedOver = actionId
      return server.send(JsonRpc.request(call.id, "tools/call", params)).pipe(
        Effect.matchEffect({
          onFailure: () => refuse(call, mcpResults.answerLost(actionId), actionId),
          onSuccess: () => Effect.interruptible(Deferred.await(call.over))
        })
      )
    })

  /** The client gets the gateway's result where the gateway executed the call; the server's comes by itself. */
  const report = Effect.fnUntraced(function*(call: Call, done: Governed.Done<void>) {
    if (done.executedBy === "gateway") {
      yield* answer(call, mcpResults.executed(yield* Clearance.resultOf(done), done.actionId))
    }
  })

  const reportWait = (call: Call) => {
    const { progressToken } = JsonRpc.member(call.params, "_meta")
    if (progressToken === undefined) return undefined
    let steps = 0
    return ({ actionId }: PendingApproval) =>
      Effect.suspend(() =>
        tellClient(
          JsonRpc.notification("notifications/progress", {
            progressToken,
            // Progress has to grow, and the server's own may begin at 1 when the wait is over.
            progress: ++steps / 1e6,
            message: `waiting for a reviewer's approval as ${actionId}`
          }),
          call.id
        )
      ).pipe(Effect.repeat(Schedule.spaced(progressEvery)), Effect.asVoid)
  }

  const submit = Effect.fnUntraced(function*(call: Call) {
    const { allowDuplicate, isBusinessHours, reconcile, reference, retry } = options
    const action = options.action?.(call.name, serverName) ?? { tool: serverName, method: call.name }
    const { value } = yield* Effect.mapError(
      Effect.fromResult(call.given),
      (issues) => invalidRequest("tools/call", issues)
    )
    const done = yield* Clearance.run({
      tool: action.tool,
      method: action.method,
      params: value,
      isBusinessHours,
      reference,
      allowDuplicate,
      retry,
      reconcile,
      onPending: onPending?._tag === "Wait" ? onPending : asking === undefined ? undefined : { _tag: "Fail" },
      whileWaiting: reportWait(call)
    }, (actionId) => handOver(call, written(call), actionId))
    yield* report(call, done)
  })

  const hold = (call: Call, checkTool: string, actionId: ActionId) =>
    Effect.suspend(() => {
      waiting.set(actionId, call)
      if (waiting.size > maxHeld) waiting.delete(waiting.keys().next().value!)
      return refuse(call, mcpResults.waitsFor(actionId, checkTool), actionId)
    })

  /** Asks for the decision on a pending call, and performs it in the name of the question. */
  const check = Effect.fnUntraced(function*(call: Call, patience: NonNullable<typeof asking>["patience"]) {
    const given = decodeActionId(JsonRpc.member(call.params, "arguments")["action_id"])
    if (given._tag === "None") return yield* refuse(call, mcpResults.badActionId)
    const actionId = given.value
    if (!waiting.has(actionId)) return yield* refuse(call, mcpResults.nothingWaits)
    const approved = yield* Effect.tapError(
      Clearance.wait(actionId, { timeout: patience }),
      ({ _tag }) =>
        Effect.sync(() => {
          if (_tag === "Rejected" || _tag === "Expired") waiting.delete(actionId)
        })
    )
    yield* Effect.uninterruptible(Effect.suspend(() => {
      const first = waiting.get(actionId)
      // Two questions may get the same approval.
      if (first === undefined) return refuse(call, mcpResults.nothingWaits)
      waiting.delete(actionId)
      return Effect.flatMap(
        Governed.settle(approved, {
          act: () => begun(actionId, handOver(call, askedBy(call, written(first)), actionId)),
          hold: Effect.fail
        }),
        (done) => report(call, done)
      )
    }))
  })

  const carryOut = (call: Call): Effect.Effect<void> => {
    const isCheck = call.name === asking?.checkTool
    const acting: Effect.Effect<void, Refusal.Refused, Clearance.Services> = isCheck
      ? check(call, asking!.patience)
      : submit(call)
    return acting.pipe(
      Effect.catch((error) =>
        Effect.andThen(
          Refusal.report(call.name, error),
          error._tag === "PendingApproval" && asking !== undefined && call.params["task"] === undefined
            ? hold(call, asking.checkTool, error.actionId)
            : refuse(call, tell(error), Refusal.actionIdOf(error))
        )
      ),
      // Options are functions of the program's: a fault in one must not leave the client waiting.
      Effect.catchDefect((defect) =>
        Effect.andThen(Effect.logError(`${call.name}: a fault`, defect), refuse(call, mcpResults.fault))
      ),
      Clearance.withSpan(call.name, String(call.id)),
      Effect.provideContext(services)
    )
  }

  const call = Effect.fnUntraced(function*(request: JsonRpc.Request) {
    const { id } = request
    const invalid = (why: string) => tellClient(JsonRpc.error(id, JsonRpc.ErrorCode.invalidParams, why))
    if (calls.has(id) || requests.has(id)) {
      return yield* tellClient(
        JsonRpc.error(id, JsonRpc.ErrorCode.invalidRequest, "a request with this id is not answered yet")
      )
    }
    const params = JsonRpc.member(request, "params")
    const wrong = misread(params, namesOf.call)
    if (wrong !== undefined) return yield* invalid(wrong)
    const { arguments: given = {}, name } = params
    if (typeof name !== "string") return yield* invalid("name: Expected string")
    if (!JsonRpc.isRecord(given)) return yield* invalid("arguments: Expected object")
    const one: Call = {
      id,
      name,
      params,
      given: snapshotParams(given),
      over: yield* Deferred.make<void>(),
      handedOver: undefined,
      fiber: undefined
    }
    calls.set(id, one)
    if (name !== asking?.checkTool && !isOffered(name)) return yield* refuse(one, mcpResults.notOffered(name))
    one.fiber = yield* Effect.forkIn(carryOut(one), scope)
  })

  /** True where the server has to hear of it too. */
  const cancel = Effect.fnUntraced(function*(id: unknown) {
    const one = calls.get(id as JsonRpc.Id)
    if (one === undefined) {
      requests.delete(id as JsonRpc.Id)
      return true
    }
    calls.delete(one.id)
    if (one.handedOver === undefined && one.fiber !== undefined) yield* Fiber.interrupt(one.fiber)
    yield* Deferred.succeed(one.over, undefined)
    return one.handedOver !== undefined
  })

  // --- from the client

  const passOn = (message: JsonRpc.Message) =>
    Effect.catch(server.send(message), (error) =>
      JsonRpc.isRequest(message) && requests.delete(message.id)
        ? tellClient(JsonRpc.error(message.id, JsonRpc.ErrorCode.connectionClosed, error.message))
        : Effect.logWarning(error.message))

  const onClient = Effect.fnUntraced(function*(received: unknown) {
    const copy = copyMessage(received)
    if (Result.isFailure(copy)) {
      return yield* tellClient(JsonRpc.error(idOf(received), JsonRpc.ErrorCode.invalidRequest, copy.failure))
    }
    const message = copy.success
    if (message === undefined) {
      return yield* tellClient(JsonRpc.error(null, JsonRpc.ErrorCode.parseError, "this is not JSON"))
    }
    if (!JsonRpc.isRecord(message)) {
      return yield* tellClient(JsonRpc.error(null, JsonRpc.ErrorCode.invalidRequest, "a message is a JSON object"))
    }
    const wrong = misreadMessage(message)
    if (wrong !== undefined) {
      return yield* tellClient(JsonRpc.error(idOf(message), JsonRpc.ErrorCode.invalidRequest, wrong))
    }
    if (message["method"] === "tools/call") {
      return yield* JsonRpc.isRequest(message)
        ? call(message)
        : tellClient(JsonRpc.error(null, JsonRpc.ErrorCode.invalidRequest, "tools/call needs an id: it was dropped"))
    }
    if (message["method"] === "notifications/cancelled") {
      const params = JsonRpc.member(message, "params")
      if (misread(params, namesOf.cancellation) !== undefined) return
      if (!(yield* cancel(params["requestId"]))) return
    }
    if (JsonRpc.isRequest(message)) requests.set(message.id, message)
    yield* passOn(message)
  })

  // --- from the server

  const listed = (result: Readonly<Record<string, unknown>>) => {
    const tools = Array.isArray(result["tools"]) ? result["tools"] : []
    const isKept = (tool: unknown) => {
      if (!JsonRpc.isRecord(tool) || misread(tool, namesOf.tool) !== undefined) return false
      const { name } = tool
      return typeof name === "string" && isOffered(name) && name !== asking?.checkTool
    }
    const isLast = result["nextCursor"] === undefined
    const more = asking !== undefined && isLast ? [checkTool(asking.checkTool)] : []
    return { ...result, tools: [...tools.filter(isKept), ...more] }
  }

  /** The client hears of an answer that cannot be passed on. */
  const answerClient = (response: JsonRpc.Response) =>
    Effect.ignore(
      Effect.catch(client.send(response), ({ message }) =>
        client.send(JsonRpc.error(response.id, JsonRpc.ErrorCode.internalError, message)))
    )

  const tellMisread = (id: JsonRpc.Id, why: string) =>
    tellClient(JsonRpc.error(id, JsonRpc.ErrorCode.internalError, `the server's answer cannot be passed on: ${why}`))

  const onResponse = (response: JsonRpc.Response) => {
    const { id } = response
    const one = calls.get(id)
    if (one !== undefined) {
      // It has not been sent to the server yet.
      if (one.handedOver === undefined) return Effect.void
      calls.delete(id)
      return Effect.andThen(answerClient(response), Deferred.succeed(one.over, undefined))
    }
    const request = requests.get(id)
    requests.delete(id)
    const result = response["result"]
    if (request === undefined || !JsonRpc.isRecord(result)) return answerClient(response)
    if (options.tool === undefined && (request.method === "initialize" || request.method === "server/discover")) {
      serverName = nameOf(JsonRpc.member(result, "serverInfo")["name"]) ?? serverName
    }
    if (request.method !== "tools/list") return answerClient(response)
    const wrong = misread(result, namesOf.toolList)
    return wrong === undefined ? answerClient({ ...response, result: listed(result) }) : tellMisread(id, wrong)
  }

  /** An answer that one client reads as the answer to this request, and another as something else. */
  const onMisread = Effect.fnUntraced(function*(message: JsonRpc.Message, why: string) {
    yield* Effect.logWarning(`a message of the MCP server is not passed on: ${why}`)
    const id = idOf(message)
    if (id === null) return
    if ("method" in message) {
      return yield* Effect.ignore(server.send(JsonRpc.error(id, JsonRpc.ErrorCode.invalidRequest, why)))
    }
    const one = calls.get(id)
    if (one?.handedOver !== undefined) {
      yield* refuse(one, mcpResults.answerLost(one.handedOver), one.handedOver)
      yield* Deferred.succeed(one.over, undefined)
    } else if (requests.delete(id)) {
      yield* tellMisread(id, why)
    }
  })

  const requestOf = (progressToken: unknown) => {
    for (const { id, params } of calls.values()) if (tokenOf(params) === progressToken) return id
    for (const request of requests.values()) {
      if (tokenOf(JsonRpc.member(request, "params")) === progressToken) return request.id
    }
    return undefined
  }

  const onServer = (message: unknown) => {
    // Whatever a server prints beside its messages is not part of the conversation.
    if (!JsonRpc.isRecord(message)) return Effect.logDebug("the MCP server wrote something that is no message")
    const wrong = misreadMessage(message)
    if (wrong !== undefined) return onMisread(message, wrong)
    if (JsonRpc.isResponse(message)) return onResponse(message)
    return tellClient(
      message,
      message["method"] === "notifications/progress"
        ? requestOf(JsonRpc.member(message, "params")["progressToken"])
        : undefined
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
        [...requests.keys()],
        (id) => tellClient(JsonRpc.error(id, JsonRpc.ErrorCode.connectionClosed, "the MCP server has ended"))
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

/** A batch is its messages: taken as a whole, it would carry calls past the policy. */
const messages = ({ incoming }: McpChannel) =>
  Stream.flatMap(
    incoming,
    (message) => Array.isArray(message) ? Stream.fromIterable<unknown>(message) : Stream.succeed(message)
  )

/** What the server gets: the arguments are read anew from the text that was submitted. */
const written = ({ given, params }: Call): JsonRpc.Message =>
  Result.isSuccess(given) && "arguments" in params
    ? { ...params, arguments: JSON.parse(given.success.text) as unknown }
    : params

/** The same call, with what the question says of itself. */
const askedBy = ({ params: { _meta } }: Call, call: JsonRpc.Message): JsonRpc.Message => {
  const asked: Record<string, unknown> = { ...call, _meta }
  if (_meta === undefined) delete asked["_meta"]
  return asked
}

/** The id of a message that cannot be copied, where it can be told. */
const idOf = (message: unknown): JsonRpc.Id | null => {
  try {
    const id = JsonRpc.isRecord(message) ? message["id"] : undefined
    return typeof id === "string" || typeof id === "number" ? id : null
  } catch {
    return null
  }
}

const tokenOf = (params: JsonRpc.Message) => JsonRpc.member(params, "_meta")["progressToken"]

/** As the gateway takes it for a tool: 1 to 256 of these. */
const nameOf = (name: unknown) =>
  typeof name === "string" && name !== "" ? name.slice(0, 256).replaceAll(/[^\w\-.:/]/g, "-") : undefined

const checkTool = (name: string) => ({
  name,
  description:
    "Asks whether a tool call that waits for a reviewer's approval was approved. Once it is, this performs the \
call and returns its result; it is performed only once, however often this is asked.",
  inputSchema: {
    type: "object",
    properties: { action_id: { type: "string", description: "The id that the call was answered with" } },
    required: ["action_id"]
  },
  annotations: { title: "Check an approval" }
})
