/**
 * Implements the routes of `ProposalGroup` with the store of a panel, on any server: beside `ReviewHandlers`, or on a port of
 * its own.
 *
 * **Example** (Beside the routes of reviewers)
 *
 * ```ts
 * import { Layer, type Redacted } from "effect"
 * import { Authenticator, Proposals } from "effect-vargate"
 * import * as ProposalHandlers from "effect-vargate/http/ProposalHandlers"
 * import * as ReviewHandlers from "effect-vargate/http/ReviewHandlers"
 *
 * declare const tokenOfAgents: Redacted.Redacted
 *
 * const routes = Layer.mergeAll(
 *   ReviewHandlers.layer,
 *   ProposalHandlers.layer({ tokenHashes: [Authenticator.hashToken(tokenOfAgents)] }).pipe(
 *     Layer.provide(Proposals.layer)
 *   )
 * )
 * ```
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import type { StorageFailed } from "../errors/VargateError.ts"
import { hashToken } from "../reviews/Authenticator.ts"
import { Proposals } from "../reviews/Proposals.ts"
import { AgentAuthorization, AgentUnknown, ProposalApi } from "./ProposalGroup.ts"
import * as PublicError from "./PublicError.ts"

/**
 * Who may ask.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** Of the tokens of agents' processes (`Authenticator.hashToken`). */
  readonly tokenHashes: ReadonlyArray<string>
}

const unavailable = (error: StorageFailed) =>
  Effect.andThen(
    Effect.logWarning(error.message),
    Effect.fail(
      new PublicError.ActionUnavailable({ message: "The panel cannot reach its store now. Try again later." })
    )
  )

const group = HttpApiBuilder.group(
  ProposalApi,
  "proposals",
  Effect.fnUntraced(function*(handlers) {
    const proposals = yield* Proposals
    return handlers
      .handle("find", ({ params }) =>
        Effect.gen(function*() {
          const proposal = yield* Effect.catch(proposals.find(params.id), unavailable)
          if (proposal !== undefined) return proposal
          return yield* new PublicError.ActionNotFound({ message: "There is no such proposal." })
        }))
      .handle("claim", ({ params, payload }) =>
        proposals.claim(params.id, payload.token).pipe(
          Effect.map((claimed) => ({ claimed })),
          Effect.catch(unavailable)
        ))
      .handle(
        "release",
        ({ params, payload }) => Effect.catch(proposals.release(params.id, payload.token), unavailable)
      )
      .handle(
        "submitted",
        ({ params, payload }) =>
          Effect.catch(proposals.submitted(params.id, payload.token, payload.actionId), unavailable)
      )
  })
)

const unknown = new AgentUnknown({ message: "The token of the agent is not known. Nothing was done." })

/**
 * The routes, for a router.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = ({ tokenHashes }: Options) => {
  const known = new Set(tokenHashes)
  const authorization = Layer.succeed(AgentAuthorization, {
    bearer: (effect, { credential }) => known.has(hashToken(credential)) ? effect : Effect.fail(unknown)
  })
  return HttpApiBuilder.layer(ProposalApi).pipe(Layer.provide(group), Layer.provide(authorization))
}
