/** The ways to an action in one process. Each story goes one of them, or goes it again after an interruption. */
import {
  type Cause,
  Deferred,
  Effect,
  Fiber,
  Layer,
  Queue,
  Schema,
  SchemaGetter,
  SchemaIssue,
  type Scope,
  Stream
} from "effect"
import { Governed } from "effect-vargate"
import * as AskedCalls from "effect-vargate/ai/AskedCalls"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import { type ChannelFailed, fromValue, type Incoming, type McpChannel } from "effect-vargate/mcp/McpChannel"
import type * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Chat, LanguageModel, Prompt, type Response, Tool, Toolkit } from "effect/ai"
import { makeRandom } from "../../../src/internal/seededRandom.ts"
import * as ScriptedModel from "../../support/scriptedModel.ts"
import { millis, type Params, perform, type Services, type Story } from "./story.ts"

export type Way = (story: Story) => Effect.Effect<void, never, Services | Engine.Engine | Scope.Scope>

const patience = millis(120_000)

const onPending = Governed.wait({ timeout: patience })

/** As by default. */
const reconcile = { wait: millis(30_000) }

const moods = makeRandom(1)

/** Reads now and then only: what is read a second time may be read another way. */
const moody = Schema.Finite.pipe(Schema.decodeTo(Schema.Finite, {
  decode: SchemaGetter.transformEffect((n: number, options) =>
    moods() < 0.4 ? Effect.fail(new SchemaIssue.InvalidValue({ message: "not now" }, n, options)) : Effect.succeed(n)
  ),
  encode: SchemaGetter.passthrough()
}))

/** Fast to read, or slow: then the larger is read last and written first. */
const amountOf = (isSlow: boolean | "moody"): Schema.Codec<number, number> =>
  isSlow === "moody"
    ? moody
    : isSlow
    ? Schema.Finite.pipe(Schema.decodeTo(Schema.Finite, {
      decode: SchemaGetter.transformEffect((n: number) =>
        Effect.delay(Effect.succeed(n), millis(n > 5000 ? 900 : 300))
      ),
      encode: SchemaGetter.transformEffect((n: number) => Effect.delay(Effect.succeed(n), millis(n > 5000 ? 100 : 700)))
    }))
    : Schema.Finite

const paramsOf = (isSlow: boolean | "moody") =>
  Schema.Struct({
    amount: amountOf(isSlow),
    story: Schema.Int,
    note: Schema.Struct({ to: Schema.String, list: Schema.Array(Schema.Finite) })
  })

// --- functions -------------------------------------------------------------------------------------------------------

const call = { tool: "bank", method: "note", onPending, reconcile } as const

/** The action of `Governed.run` gets no params: it does what the caller asked for in the beginning. */
const run: Way = (story) =>
  story.attempt(Effect.gen(function*() {
    const params = yield* story.params()
    const first = JSON.parse(story.calls.at(-1)!) as unknown
    const isReadable = story.habit === "keeps" || story.habit === "changes"
    const reference = story.chance(0.3) ? "params" as const : undefined
    yield* Governed.run({ ...call, params, reference }, isReadable ? perform(first) : Effect.void)
  }))

const brokered: Way = (story) =>
  story.attempt(Effect.gen(function*() {
    const params = yield* story.params()
    yield* Governed.run({ ...call, tool: "broker", method: "pay", params }, Effect.die("not ours"))
  }))

const typed = (isSlow: boolean) => Governed.tool({ ...call, params: paramsOf(isSlow), run: perform })
const typedFast = typed(false)
const typedSlow = typed(true)

const tool: Way = (story) => story.attempt(Effect.flatMap(story.params(), story.chance(0.5) ? typedSlow : typedFast))

const detachable = Governed.tool({ ...call, params: paramsOf(false), onPending: Governed.detach, run: perform })

const detached: Way = (story) =>
  story.attempt(Effect.gen(function*() {
    const handle = yield* Effect.flatMap(story.params(), detachable)
    if (handle.executedBy !== "none") return
    const waiting = Effect.timeoutOption(Effect.exit(handle.await), patience)
    yield* Effect.all([waiting, story.attempt(waiting), waiting], { concurrency: 3 })
    yield* waiting
  }))

// --- toolkits --------------------------------------------------------------------------------------------------------

const toolkitOf = (isSlow: boolean | "moody") =>
  Toolkit.make(
    Tool.make("bank__note", { parameters: paramsOf(isSlow), success: Schema.String, failureMode: "return" }),
    Tool.make("bank__read", { parameters: paramsOf(isSlow), success: Schema.String })
  )

const handlers = { bank__note: perform, bank__read: perform }
export const kits = [false, true, "moody" as const].map((isSlow) => {
  const toolkit = toolkitOf(isSlow)
  return { toolkit, layer: toolkit.toLayer(handlers) }
})

/** One to three calls; ids are often the same, and so are the params of some. */
export const turn = Effect.fnUntraced(function*(story: Story) {
  const calls: Array<readonly [id: string, tool: string, params: Params]> = []
  const amount = story.chance(0.3) ? story.pick([5, 2000]) : undefined
  for (let i = story.pick([1, 2, 3]); i > 0; i--) {
    const id = story.chance(0.5) ? "call_0" : `call_${i}`
    calls.push([id, story.pick(["bank__note", "bank__note", "bank__read"]), yield* story.params(amount)])
  }
  return calls
})

const talk = (story: Story, way: "generate" | "stream"): Way => () =>
  Effect.suspend(() => {
    const { layer, toolkit } = story.pick(kits)
    const governed = GovernedToolkit.govern(toolkit, { onPending, reconcile })
    return story.attempt(Effect.gen(function*() {
      const model = ScriptedModel.layer([yield* turn(story)])
      yield* Effect.provide(
        way === "generate"
          ? LanguageModel.generateText({ prompt: "go", toolkit: governed })
          : Effect.flatMap(governed, (toolkit) => Stream.runDrain(LanguageModel.streamText({ prompt: "go", toolkit }))),
        [layer, model]
      )
    }))
  })

const generate: Way = (story) => talk(story, "generate")(story)
const stream: Way = (story) => talk(story, "stream")(story)

const handlersOf = kits.map(({ toolkit }) => ({
  toolkit,
  layer: GovernedToolkit.layer(toolkit, handlers, { onPending, reconcile })
}))

const layered: Way = (story) => {
  const { layer, toolkit } = story.pick(handlersOf)
  return story.attempt(Effect.gen(function*() {
    const model = ScriptedModel.layer([yield* turn(story)])
    yield* Effect.provide(LanguageModel.generateText({ prompt: "go", toolkit }), [layer, model])
  }))
}

export const requestsIn = (parts: ReadonlyArray<Response.AnyPart>) =>
  parts.filter((part): part is Response.ToolApprovalRequestPart => part.type === "tool-approval-request")

export const answer = (requests: ReadonlyArray<Response.ToolApprovalRequestPart>, approved: boolean) =>
  Prompt.fromMessages([
    Prompt.makeMessage("tool", {
      content: requests.map(({ approvalId }) => Prompt.makePart("tool-approval-response", { approvalId, approved }))
    })
  ])

const memory = (): AskedCalls.Store => {
  const calls = new Map<string, string>()
  const later = <A>(value: () => A) => Effect.delay(Effect.sync(value), millis(20))
  return {
    get: (id) => later(() => calls.get(id)),
    set: (id, call) => later(() => void calls.set(id, String(call))),
    remove: (id) => later(() => void calls.delete(id))
  }
}

/** The conversation is asked, and goes on: with this toolkit or, after a restart, with another one over the same store. */
const asked: Way = (story) => {
  const { layer, toolkit } = story.pick(kits)
  const governed = GovernedToolkit.govern(toolkit, { onPending: GovernedToolkit.ask({ timeout: patience }), reconcile })
  const isStreamed = story.chance(0.5)
  const round = Effect.fnUntraced(function*(
    chat: Effect.Success<typeof Chat.empty>,
    toolkit: Effect.Success<typeof governed>,
    prompt: Prompt.RawInput
  ) {
    const options = { prompt, toolkit }
    return requestsIn(
      isStreamed
        ? yield* Stream.runCollect(chat.streamText(options))
        : (yield* chat.generateText(options)).content
    )
  })
  return story.attempt(Effect.gen(function*() {
    const calls = yield* turn(story)
    const made = story.calls.slice(-calls.length)
    // Whether to ask is a question of its own: about what changes meanwhile, two calls are asked for.
    if (story.habit !== "keeps") story.asks(...made)
    const model = ScriptedModel.layer([calls, "well", "well", "well"])
    yield* Effect.gen(function*() {
      const chat = yield* Chat.empty
      const before = yield* governed
      const requests = yield* round(chat, before, "go")
      if (requests.length === 0) return
      const isApproved = story.chance(0.9)
      const saved = yield* chat.exportJson
      // Each time that the conversation goes on, all that was done before is asked for anew.
      const goOn = Effect.gen(function*() {
        story.asks(...made)
        const again = yield* Chat.fromJson(saved)
        return yield* round(again, story.chance(0.5) ? yield* governed : before, answer(requests, isApproved))
      })
      const twice = Effect.asVoid(Effect.all([goOn, goOn], { concurrency: 2, mode: "result" }))
      yield* story.attempt(story.chance(0.5) ? twice : Effect.asVoid(goOn))
      if (story.chance(0.5)) yield* story.attempt(goOn)
    }).pipe(Effect.provide([layer, model]))
  })).pipe(Effect.provideServiceEffect(AskedCalls.AskedCalls, Effect.sync(memory)))
}

/** A loop of the caller's own: it asks whether to ask, once, and handles the call as often as it likes. */
const looped: Way = (story) => {
  const { layer, toolkit } = story.pick(kits)
  return story.attempt(Effect.gen(function*() {
    const { handle, tools } = yield* GovernedToolkit.govern(toolkit, {
      onPending: GovernedToolkit.ask(),
      reconcile
    })
    const params = yield* story.params()
    const { needsApproval } = tools.bank__note
    if (typeof needsApproval !== "function") return
    const first = yield* Effect.forkChild(
      needsApproval({ ...params }, { toolCallId: "call_0", messages: [] }) as Effect.Effect<boolean>
    )
    if (story.chance(0.7)) yield* Effect.exit(Fiber.join(first))
    else yield* Effect.andThen(Effect.sleep(millis(story.random() * 200)), Fiber.interrupt(first))
    for (let i = story.pick([1, 2, 3]); i > 0; i--) {
      story.asks(story.calls.at(-1)!)
      const handling = Effect.flatMap(handle("bank__note", params as never, "call_0"), Stream.runDrain)
      yield* Effect.exit(Effect.timeoutOption(handling, patience))
    }
  })).pipe(
    Effect.provide(layer),
    Effect.provideServiceEffect(AskedCalls.AskedCalls, Effect.sync(memory))
  )
}

// --- MCP -------------------------------------------------------------------------------------------------------------

/** A client and a server in this process, with the proxy between them. */
const conversation = Effect.fnUntraced(function*(options: Partial<GovernedMcpProxy.Options>) {
  const answers = new Map<number, Deferred.Deferred<Message>>()
  const fromClient = yield* Queue.unbounded<Incoming, Cause.Done | ChannelFailed>()
  const fromServer = yield* Queue.unbounded<Incoming, Cause.Done | ChannelFailed>()
  const client: McpChannel = {
    incoming: Stream.fromQueue(fromClient) as McpChannel["incoming"],
    send: (text) => {
      const message = JSON.parse(text) as Message
      const waiting = answers.get(message["id"] as number)
      return waiting === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(waiting, message))
    },
    end: Effect.void
  }
  const server: McpChannel = {
    incoming: Stream.fromQueue(fromServer) as McpChannel["incoming"],
    send: (text) => {
      const { id, method, params } = JSON.parse(text) as Message
      return method !== "tools/call" ? Effect.void : Effect.gen(function*() {
        yield* perform((params as { readonly arguments: unknown }).arguments)
        const result = { content: [{ type: "text", text: "done" }] }
        yield* Queue.offer(fromServer, fromValue({ jsonrpc: "2.0", id, result }))
      })
    },
    end: Effect.void
  }
  yield* Effect.forkScoped(Effect.ignore(GovernedMcpProxy.run(client, server, { ...options, tool: "bank", reconcile })))
  return {
    ask: Effect.fnUntraced(function*(id: number, name: string, given: unknown) {
      const waiting = yield* Deferred.make<Message>()
      answers.set(id, waiting)
      const message = { jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: given } }
      yield* Queue.offer(fromClient, fromValue(message))
      return yield* Effect.onInterrupt(
        Deferred.await(waiting),
        () =>
          Queue.offer(
            fromClient,
            fromValue({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } })
          )
      )
    })
  }
})

const proxied: Way = (story) =>
  story.attempt(Effect.gen(function*() {
    const { ask } = yield* conversation({ onPending })
    const calls = Array.from({ length: story.pick([1, 2]) }, () => story.params())
    // The same id for several calls at once is refused, and for one after another it is not.
    yield* Effect.forEach(
      yield* Effect.all(calls),
      (params) => Effect.timeoutOption(ask(1, "note", params), 1.5 * patience),
      { concurrency: story.pick([1, 2]) }
    )
  }))

const answered: Way = (story) =>
  story.attempt(Effect.gen(function*() {
    const { ask } = yield* conversation({ onPending: GovernedMcpProxy.answer({ patience: millis(5000) }) })
    const told = JSON.stringify(yield* Effect.flatMap(story.params(), (params) => ask(1, "note", params)))
    const [, action_id] = /action_id \\"([^\\"]+)\\"/.exec(told) ?? []
    if (action_id === undefined) return
    const check = (id: number) => Effect.timeoutOption(ask(id, "vargate_check_approval", { action_id }), millis(30_000))
    for (let i = 2; i < 8; i += 2) {
      yield* story.attempt(Effect.all([check(i), check(i + 1)], { concurrency: 2 }))
    }
  }))

// --- workflows -------------------------------------------------------------------------------------------------------

const workflows = [false, true].map((isSlow) =>
  GovernedWorkflow.make({
    name: `bypass/Pay${isSlow ? "Slowly" : ""}`,
    tool: "bank",
    method: "note",
    params: paramsOf(isSlow),
    success: Schema.String,
    timeout: patience,
    lookFor: millis(10_000),
    run: perform
  })
)

export const layerWorkflows = Layer.mergeAll(workflows[0]!.layer, workflows[1]!.layer)

const workflow: Way = (story) => {
  const { execute } = story.pick(workflows)
  const key = `order-${story.n}`
  return Effect.gen(function*() {
    const first = yield* story.params()
    yield* story.attempt(execute({ key, params: first }))
    // The key stands for one call, whatever is in the params now.
    yield* story.attempt(Effect.exit(execute({ key, params: first })))
  })
}

// ---------------------------------------------------------------------------------------------------------------------

export const ways: Readonly<Record<string, Way>> = {
  run,
  brokered,
  tool,
  detached,
  generate,
  stream,
  layered,
  asked,
  looped,
  proxied,
  answered,
  workflow
}
