/**
 * From pages to a report.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { Checkpoint } from "../../../audit/Checkpoint.ts"
import { invalidRequest } from "../../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../../errors/VargateError.ts"
import { type FieldIssue } from "../../../errors/VargateError.ts"
import { monotonicMillis } from "../../../internal/elapsed.ts"
import { RecordHash } from "../../../model/RecordHash.ts"
import { verifierRate } from "../../../transport/Metrics.ts"
import { ChainReport } from "../../ChainReport.ts"
import { Hasher, type HasherService } from "../../Hasher.ts"
import type { MerkleTree } from "../../MerkleProof.ts"
import { type OnTree, TreeRebuild } from "../merkle/treeRebuild.ts"
import type { AuditPage } from "../scan/auditScanner.ts"
import { ChainAssembly } from "./chainAssembly.ts"
import type { OnLeaf } from "./pageChecks.ts"

/** @internal */
export interface CheckOptions {
  readonly since?: Checkpoint | undefined
  readonly checkpoints?: ReadonlyArray<Checkpoint> | undefined
  readonly trees?: ReadonlyArray<MerkleTree> | undefined
  readonly isPart?: boolean | undefined
  readonly maxFindings?: number | undefined
  /** Told the hash of every record that belongs to the log. */
  readonly onHash?: ((recordHash: string, id: number) => void) | undefined
  readonly onTree?: OnTree | undefined
}

const knownRoots = 100

/**
 * One verification on its way.
 *
 * @internal
 */
export interface Check {
  readonly assembly: ChainAssembly
  readonly hasher: HasherService
  /** To be called after each page, before the next. */
  readonly afterPage: (page: AuditPage) => Effect.Effect<void, VargateError>
  readonly finish: Effect.Effect<ChainReport>
}

/** @internal */
export const invalid = (operation: string, path: FieldIssue["path"], message: string) =>
  invalidRequest(operation, [{ path, message }])

/** @internal */
export const startCheck = Effect.fnUntraced(function*(
  operation: string,
  options: CheckOptions
): Effect.fn.Return<Check> {
  const hasher = yield* Hasher
  const startedAt = yield* monotonicMillis
  const { checkpoints = [], isPart = false, maxFindings = 100, onHash, onTree, since, trees } = options
  const compared = since === undefined ? checkpoints : [...checkpoints, since]
  const rebuild = trees === undefined
    ? undefined
    : new TreeRebuild(trees, compared.flatMap(({ roots }) => roots), onTree)
  const onLeaf: OnLeaf | undefined = onHash === undefined ? rebuild?.add : (id, recordHash, isErased, requestedAt) => {
    onHash(recordHash, id)
    rebuild?.add(id, recordHash, isErased, requestedAt)
  }
  const wantsTimes = onTree !== undefined
  const assembly = new ChainAssembly({ pins: checkpoints, isPart, since, maxFindings, onLeaf, wantsTimes })
  const tenants = new Set(compared.map(({ tenantId }) => tenantId))

  const afterPage = (page: AuditPage) =>
    Effect.suspend(() => {
      tenants.add(page.tenantId)
      if (tenants.size > 1) {
        return Effect.fail(
          invalid(operation, ["tenant_id"], `one log has one tenant, not ${[...tenants].join(" and ")}`)
        )
      }
      return rebuild?.settle(hasher) ?? Effect.void
    })

  const finish = Effect.gen(function*() {
    const verdict = assembly.finish()
    const now = yield* DateTime.now
    yield* Metric.update(verifierRate, verdict.records * 1000 / Math.max(1, (yield* monotonicMillis) - startedAt))
    const report = rebuild === undefined ? undefined : yield* rebuild.finish(hasher)
    const { head, tenantId } = verdict
    const valid = verdict.findings.length === 0 && report?.valid !== false
    const keepable = valid && head !== undefined && tenantId !== undefined && verdict.isUpToDate && !isPart
    return new ChainReport({
      valid,
      tenantId,
      records: verdict.records,
      head,
      firstId: verdict.oldest?.id,
      lastId: head?.id,
      findings: verdict.findings,
      omittedFindings: verdict.omittedFindings,
      gaps: verdict.gaps,
      since,
      checkpoint: !keepable ? undefined : new Checkpoint({
        tenantId,
        id: head.id,
        actionId: head.actionId,
        recordHash: RecordHash.make(head.recordHash),
        count: verdict.headPosition + 1,
        at: now,
        roots: (trees ?? []).toSorted((a, b) => a.index - b.index).slice(-knownRoots).map(({ index, root }) => ({
          index,
          root
        }))
      }),
      trees: report
    })
  })

  return { assembly, hasher, afterPage, finish }
})
