import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Clearance from "../../governed/Clearance.ts"
import { ChannelFailed, type McpChannel } from "../McpChannel.ts"
import type { Options } from "../ProxyOptions.ts"
import type { Shared } from "./conversation.ts"
import * as relay from "./relay.ts"

/**
 * One conversation of several that share what modern clients refer to.
 *
 * @internal
 */
export const converse = (
  client: McpChannel,
  server: McpChannel,
  options: Options,
  shared: Shared,
  principal: string | null
): Effect.Effect<void, ChannelFailed, Clearance.Services> =>
  Effect.scoped(Effect.gen(function*() {
    const { abandon, fromClient, fromServer, serverHasGone } = yield* relay.make(
      client,
      server,
      options,
      shared,
      principal
    )
    const serving = yield* Effect.forkScoped(fromServer)
    const isClientGone = yield* Effect.raceFirst(
      Effect.as(Effect.exit(fromClient), true),
      Effect.as(Fiber.await(serving), false)
    )
    if (isClientGone) {
      yield* abandon
      yield* server.end
      // What it was doing, it may finish; and a client that pipes in a few lines wants the answers. The official client
      // waits for four seconds in all, of which a server that has to be killed takes another one.
      yield* Effect.timeoutOption(Fiber.await(serving), "1500 millis")
      return yield* client.end
    }
    yield* serverHasGone
    // A client that reads nothing does not keep what has ended.
    yield* Effect.timeoutOption(client.end, "2 seconds")
    yield* Fiber.join(serving)
    return yield* new ChannelFailed({ detail: "the server has ended" })
  }))
