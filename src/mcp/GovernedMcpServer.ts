/**
 * A toolkit of Effect AI as an MCP server whose every call asks Vargate first.
 *
 * **Example** (A server over standard input and output)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import * as GovernedMcpServer from "effect-vargate/mcp/GovernedMcpServer"
 * import { McpProtocol, McpServer, Tool, Toolkit } from "effect/ai"
 *
 * const Tools = Toolkit.make(
 *   Tool.make("bank__pay", { parameters: Schema.Struct({ amount: Schema.Finite }), success: Schema.Struct({ paid: Schema.Finite }) })
 * )
 *
 * const server = McpServer.layerStdio({
 *   name: "bank",
 *   version: "1.0.0",
 *   protocols: [McpProtocol.v2026_07_28, McpProtocol.v2025_11_25, McpProtocol.v2025_06_18],
 *   registrations: GovernedMcpServer.toolkit(Tools)
 * }).pipe(Layer.provide(Tools.toLayer({ bank__pay: ({ amount }) => Effect.succeed({ paid: amount }) })))
 * ```
 *
 * @since 0.1.0
 */
import * as McpSchema from "effect/ai/McpSchema"
import * as McpServer from "effect/ai/McpServer"
import type * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as GovernedToolkit from "../ai/GovernedToolkit.ts"
import type * as Approvals from "../approvals/Approvals.ts"
import type * as AuditLog from "../audit/AuditLog.ts"
import type * as ToolCalls from "../calls/ToolCalls.ts"
import { Conflict, PendingApproval, VargateError } from "../errors/VargateError.ts"
import type * as Governed from "../governed/Governed.ts"
import { CurrentRound, Round } from "../governed/internal/currentRound.ts"
import * as Refusal from "../governed/Refusal.ts"
import { canonicalJson } from "../internal/canonicalJson.ts"
import { sha256 } from "../internal/sha256.ts"
import { ActionId } from "../model/ActionId.ts"
import { Agent } from "../model/Agent.ts"
import { type Claims, type HandOver, HandOverClaims } from "./HandOverClaims.ts"
import { makeSealer, type Sealer } from "./internal/sealedState.ts"
import type { Rounds } from "./ProxyOptions.ts"

// --- options ---------------------------------------------------------------------------------------------------------

/**
 * How the tools of a toolkit are governed, and how calls of clients of revision 2026-07-28 wait, which is in rounds.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options<Tools extends Record<string, Tool.Any>>
  extends GovernedToolkit.Options<Tools, Governed.Wait | Governed.Fail>
{
  /** How long each round waits, and how many there are. */
  readonly rounds?: Rounds | undefined
  /** Where an action can be decided: shown, once, to users of clients that can open addresses. Default: nowhere. */
  readonly inbox?: ((actionId: ActionId) => string) | undefined
  /**
   * Keys, of at least 32 characters each, that seal the state which such a client keeps between rounds; the first seals,
   * each opens. Needed where another process may get the next round, and then `HandOverClaims` has to be shared as well.
   * Default: a random key of this layer.
   */
  readonly stateKeys?: readonly [Redacted.Redacted, ...Array<Redacted.Redacted>] | undefined
}

/** What ties a round to the action of the rounds before it. */
const State = Schema.Struct({
  act: ActionId,
  /** Beside which claims (`HandOverClaims`) it was sealed. */
  space: Schema.String,
  /** Digest of agent, tool and arguments. */
  dig: Schema.String,
  /** How many rounds there were. */
  rounds: Schema.Int,
  /** Until when it counts, in epoch milliseconds. */
  exp: Schema.Int
})

// --- rounds ----------------------------------------------------------------------------------------------------------

type Registry = McpServer.McpServer["Service"]
type Registration = Parameters<Registry["addTool"]>[0]

const firstModern = "2026-07-28"

/** A little more than the time after which an action expires. */
const stateLasts = Duration.toMillis("65 minutes")

const CallResult = Schema.fromJsonString(Schema.toCodecJson(McpSchema.CallToolResult))
const encodeResult = Schema.encodeEffect(CallResult)
const decodeResult = Schema.decodeUnknownOption(CallResult)

const inputName = "vargate_approval"

const invalid = (message: string) => new McpSchema.InvalidParams({ message })

const Token = Schema.Struct({ progressToken: Schema.Union([Schema.String, Schema.Finite]) })
const tokenIn = Schema.decodeUnknownOption(Token)

const declined = Schema.is(Schema.Struct({ action: Schema.Literals(["decline", "cancel"]) }))

/** The registry of a server, whose tools answer in rounds where the client's revision has them. */
const inRounds = (
  registry: Registry,
  { inbox, rounds = {}, tell = Refusal.reasonOf }: Pick<Options<never>, "inbox" | "rounds" | "tell">,
  sealer: Sealer<typeof State.Type>,
  claims: Claims
): Registry => {
  const first = Duration.fromInputUnsafe(rounds.first ?? "25 seconds")
  const next = Duration.fromInputUnsafe(rounds.next ?? "45 seconds")
  const max = rounds.max ?? 8

  /** Says every 10 seconds that the call waits, to a client that asked for it. */
  const progress = Effect.fnUntraced(function*({ actionId }: PendingApproval) {
    const { requestMetadata } = yield* McpSchema.McpRequestContext
    const token = tokenIn(requestMetadata)
    if (Option.isNone(token)) return
    const { progressToken } = token.value
    let times = 0
    yield* Effect.suspend(() =>
      registry.notifications["notifications/progress"]({
        progressToken,
        progress: ++times,
        message: `This action waits for a reviewer's approval as ${actionId}.`
      })
    ).pipe(Effect.ignore, Effect.repeat(Schedule.spaced("10 seconds")))
  })

  const stillPending = (pending: PendingApproval) =>
    new McpSchema.CallToolResult({
      // As Effect's server writes every other refusal.
      content: [McpSchema.TextContent.make({ text: JSON.stringify(Refusal.make(pending, tell)) })],
      isError: true,
      _meta: { "effect-vargate/actionId": pending.actionId }
    })

  /** What an earlier round reached, by the state that it left with the client. */
  const resumed = Effect.fnUntraced(function*(digest: string) {
    const { inputResponses, requestState } = yield* McpSchema.McpRequestContext
    if (requestState === undefined) {
      if (inputResponses !== undefined) return yield* invalid("inputResponses without requestState.")
      return undefined
    }
    const state = sealer.open(requestState)
    if (state === undefined) return yield* invalid("requestState is not one of this server.")
    if (state.dig !== digest) return yield* invalid("requestState belongs to another call.")
    if ((yield* DateTime.now).epochMilliseconds >= state.exp) return yield* invalid("requestState has expired.")
    if (state.space !== claims.space) {
      return yield* invalid(`requestState was issued by another process; the action is ${state.act}.`)
    }
    return state
  })

  /** Of all rounds that ask for an action, wherever they are, one begins it; the others get what that was answered. */
  const makeOnce = () => {
    let own: HandOver | undefined
    let earlier: string | undefined
    const claim = Effect.fnUntraced(function*(actionId: ActionId) {
      // A round that is under way elsewhere may seal its state a little later than now.
      const until = (yield* DateTime.now).epochMilliseconds + 2 * stateLasts
      const handOver = { actionId, round: 0, until }
      const { answer, isOurs } = yield* claims.claim(handOver)
      if (isOurs) {
        own = handOver
        return
      }
      earlier = answer
      const reason = new Conflict({ detail: `another request has begun ${actionId} before` })
      return yield* new VargateError({ operation: "GovernedMcpServer.toolkit", reason })
      // To the toolkit, which says it to the model, storage that has failed is a refusal like the others.
    }, Effect.mapError((error) => error as VargateError))
    const answered = (result: McpSchema.CallToolResult) => {
      if (earlier !== undefined) return Effect.succeed(Option.getOrElse(decodeResult(earlier), () => result))
      if (own === undefined) return Effect.succeed(result)
      const handOver = own
      return Effect.as(
        Effect.ignore(Effect.flatMap(encodeResult(result), (text) => claims.keep(handOver, text))),
        result
      )
    }
    return { claim, answered }
  }

  const addTool = (registration: Registration) =>
    registry.addTool({
      ...registration,
      handle: Effect.fnUntraced(function*(payload: unknown) {
        const context = yield* McpSchema.McpRequestContext
        if (context.protocolVersion < firstModern) return yield* registration.handle(payload)
        const { id } = yield* Agent
        const digest = sha256(canonicalJson([id, registration.tool.name, payload]))
        const state = yield* resumed(digest)
        const before = state &&
          new PendingApproval({ actionId: state.act, message: `This action waits for a reviewer as ${state.act}.` })
        // Accepting to open an address is no approval, but who declines it wants to wait no longer.
        if (before !== undefined && declined(context.inputResponses?.[inputName])) return stillPending(before)

        const waiting = yield* Deferred.make<PendingApproval>()
        const once = makeOnce()
        const onWait = (pending: PendingApproval) => Deferred.doneUnsafe(waiting, Effect.succeed(pending))
        const round = new Round(before, first, onWait, once.claim)
        const answered = registration.handle(payload).pipe(
          Effect.provideService(CurrentRound, round),
          Effect.flatMap((result): Effect.Effect<McpSchema.CallToolResult | McpSchema.InputRequired> =>
            result instanceof McpSchema.CallToolResult ? once.answered(result) : Effect.succeed(result)
          )
        )
        // Where the call does not wait for a reviewer, it has the time that it takes.
        const over = Effect.gen(function*() {
          const pending = yield* Deferred.await(waiting)
          yield* Effect.raceFirst(
            Effect.sleep(state === undefined ? first : next),
            Effect.andThen(progress(pending), Effect.never)
          )
          if (!round.cutOff()) return yield* Effect.never
          if ((state?.rounds ?? 0) >= max) return stillPending(pending)
          const now = (yield* DateTime.now).epochMilliseconds
          const sealed = sealer.seal({
            act: pending.actionId,
            space: claims.space,
            dig: digest,
            rounds: (state?.rounds ?? 0) + 1,
            exp: now + stateLasts
          })
          const url = state === undefined && context.clientCapabilities.elicitation?.url !== undefined
            ? inbox?.(pending.actionId)
            : undefined
          return new McpSchema.InputRequired({
            ...url === undefined ? {} : {
              inputRequests: {
                [inputName]: {
                  method: "elicitation/create" as const,
                  params: { mode: "url", message: pending.message, url }
                }
              }
            },
            requestState: sealed
          })
        })
        return yield* Effect.raceFirst(answered, over)
      })
    })

  return new Proxy(registry, { get: (target, key) => key === "addTool" ? addTool : Reflect.get(target, key) })
}

// --- layers ----------------------------------------------------------------------------------------------------------

/**
 * Registers a toolkit with Effect's `McpServer`, as `McpServer.toolkit` does, under the governance of
 * `GovernedToolkit.govern`. Pass it to a transport of `McpServer` as `registrations`, with the revisions of the protocol
 * that the server is to speak, `McpProtocol.v2026_07_28` among them.
 *
 * **Details**
 *
 * The tools are listed as they are. A call that is refused is a result with `isError` that says that it was not performed
 * and why. A client that cancels a call ends its wait. The agent is that of the context of the layer. Each call is a span,
 * `execute_tool NAME` (see `Clearance`), without `gen_ai.tool.call.id`, since Effect's server does not tell it.
 *
 * A pending call of a client of an older revision waits within the call. One of revision 2026-07-28 waits in rounds:
 * after `rounds.first` the client is told to come back (`input_required`), with a sealed state that ties its next round to
 * the same action, and after `rounds.max` of them the model reads that the action is pending still. A round submits nothing
 * anew; a state that was changed, has expired, or belongs to another call is refused with -32602. Between rounds nothing is
 * performed: an action that was approved meanwhile is performed in the next one, once (`HandOverClaims`). Of two rounds that
 * come at the same moment, one performs it, and the other says that it was begun before, or what that was answered.
 *
 * Building the layer fails with an `AiError` where the toolkit holds a tool that a provider executes itself.
 *
 * **Gotchas**
 *
 * Several processes behind one address need the same `stateKeys` and shared claims (`HandOverClaims.layerJournal`). Without
 * these a state of another process is refused with -32602, since that process may have performed its action.
 *
 * @category layers
 * @since 0.1.0
 */
export const toolkit = <Tools extends Record<string, Tool.Any>>(
  toolkit: Toolkit.Toolkit<Tools>,
  options: Options<NoInfer<Tools>> = {}
): Layer.Layer<
  never,
  GovernedToolkit.Refusable<Tools> | VargateError,
  // By name, as `GovernedToolkit.govern` has them.
  | McpServer.ToolkitRequirements<Tools>
  | ToolCalls.ToolCalls
  | Approvals.Approvals
  | AuditLog.AuditLog
  | GovernedToolkit.SchemaServices<Tools>
> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { inbox, rounds, stateKeys, ...governing } = options
    const governed = GovernedToolkit.govern(toolkit as never, governing as never)
    const sealer = yield* makeSealer("GovernedMcpServer.toolkit", "server", State, stateKeys)
    const registry = yield* McpServer.McpServer
    // The server reads the tools of a toolkit, and then yields it for its handlers: these are the governed ones.
    yield* Effect.provideService(
      McpServer.registerToolkit(Object.assign(governed, { tools: toolkit.tools }) as never),
      McpServer.McpServer,
      inRounds(registry, { inbox, rounds, tell: options.tell }, sealer, yield* HandOverClaims)
    )
  })) as never
