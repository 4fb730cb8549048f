/**
 * The ballots of a panel, from its database.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import { Ballots } from "../../reviews/Ballots.ts"
import { GrantStore } from "../../reviews/Grants.ts"
import { cannotRead, database } from "../core/database.ts"

/**
 * Opens the database of a file, or that of VARGATE_POSTGRES_URL.
 *
 * @internal
 */
export const withBallots = <A, E, R>(file: Option.Option<string>, effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const BallotsSql = yield* Effect.promise(() => import("../../node/BallotsSql.ts"))
    const ballots = Layer.provide(BallotsSql.layer, yield* database(file, "ballots"))
    return yield* Effect.provide(effect, yield* Effect.mapError(Layer.build(ballots), cannotRead("ballots")))
  }))

/**
 * The same for its standing approvals.
 *
 * @internal
 */
export const withGrants = <A, E, R>(file: Option.Option<string>, effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const GrantsSql = yield* Effect.promise(() => import("../../node/GrantsSql.ts"))
    const grants = Layer.provide(GrantsSql.layer, yield* database(file, "grants"))
    return yield* Effect.provide(effect, yield* Effect.mapError(Layer.build(grants), cannotRead("grants")))
  }))

/** More than a panel decides in years. */
const limit = 10_000_000

/** @internal */
export const allBallots = Ballots.use(({ list }) => list({ limit }))

/** @internal */
export const allGrants = GrantStore.use(({ list }) => list({ limit }))
