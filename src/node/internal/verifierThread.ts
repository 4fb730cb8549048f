/**
 * What runs in each of the `VerifierThreads`. It loads the scanner and little else, so that a thread starts soon and takes
 * little memory.
 *
 * @internal
 */
import { hash } from "node:crypto"
import { parentPort } from "node:worker_threads"
import { scanVerifiedRun } from "../../verify/internal/chain/verifiedRun.ts"
import { scanAuditPage } from "../../verify/internal/scan/auditScanner.ts"

/** @internal */
export interface ScanRequest {
  readonly text: Uint8Array<SharedArrayBuffer>
  readonly withLeaves: boolean
}

const sha256 = (payload: Uint8Array): string => hash("sha256", payload, "hex")

parentPort?.on("message", ({ text, withLeaves }: ScanRequest) => {
  parentPort?.postMessage(scanVerifiedRun((onRecord) => scanAuditPage(text, onRecord), sha256, withLeaves))
})

/** Said once, before any answer. */
const ready = undefined
parentPort?.postMessage(ready)
