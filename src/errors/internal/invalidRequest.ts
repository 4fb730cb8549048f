/**
 * The error of input that is refused before anything is sent.
 *
 * @internal
 */
import { type FieldIssue, InvalidRequest, VargateError } from "../VargateError.ts"

/** @internal */
export const invalidRequest = (operation: string, issues: ReadonlyArray<FieldIssue>): VargateError =>
  new VargateError({ operation, reason: new InvalidRequest({ issues }) })
