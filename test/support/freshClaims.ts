/** Test files share their modules: what calls of one file were answered with is none of the next one's business. */
import * as Context from "effect/Context"
import { Claims, CurrentClaims } from "../../src/calls/internal/claims.ts"

Object.assign(Context.get(Context.empty(), CurrentClaims), new Claims())
