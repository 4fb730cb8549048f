/**
 * Puts compliance exports together.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { version } from "../../internal/version.ts"
import { type BrokenLink, ComplianceExport, type ExportedRecord } from "../../operator/ComplianceExport.ts"
import { ComplianceExportBody } from "../../operator/wire/ComplianceApi.ts"
import type { MerkleProof, MerkleTree } from "../../verify/MerkleProof.ts"
import type { Tenant } from "../tenants/Tenants.ts"
import { exportHash } from "./exportHash.ts"

/**
 * Days in UTC, `from` and `to` included, as `2026-11-23`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Days {
  readonly from: string
  readonly to: string
}

/**
 * What lies within some days.
 *
 * @category building
 * @since 0.1.0
 */
export const within = ({ from, to }: Days) => (time: DateTime.Utc): boolean => {
  const day = DateTime.formatIsoDateUtc(time)
  return from <= day && day <= to
}

/**
 * The records of which an export shows the proofs: the first, the last, and every hundredth between.
 *
 * @category building
 * @since 0.1.0
 */
export const sampled = <A>(records: ReadonlyArray<A>): ReadonlyArray<A> =>
  records.filter((_, index) => index % 100 === 0 || index === records.length - 1)

/**
 * Neighbours of which the later does not name the earlier. Records that are not there are not missed.
 *
 * @category building
 * @since 0.1.0
 */
export const brokenLinks = (
  records: ReadonlyArray<Pick<AuditRecord, "id" | "prevHash" | "recordHash">>
): ReadonlyArray<BrokenLink> =>
  records.slice(1).flatMap(({ id, prevHash }, index) => {
    const expectedPrevHash = records[index]!.recordHash
    return expectedPrevHash === prevHash ? [] : [{ recordId: id, expectedPrevHash, actualPrevHash: prevHash }]
  })

const encodeBody = Schema.encodeSync(ComplianceExportBody)

/**
 * The export of what was found. Unlike a measured gateway's, its proofs have their paths, and are called valid only where
 * they lead to the stored root.
 *
 * @category building
 * @since 0.1.0
 */
export const reportOf = (found: {
  readonly tenant: Tenant
  readonly days: Days
  readonly now: DateTime.Utc
  readonly records: ReadonlyArray<ExportedRecord>
  readonly trees: ReadonlyArray<MerkleTree>
  readonly proofs: ReadonlyMap<string, MerkleProof>
}): ComplianceExport => {
  const { days, now, proofs, records, tenant, trees } = found
  const links = brokenLinks(records)
  const report = new ComplianceExport({
    tenantId: tenant.id,
    tenantName: tenant.name,
    exportedAt: now,
    ...days,
    systemVersion: `effect-vargate ${version}`,
    exportHash: "",
    records,
    chain: {
      claimedValid: links.length === 0,
      firstRecordId: records[0]?.id ?? null,
      lastRecordId: records.at(-1)?.id ?? null,
      verified: records.length,
      brokenLinks: links
    },
    trees,
    anchors: [],
    proofs: sampled(records).map(({ actionId, id, recordHash }) => {
      const proof = proofs.get(recordHash)
      const tree = trees.find(({ index }) => index === proof?.treeIndex)
      return {
        recordHash,
        actionId,
        recordId: id,
        root: tree?.root ?? null,
        path: proof?.steps.map(({ sibling, side }) => ({ sibling, position: side })) ?? [],
        claimedValid: tree !== undefined && proof?.root === tree.root
      }
    }),
    policy: { template: tenant.policyTemplate, config: tenant.policyConfig }
  })
  return new ComplianceExport({ ...report, exportHash: `sha256:${exportHash(encodeBody(report), "spaced")}` })
}
