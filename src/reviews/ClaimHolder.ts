/**
 * The name under which a process claims decisions, and whether a process of another name has certainly ended: what it had
 * claimed is then taken over at once, not after the lease.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * A process as a holder of claims. By default it has no name, and it is never certain that another one has ended. The
 * stores of `BallotsSql` bring one that knows the processes of its machine.
 *
 * @category references
 * @since 0.2.0
 */
export const ClaimHolder = Context.Reference<{
  /** Without `#`. Empty where processes cannot be told apart. */
  readonly name: string
  /** True only where it is certain that no process of this name will do anything any more. */
  readonly hasEnded: (name: string) => Effect.Effect<boolean>
}>("effect-vargate/ClaimHolder", {
  defaultValue: () => ({ name: "", hasEnded: () => Effect.succeed(false) })
})
