/**
 * What holds for every group of routes.
 *
 * @since 0.1.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import { RequestValidation } from "./RequestValidation.ts"

/**
 * Groups of routes.
 *
 * @category models
 * @since 0.1.0
 */
export type Groups = readonly [HttpApiGroup.Constraint, ...Array<HttpApiGroup.Constraint>]

/**
 * An API of these groups alone, so that a program which needs a few routes does not carry all of them.
 *
 * @category api
 * @since 0.1.0
 */
export const apiOf = <const G extends Groups>(
  ...groups: G
): HttpApi.HttpApi<"vargate", HttpApiGroup.AddMiddleware<G[number], RequestValidation>> =>
  HttpApi.make("vargate")
    .add(...groups)
    .middleware(RequestValidation)
    .annotate(HttpApi.PayloadParseOptions, { errors: "all" })
