/**
 * Checks what a transport is given.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { isLoopback } from "../../internal/loopback.ts"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"

/** @internal */
export const invalidOption = (option: string, message: string) =>
  invalidRequest("Transport.make", [{ path: [option], message }])

/** @internal */
export const checkTimeout = (input: Duration.Input = "30 seconds"): Effect.Effect<Duration.Duration, VargateError> => {
  const timeout = Duration.fromInput(input)
  return Option.isSome(timeout)
    ? Effect.succeed(timeout.value)
    : Effect.fail(invalidOption("timeout", "the time-out must be a duration, like \"30 seconds\""))
}

/** @internal */
export const checkUrl = (text: string, allowInsecure: boolean): Effect.Effect<string, VargateError> => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    return Effect.fail(invalidOption("url", "the gateway's URL must begin with https:// (or http:// on this machine)"))
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return Effect.fail(invalidOption("url", "the gateway's URL must have no user, query or fragment"))
  }
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname)) {
    return Effect.fail(
      invalidOption(
        "url",
        "plain http would show the API key to every machine on the way: use https, or set allowInsecure"
      )
    )
  }
  return Effect.succeed(withoutTrailingSlashes(url.href))
}
