/**
 * Every way in which a command ends, and what is said about it.
 *
 * @internal
 */
import * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"
import type * as PlatformError from "effect/PlatformError"
import type {
  ApprovalTimeout,
  Denied,
  DuplicateSubmission,
  Expired,
  Joined,
  OpaUnavailable,
  OutcomeUnknown,
  PendingApproval,
  RateLimited,
  Reason,
  Rejected,
  RotationUnknown,
  SettingNotApplied,
  StorageFailed,
  ToolFailed,
  VargateError
} from "../../errors/VargateError.ts"
import type { LogContradicts } from "../../export/AuditExport.ts"
import type { SinkFailed } from "../../export/ExportSink.ts"
import type { ListenError } from "../../gateway/ListenError.ts"
import type { StorageError } from "../../gateway/sqlite/StorageError.ts"
import { ExitCode, type Failure } from "../Output.ts"
import type { WriteError } from "../screen/Screen.ts"

/**
 * Everything was said, and it was not good.
 *
 * @internal
 */
export class Concluded extends Data.TaggedError("Concluded")<{ readonly exitCode: number }> {}

/**
 * What was asked for makes no sense, in a way that only running the command shows.
 *
 * @internal
 */
export class Usage extends Data.TaggedError("Usage")<{ readonly message: string }> {}

/**
 * There is no key, or the configuration cannot be used.
 *
 * @internal
 */
export class NotConfigured extends Data.TaggedError("NotConfigured")<{ readonly message: string }> {}

/**
 * A file could not be read or written.
 *
 * @internal
 */
export class FileFailed extends Data.TaggedError("FileFailed")<{ readonly message: string }> {
  static of(verb: string, path: string) {
    return ({ reason }: PlatformError.PlatformError) =>
      new FileFailed({ message: `${path} cannot be ${verb}: ${fileReasons[reason._tag] ?? reason.message}.` })
  }
}

const fileReasons: Readonly<Record<string, string>> = {
  NotFound: "there is no such file or folder",
  PermissionDenied: "permission denied",
  AlreadyExists: "it exists already",
  BadResource: "it is not a file"
}

/**
 * What a command may fail with.
 *
 * @internal
 */
export type CommandError =
  | Concluded
  | Usage
  | NotConfigured
  | FileFailed
  | WriteError
  | Denied
  | PendingApproval
  | RateLimited
  | OpaUnavailable
  | OutcomeUnknown
  | DuplicateSubmission
  | Rejected
  | Expired
  | ApprovalTimeout
  | ToolFailed
  | SettingNotApplied
  | RotationUnknown
  | StorageFailed
  | SinkFailed
  | LogContradicts
  | StorageError
  | ListenError
  | VargateError

const reasonCodes: Readonly<Record<Reason["_tag"], number>> = {
  Unauthenticated: ExitCode.refused,
  KeyUnavailable: ExitCode.refused,
  Forbidden: ExitCode.refused,
  InvalidRequest: ExitCode.usage,
  PayloadTooLarge: ExitCode.usage,
  NotFound: ExitCode.notFound,
  Conflict: ExitCode.notFound,
  QuotaExceeded: ExitCode.notNow,
  NotSupported: ExitCode.usage,
  ReportedFailure: ExitCode.badVerdict,
  Unreachable: ExitCode.unreachable,
  Timeout: ExitCode.unreachable,
  ConnectionLost: ExitCode.unreachable,
  GatewayFault: ExitCode.unreachable,
  UnexpectedResponse: ExitCode.unreachable,
  WebhookUndelivered: ExitCode.badVerdict,
  Joined: ExitCode.pending,
  RefusedAgain: ExitCode.denied,
  Suspended: ExitCode.denied,
  OverBudget: ExitCode.denied,
  GuardUnavailable: ExitCode.file
}

/** What became of the call that was asked for before is what became of this one. */
const joinedCodes: Readonly<Record<Joined["outcome"], number>> = {
  pending: ExitCode.pending,
  approved: ExitCode.pending,
  performed: ExitCode.notFound,
  failed: ExitCode.toolFailed,
  rejected: ExitCode.denied,
  expired: ExitCode.denied
}

const codes: Readonly<
  Record<Exclude<CommandError["_tag"], "Concluded" | "BrokenPipe" | "WriteFailed" | "VargateError">, number>
> = {
  Usage: ExitCode.usage,
  NotConfigured: ExitCode.usage,
  FileFailed: ExitCode.file,
  Denied: ExitCode.denied,
  PendingApproval: ExitCode.pending,
  RateLimited: ExitCode.notNow,
  OpaUnavailable: ExitCode.notNow,
  OutcomeUnknown: ExitCode.unknown,
  DuplicateSubmission: ExitCode.unknown,
  Rejected: ExitCode.denied,
  Expired: ExitCode.denied,
  ApprovalTimeout: ExitCode.pending,
  ToolFailed: ExitCode.toolFailed,
  SettingNotApplied: ExitCode.badVerdict,
  RotationUnknown: ExitCode.unknown,
  StorageFailed: ExitCode.file,
  SinkFailed: ExitCode.unreachable,
  LogContradicts: ExitCode.badVerdict,
  StorageError: ExitCode.file,
  ListenError: ExitCode.file
}

/**
 * What is said about an error. Undefined where nothing is to be said any more.
 *
 * @internal
 */
export const describe = (
  error: CommandError | CliError.CliError
): { readonly exitCode: number; readonly failure?: typeof Failure.Type } => {
  if (CliError.isCliError(error)) return describeUsage(error)
  switch (error._tag) {
    case "Concluded":
      return { exitCode: error.exitCode }
    case "BrokenPipe":
      return { exitCode: ExitCode.brokenPipe }
    case "WriteFailed":
      return {
        exitCode: ExitCode.file,
        failure: { error: "FileFailed", message: error.message, exitCode: ExitCode.file }
      }
    case "VargateError": {
      const { reason, sideEffect } = error
      const isUnknown = sideEffect === "possible" && reason._tag !== "WebhookUndelivered" &&
        reason._tag !== "Joined" && reason._tag !== "Suspended"
      const isUnsent = reason._tag === "WebhookUndelivered" && !reason.isSent
      const exitCode = isUnknown
        ? ExitCode.unknown
        : isUnsent
        ? ExitCode.usage
        : reason._tag === "Joined"
        ? joinedCodes[reason.outcome]
        : reason._tag === "Suspended" && sideEffect === "possible"
        ? ExitCode.pending
        : reasonCodes[reason._tag]
      const about = "actionId" in reason && reason.actionId !== undefined ? { actionId: reason.actionId } : {}
      return { exitCode, failure: { error: reason._tag, message: reason.message, exitCode, ...about, sideEffect } }
    }
  }
  const exitCode = codes[error._tag]
  return {
    exitCode,
    failure: {
      error: error._tag,
      message: error.message,
      exitCode,
      ..."actionId" in error && error.actionId !== undefined ? { actionId: error.actionId } : {},
      ..."sideEffect" in error ? { sideEffect: error.sideEffect } : {},
      ...error._tag === "RateLimited" ? { source: error.source } : {}
    }
  }
}

/** The presenter has shown those of a wrong command line already. */
const describeUsage = (error: CliError.CliError) => {
  if (error._tag === "ShowHelp") return { exitCode: error.errors.length === 0 ? ExitCode.good : ExitCode.usage }
  return {
    exitCode: ExitCode.usage,
    failure: { error: "Usage", message: error.message, exitCode: ExitCode.usage }
  }
}
