/**
 * How much a saved log or a file of evidence may hold.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import type { SizeOptions } from "../../verify/ChainVerifier.ts"
import { positive } from "../core/flags.ts"

/** @internal */
export const sizeFlags = {
  maxBytes: positive("max-bytes").pipe(
    Flag.withMetavar("<n>"),
    Flag.withDescription("Bytes of text that a file may hold, unpacked"),
    Flag.optional
  ),
  maxExpansion: positive("max-expansion").pipe(
    Flag.withMetavar("<n>"),
    Flag.withDescription("Bytes of text for each byte of gzip (100)"),
    Flag.optional
  )
}

/** @internal */
export const sizeOptions = (flags: {
  readonly maxBytes: Option.Option<number>
  readonly maxExpansion: Option.Option<number>
}): SizeOptions => ({
  maxBytes: Option.getOrUndefined(flags.maxBytes),
  maxExpansion: Option.getOrUndefined(flags.maxExpansion)
})

/**
 * The library speaks of options, the command line of flags.
 *
 * @internal
 */
export const namingFlags = (message: string): string =>
  message.replace("maxBytes", "--max-bytes").replace("maxExpansion", "--max-expansion")
