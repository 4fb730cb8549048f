/**
 * What the parts of a governed conversation share.
 *
 * @internal
 */
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type { Taken } from "../../calls/internal/paramsSnapshot.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { FieldIssue, VargateError } from "../../errors/VargateError.ts"
import { ActionId } from "../../model/ActionId.ts"
import type { Message } from "../JsonRpc.ts"
import type { Options } from "../ProxyOptions.ts"
import type { Era } from "./era.ts"
import { MirroredArguments } from "./mirroredHeaders.ts"
import type { ObjectText } from "./rawMessage.ts"
import { issuesOfKeys, type Sealer, sealerOf } from "./sealedState.ts"

/** A request of the client. */
export interface ClientRequest {
  /** The text of its id. */
  readonly id: string
  readonly method: string
  readonly era: Era
  readonly object: ObjectText
  readonly params: Message
  readonly paramsText: ObjectText | undefined
  /** Under which its progress token is found again. */
  readonly tokenKey: string | undefined
}

/** A request that is asked for first, and not answered yet. */
export interface Call extends ClientRequest {
  /** Of the tool, the prompt or the resource. */
  readonly name: string
  /** What is submitted: the same text as in the message. */
  readonly given: Taken
  readonly answer: Deferred.Deferred<ServerAnswer>
  /** Set when the server has got it. */
  handedOver: ActionId | undefined
  fiber: Fiber.Fiber<void> | undefined
}

/** What became of a message that was handed to the server. */
export type ServerAnswer =
  | { readonly _tag: "Answered"; readonly object: ObjectText; readonly value: Message }
  | { readonly _tag: "Lost"; readonly isUnsent: boolean }

const State = Schema.Struct({
  act: ActionId,
  /** Beside which claims (`HandOverClaims`) it was sealed. */
  space: Schema.String,
  /** The principal, as JSON. */
  sub: Schema.String,
  /** Digest of what was submitted. */
  dig: Schema.String,
  /** `pending`: it waits for a reviewer. `passed`: the server has it, and asked for something. */
  phase: Schema.Literals(["pending", "passed"]),
  /** Which hand-over to the server comes next. */
  round: Schema.Int,
  /** How often the client has asked while it was pending. */
  polls: Schema.Int,
  /** Until when it counts, in epoch milliseconds. */
  exp: Schema.Int,
  /** The server's own state, as the JSON that it was. */
  up: Schema.optionalKey(Schema.String),
  /** The params of the call, as JSON, where the client's request is a question after it. */
  of: Schema.optionalKey(Schema.String)
})

/** What ties a client's repetition to the action that it belongs to: the proxy's own `requestState`. */
export type RequestState = typeof State.Type

/** A call that was answered with the id of an action, and is to be performed when the client asks for it again. */
export const Waiting = Schema.Struct({
  /** Of the tool. */
  name: Schema.String,
  /** As JSON, without what the client said to the proxy. */
  params: Schema.String,
  /** Whose it is. */
  principal: Schema.String,
  /** Until when it can be asked for, in epoch milliseconds; without it, as long as the conversation lasts. */
  until: Schema.optionalKey(Schema.Int)
})

export type Waiting = typeof Waiting.Type

/** What conversations of one proxy share: a modern client's next request may come in another one. */
export interface Shared {
  readonly sealer: Sealer<RequestState>
  readonly waiting: Map<ActionId, Waiting>
  readonly mirrored: MirroredArguments
  /** Whose a task is, by its id. */
  readonly tasks: Map<unknown, string>
}

/** Fails where the options are not what their types say. */
export const makeShared = (operation: string, options: Options): Effect.Effect<Shared, VargateError> =>
  Effect.suspend(() => {
    const issues: Array<FieldIssue> = []
    const tool: unknown = (options as Partial<Options> | undefined)?.tool
    if (typeof tool !== "string" || !/^[\w\-.:/]{1,256}$/.test(tool)) {
      issues.push({
        path: ["tool"],
        message: "Expected the name that policies know the server by, 1 to 256 characters of a-z A-Z 0-9 _ - . : /"
      })
    }
    issues.push(...issuesOfKeys(options?.stateKeys))
    return issues.length === 0
      ? Effect.succeed({
        sealer: sealerOf("proxy", State, options.stateKeys),
        waiting: new Map(),
        mirrored: new MirroredArguments(),
        tasks: new Map()
      })
      : Effect.fail(invalidRequest(operation, issues))
  })
