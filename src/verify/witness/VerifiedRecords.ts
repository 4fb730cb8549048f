/**
 * The record hashes of a verified log, oldest first: what heads are made of.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { Checkpoint } from "../../audit/Checkpoint.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { OperationError } from "../../errors/VargateError.ts"
import * as Transport from "../../transport/Transport.ts"
import type { ChainReport } from "../ChainReport.ts"
import type { VerifyOptions } from "../ChainVerifier.ts"
import { chainReader } from "../internal/chain/readChain.ts"
import type { LogPrefix } from "./HeadStore.ts"

/**
 * A log, verified from its newest record down to the first, or down to one that was read before, with the hash of each record.
 *
 * @category models
 * @since 0.2.0
 */
export interface VerifiedRecords {
  readonly report: ChainReport
  /** Oldest first, those after `since`. */
  readonly recordHashes: ReadonlyArray<string>
  readonly since: LogPrefix | undefined
  /** The newest record; undefined where the log has none. */
  readonly checkpoint: Checkpoint | undefined
}

/**
 * How to read.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options extends Pick<VerifyOptions, "checkpoints" | "pageSize"> {
  /**
   * A part of the log that was read before, from `HeadStore`: records are read down to its last one, which must be there still,
   * with its hash and at its place. Default: the whole log is read.
   */
  readonly since?: LogPrefix | undefined
}

/**
 * Reads and verifies the log of the key's tenant, and keeps 32 bytes of each record. Fails with `InvalidRequest` where the
 * log is not valid, or has a gap: nothing may be signed over either.
 *
 * **Gotchas**
 *
 * With `since`, older records are not read: that they are still what they were is not looked at again. Their hashes are
 * bound by the chain all the same.
 *
 * @category reading
 * @since 0.2.0
 */
export const read: (
  options?: Options
) => Effect.Effect<VerifiedRecords, OperationError, Transport.Transport> = Effect.fn("VerifiedRecords.read")(function*(
  { since, ...options }: Options = {}
) {
  const operation = "VerifiedRecords.read"
  const transport = yield* Transport.Transport
  // A record may be read twice where the log grows meanwhile. Ids rise with the chain in a log that is valid.
  const hashes = new Map<number, string>()
  const report = yield* chainReader(transport, operation)({
    ...options,
    since: since?.checkpoint,
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
  const { id: known, count: before } = since?.checkpoint ?? { id: -Infinity, count: 0 }
  const recordHashes = [...hashes].filter(([id]) => id > known).sort(([a], [b]) => a - b).map(([, hash]) => hash)
  const { checkpoint } = report
  if (before + recordHashes.length !== (checkpoint?.count ?? 0)) {
    return yield* refuse("the log does not have as many records as it says: nothing is signed over a gap")
  }
  return { report, recordHashes, since, checkpoint }
})
