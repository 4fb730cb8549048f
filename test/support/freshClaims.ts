/**
 * Files of `npm test` share their modules, since to load them for each takes as long as half of the tests. What calls of one file were answered with is none of the
 * next one's business.
 */
import * as Context from "effect/Context"
import { Claims, CurrentClaims } from "../../src/calls/internal/claims.ts"

Object.assign(Context.get(Context.empty(), CurrentClaims), new Claims())
