/**
 * The failure of an answer that should have been a page of the audit log.
 *
 * @internal
 */
import { UnexpectedResponse, VargateError } from "../../../errors/VargateError.ts"
import type { MalformedJson } from "./jsonReader.ts"

/** @internal */
export const notAPage = (operation: string, { expected, position }: MalformedJson): VargateError =>
  new VargateError({
    operation,
    reason: new UnexpectedResponse({
      status: 200,
      contentType: "application/json",
      excerpt: "",
      detail: `it is not a page of an audit log: ${expected} was expected at byte ${position}`,
      sideEffect: "none"
    })
  })
