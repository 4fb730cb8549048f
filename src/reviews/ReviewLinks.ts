/**
 * One-time links for reviewers who are written to: each is for one reviewer and one action as it was shown. Their tokens
 * are kept hashed.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageFailed } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"

/**
 * A link, without its token.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReviewLink {
  /** The SHA-256 of the token, as lower-case hexadecimal digits. */
  readonly hash: string
  readonly actionId: ActionId
  readonly digest: string
  readonly reviewerId: string
  /** Whom a vote with it represents. */
  readonly onBehalfOf: string | null
  /** In epoch milliseconds. */
  readonly expiresAt: number
  /** In epoch milliseconds. */
  readonly usedAt: number | null
}

/**
 * The links of a panel. Every method is atomic.
 *
 * @category services
 * @since 0.2.0
 */
export class ReviewLinks extends Context.Service<ReviewLinks, {
  /** Keeps a new link, and forgets those that have expired a day ago. */
  readonly add: (link: Omit<ReviewLink, "usedAt">, now: number) => Effect.Effect<void, StorageFailed>
  readonly find: (hash: string) => Effect.Effect<ReviewLink | undefined, StorageFailed>
  /**
   * Uses a link, and with it all others of the same reviewer for the same action: of all who ask, one gets `true`. False
   * where it is not known, has expired, or was used.
   */
  readonly use: (hash: string, now: number) => Effect.Effect<boolean, StorageFailed>
  /** Takes a use back: nothing came of it. */
  readonly restore: (hash: string) => Effect.Effect<void, StorageFailed>
}>()("effect-vargate/ReviewLinks") {}

/**
 * For how long expired links are kept: they say what became of their action. In milliseconds.
 *
 * @category constants
 * @since 0.2.0
 */
export const keptMillis = 86_400_000

const isSame = (a: ReviewLink, b: ReviewLink) =>
  a.actionId === b.actionId && a.digest === b.digest && a.reviewerId === b.reviewerId

/**
 * Links in memory, which end with the process.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<ReviewLinks> = Layer.sync(ReviewLinks, () => {
  const links = new Map<string, ReviewLink>()
  const setUsed = (link: ReviewLink, usedAt: number | null) => {
    for (const [hash, other] of links) if (isSame(link, other)) links.set(hash, { ...other, usedAt })
  }
  return ReviewLinks.of({
    add: (link, now) =>
      Effect.sync(() => {
        for (const [hash, { expiresAt }] of links) if (expiresAt < now - keptMillis) links.delete(hash)
        links.set(link.hash, { ...link, usedAt: null })
      }),
    find: (hash) => Effect.sync(() => links.get(hash)),
    use: (hash, now) =>
      Effect.sync(() => {
        const link = links.get(hash)
        if (link === undefined || link.usedAt !== null || link.expiresAt <= now) return false
        setUsed(link, now)
        return true
      }),
    restore: (hash) =>
      Effect.sync(() => {
        const link = links.get(hash)
        if (link !== undefined) setUsed(link, null)
      })
  })
})
