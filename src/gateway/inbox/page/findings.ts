/** What is wrong with a log, in a sentence for readers who do not know how a chain of hashes works. */
import type { Finding } from "../../../verify/ChainReport.ts"

const record = ({ actionId, id }: Finding) => `Record ${id} (action ${actionId})`

export const sentenceOf = (finding: Finding): string => {
  switch (finding._tag) {
    case "HashMismatch":
      return `${record(finding)} was changed after it was written: its content does not have its hash.`
    case "BrokenLink":
      return `${record(finding)} does not follow the one before it: something was removed, inserted or rewritten there.`
    case "MissingRecords":
      return `Records are missing: there should be ${finding.expected}, and there are ${finding.found}.`
    case "Duplicate":
      return `${record(finding)} stands in the log twice.`
    case "OutOfOrder":
      return `${record(finding)} does not stand in its place.`
    case "DoesNotReachGenesis":
      return `The log does not go back to its first record: it begins with ${record(finding).toLowerCase()}.`
    case "RewrittenSince":
      return `${record(finding)} is not what it was when this page verified it earlier.`
    case "TruncatedSince":
      return `The log was cut: it ends before ${record(finding).toLowerCase()}, which this page saw earlier.`
  }
}
