/**
 * What a gateway says to a request that does not fit the contract.
 *
 * @since 0.1.0
 */
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import { Unprocessable422 } from "./ErrorBodies.ts"

/**
 * Answers 422 with the list of what is wrong and where. A gateway implements it; clients have nothing to do.
 *
 * @category middleware
 * @since 0.1.0
 */
export class RequestValidation extends HttpApiMiddleware.Service<RequestValidation>()(
  "effect-vargate/api/RequestValidation",
  { error: Unprocessable422 }
) {}
