/**
 * The text of what was saved: bytes of any realm, plain or gzipped, within limits.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { VargateError } from "../../../errors/VargateError.ts"
import {
  type BadGzip,
  defaultExpansion,
  gunzipBytes,
  type SizeLimits,
  type TooLarge
} from "../../../internal/gunzip.ts"
import { ownBytes } from "../../../internal/ownBytes.ts"
import { invalid } from "../chain/chainReport.ts"

/**
 * The value that should have been bytes is none.
 *
 * @internal
 */
export class NotBytes {
  readonly _tag = "NotBytes"
}

/** @internal */
export type Unpacking = BadGzip | TooLarge | NotBytes

/**
 * The default limit of texts that are held in memory: a string cannot be much longer than twice that.
 *
 * @internal
 */
export const inMemory = 256 * 1024 ** 2

/** @internal */
export const sizeLimits = (
  operation: string,
  options: { readonly maxBytes?: number | undefined; readonly maxExpansion?: number | undefined },
  defaultBytes: number
): Effect.Effect<SizeLimits, VargateError> => {
  const { maxBytes = defaultBytes, maxExpansion = defaultExpansion } = options
  if (!(maxBytes > 0)) return Effect.fail(invalid(operation, ["maxBytes"], "must be more than 0"))
  if (!(maxExpansion > 0)) return Effect.fail(invalid(operation, ["maxExpansion"], "must be more than 0"))
  return Effect.succeed({ maxBytes, maxExpansion })
}

/** @internal */
export const textOf = (value: Uint8Array, limits: SizeLimits): Effect.Effect<Uint8Array, Unpacking> => {
  const bytes = ownBytes(value)
  return bytes === undefined ? Effect.fail(new NotBytes()) : gunzipBytes(bytes, limits)
}

/** @internal */
export const wordOf = (error: Unpacking): string => {
  switch (error._tag) {
    case "BadGzip":
      return "is not the gzip it begins like"
    case "TooLarge":
      return error.detail
    case "NotBytes":
      return "is not bytes: pass a Uint8Array"
  }
}
