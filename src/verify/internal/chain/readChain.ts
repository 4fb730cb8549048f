/**
 * Reads the log of the key's tenant from the gateway, newest first, and verifies it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { forEachPage } from "../../../audit/internal/logPages.ts"
import { rawPageReader } from "../../../audit/internal/rawAuditPage.ts"
import type { OperationError } from "../../../errors/VargateError.ts"
import { maxPageSize } from "../../../internal/limits.ts"
import type { Transport } from "../../../transport/Transport.ts"
import type { ChainReport } from "../../ChainReport.ts"
import type { MerkleTree } from "../../MerkleProof.ts"
import { MerkleApi } from "../../wire/MerkleApi.ts"
import { notAPage } from "../json/notAPage.ts"
import { readPage } from "../scan/readLog.ts"
import { type CheckOptions, invalid, startCheck } from "./chainReport.ts"

/** Since a checkpoint there are often few records, so the first page is a small one. */
const firstPageSince = 100
const maxRoots = 500

/**
 * The stored trees, up to the newest 500 (GET /audit/merkle/roots).
 *
 * @internal
 */
export const storedTrees = (
  transport: Transport["Service"],
  operation: string
): Effect.Effect<ReadonlyArray<MerkleTree>, OperationError> =>
  Effect.map(
    transport.request(
      { name: operation, sideEffect: "none" },
      transport.client(MerkleApi).merkle.roots({ query: { limit: maxRoots } })
    ),
    ({ trees }) => trees
  )

/** @internal */
export interface ReadOptions extends Omit<CheckOptions, "trees"> {
  readonly pageSize?: number | undefined
  /** Asked for once the options are found to be good. */
  readonly trees?: Effect.Effect<ReadonlyArray<MerkleTree>, OperationError> | undefined
}

/** @internal */
export const chainReader = (transport: Transport["Service"], operation: string) => {
  const read = rawPageReader(transport, operation)
  return Effect.fnUntraced(function*(options: ReadOptions): Effect.fn.Return<ChainReport, OperationError> {
    const { pageSize = maxPageSize, since } = options
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > maxPageSize) {
      return yield* invalid(operation, ["pageSize"], `must be between 1 and ${maxPageSize}`)
    }
    const trees = options.trees === undefined ? undefined : yield* options.trees
    const check = yield* startCheck(operation, { ...options, trees })
    const { assembly } = check
    const firstPageSize = since === undefined ? pageSize : Math.min(pageSize, firstPageSince)
    const takePage = (text: Uint8Array) =>
      readPage(assembly, text, check.hasher).pipe(
        Effect.mapError((error) => notAPage(operation, error)),
        Effect.tap(check.afterPage),
        Effect.map(({ rows, total }) => {
          const { lowest } = assembly
          return { rows, total, isEnough: since !== undefined && lowest !== undefined && lowest.id <= since.id }
        })
      )
    yield* forEachPage(read, { firstPageSize, pageSize }, { gap: () => void assembly.unreadable++, page: takePage })
    return yield* check.finish
  })
}
