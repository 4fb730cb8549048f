/**
 * The record hashes of a verified log, oldest first: what heads are made of.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { OperationError } from "../../errors/VargateError.ts"
import * as Transport from "../../transport/Transport.ts"
import type { ChainReport } from "../ChainReport.ts"
import type { VerifyOptions } from "../ChainVerifier.ts"
import { chainReader } from "../internal/chain/readChain.ts"

/**
 * A log, verified from its newest record down to the first, with the hash of each record.
 *
 * @category models
 * @since 0.2.0
 */
export interface VerifiedRecords {
  readonly report: ChainReport
  /** Oldest first. */
  readonly recordHashes: ReadonlyArray<string>
}

/**
 * Reads and verifies the log of the key's tenant, and keeps 32 bytes of each record. Fails with `InvalidRequest` where the
 * log is not valid, or has a gap: nothing may be signed over either.
 *
 * @category reading
 * @since 0.2.0
 */
export const read: (
  options?: Pick<VerifyOptions, "checkpoints" | "pageSize">
) => Effect.Effect<VerifiedRecords, OperationError, Transport.Transport> = Effect.fn("VerifiedRecords.read")(function*(
  options: Pick<VerifyOptions, "checkpoints" | "pageSize"> = {}
) {
  const operation = "VerifiedRecords.read"
  const transport = yield* Transport.Transport
  // A record may be read twice where the log grows meanwhile. Ids rise with the chain in a log that is valid.
  const hashes = new Map<number, string>()
  const report = yield* chainReader(transport, operation)({
    ...options,
    onHash: (recordHash, id) => void hashes.set(id, recordHash)
  })
  const refuse = (message: string) => invalidRequest(operation, [{ path: [], message }])
  if (!report.valid) {
    const tags = [...new Set(report.findings.map(({ _tag }) => _tag))].join(", ")
    return yield* refuse(`the log is not valid (${tags}): nothing is signed over it`)
  }
  if (!report.isComplete || hashes.size !== report.records) {
    return yield* refuse("the log has records that could not be read: nothing is signed over a gap")
  }
  const recordHashes = [...hashes].sort(([a], [b]) => a - b).map(([, hash]) => hash)
  return { report, recordHashes }
})
