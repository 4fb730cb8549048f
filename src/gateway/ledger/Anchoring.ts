/**
 * Writes the roots of hourly trees to a place outside of the gateway, each once: so that a rewrite of the log shows.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { MerkleTree } from "../../verify/MerkleProof.ts"
import { Tenants } from "../tenants/Tenants.ts"
import { Ledger } from "./Ledger.ts"
import { MerkleTrees } from "./MerkleTrees.ts"

/**
 * A root could not be anchored, or not looked for. It is tried again: `detail` says why it failed.
 *
 * @category errors
 * @since 0.2.0
 */
export class AnchorFailed extends Schema.TaggedError<AnchorFailed>("effect-vargate/gateway/AnchorFailed")(
  "AnchorFailed",
  { detail: Schema.String }
) {
  override get message() {
    return `The root was not anchored: ${this.detail}.`
  }
}

/**
 * What is anchored of a tree. No tenant is named: what is public says nothing of whose log it is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Root {
  readonly root: string
  readonly prevRoot: string
  readonly records: number
  readonly fromRecordId: number
  readonly toRecordId: number
}

/**
 * Where a root was written: `chain` names it for readers, `tx` is what names the writing there.
 *
 * @category models
 * @since 0.2.0
 */
export interface Place {
  readonly root: string
  readonly tx: string
  readonly chain: string
  /** The block that it stands in, where the place has blocks. */
  readonly block?: number | undefined
}

/**
 * Writes roots somewhere: to a chain (`EvmAnchorer`), or anywhere else where the gateway cannot change them.
 *
 * @category models
 * @since 0.2.0
 */
export interface Anchorer {
  /**
   * What was written in the place of this tree before, also by a process that ended before it could note it: the same root, or
   * another one. Undefined where nothing was.
   */
  readonly find: (root: Root) => Effect.Effect<Place | undefined, AnchorFailed>
  /** Writes it, and returns when it is there. It is called only after `find` has found nothing. */
  readonly submit: (root: Root) => Effect.Effect<Place, AnchorFailed>
}

/**
 * How the gateway anchors.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  readonly anchorer: Anchorer
  /** How often it looks for trees without an anchor. Default: one minute. */
  readonly every?: Duration.Input | undefined
}

const rootOf = (tree: MerkleTree): Root => ({
  root: tree.root,
  prevRoot: tree.prevRoot ?? "",
  records: tree.records,
  fromRecordId: tree.fromRecordId ?? 0,
  toRecordId: tree.toRecordId ?? 0
})

/**
 * Anchors the trees of all tenants that have none yet, the oldest first.
 *
 * **Details**
 *
 * A tree is stored before it is anchored and never built anew, so an hour has one root. Before a root is written, the place
 * is looked at: what a process wrote just before it ended is found there, and is not written again. Where another root stands in
 * the place of a tree, nothing is written and an error is logged, with every look: the ledger is not the one that was
 * anchored (an older copy was restored, or it was changed).
 *
 * @category anchoring
 * @since 0.2.0
 */
export const anchorOnce = (anchorer: Anchorer): Effect.Effect<void, never, Tenants | Ledger | MerkleTrees> =>
  Effect.gen(function*() {
    const tenants = yield* Tenants
    const ledger = yield* Ledger
    const merkle = yield* MerkleTrees
    for (const { id } of yield* tenants.all) {
      const waiting = (yield* merkle.trees(id)).filter(({ anchorTx }) => anchorTx === null || anchorTx === undefined)
      for (const tree of waiting) {
        const root = rootOf(tree)
        const place = yield* Effect.result(
          Effect.flatMap(
            anchorer.find(root),
            (found) => found === undefined ? anchorer.submit(root) : Effect.succeed(found)
          )
        )
        // The next tree names this one: it has to wait.
        if (place._tag === "Failure") {
          yield* Effect.logWarning("A tree could not be anchored", place.failure.message)
          break
        }
        if (place.success.root !== tree.root) {
          yield* Effect.logError(
            "Another root was anchored in the place of a tree: this ledger is not the one that was anchored",
            { tree: tree.index, anchored: place.success.root, stored: tree.root }
          )
          break
        }
        yield* ledger.noteAnchor(id, tree.index, place.success)
      }
    }
  })

/**
 * Anchors as long as the gateway runs. Without options it does nothing.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options | undefined): Layer.Layer<never, never, Tenants | Ledger | MerkleTrees> =>
  options === undefined ? Layer.empty : Layer.effectDiscard(
    Effect.forkScoped(
      Effect.repeat(anchorOnce(options.anchorer), Schedule.spaced(options.every ?? Duration.minutes(1)))
    )
  )
