/**
 * Why a gateway cannot use its file.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * What is the matter, and what to do about it.
 *
 * @category models
 * @since 0.1.0
 */
export type StorageProblem =
  /** Another process, or another gateway in this one, has the file. */
  | "InUse"
  /** A newer version of this package has written it. */
  | "Newer"
  /** It is some other program's database. */
  | "Foreign"
  /** It is no database, or not any more. */
  | "Damaged"
  /** It cannot be opened or written. */
  | "Inaccessible"
  /** It has a second name, a hard link, under which another process could open it unnoticed. */
  | "Linked"
  /** The disk, or the quota that this user has on it, is full. */
  | "Full"
  /** It has been removed, replaced or taken over while a gateway had it open. */
  | "Lost"
  /** It holds fewer records than there have been. */
  | "Incomplete"
  /** The file with the head of the log cannot be understood. */
  | "HeadUnfit"
  /** It is there already, and would be overwritten. */
  | "Exists"
  /** Its chain of hashes is broken. */
  | "Broken"
  /** What is encrypted in it cannot be read without the key file. */
  | "KeyMissing"
  /** Other users can read the key file. */
  | "KeyExposed"
  /** The key file holds no key, or that of another database. */
  | "KeyUnfit"

const advice: Readonly<Record<StorageProblem, string>> = {
  InUse: "Another gateway has it open, and only one may. Stop that one, or choose another file.",
  Newer: "Update effect-vargate, or choose another file.",
  Foreign: "It is the database of some other program. Choose another file.",
  Damaged: "Put a backup in its place, or choose another file.",
  Inaccessible: "Its folder must exist, and this user must be able to write there.",
  Linked: "Remove the other one, or make a copy: a backup by hard link would be changed with the database itself.",
  Full: "Free space on its disk. What was answered before is kept.",
  Lost: "Stop this gateway, see that the file and its -wal are where they were, and start it again.",
  Incomplete:
    "Put back the whole database, and its -wal where there is one. To go on without what is missing, remove the " +
    ".head file beside it: then the loss is not reported again.",
  HeadUnfit:
    "Put it back from a backup. Where there is none, remove it: then nothing tells whether the log is complete.",
  Exists: "Nothing was written. Move it away with all files that are named after it, or choose another name.",
  Broken: "Nothing was written. Keep it as evidence, and verify it against your checkpoints.",
  KeyMissing: "Put it back from a backup: it alone opens the secrets in the database.",
  KeyExposed: "Take the permission away (chmod 600), and replace the secrets if another user may have read it.",
  KeyUnfit: "Put back the one that was made with this database."
}

/**
 * A gateway's file, or the key file beside it, cannot be used.
 *
 * @category errors
 * @since 0.1.0
 */
export class StorageError extends Data.TaggedError("StorageError")<{
  readonly problem: StorageProblem
  /** The file at fault: the database or its key file. */
  readonly filename: string
  /** What was found, as the beginning of a sentence about the file: `is in use`. */
  readonly detail: string
}> {
  override get message(): string {
    return `${this.filename} ${this.detail}. ${advice[this.problem]}`
  }
}
