/**
 * Keys, policies and heads in files.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import type { VargateError } from "../../errors/VargateError.ts"
import * as Note from "../../verify/witness/Note.ts"
import * as WitnessPolicy from "../../verify/witness/WitnessPolicy.ts"
import { FileFailed, Usage } from "../core/failure.ts"
import { readText } from "../core/readText.ts"

/** @internal */
export const textOf = (path: string) => Effect.mapError(readText(path), FileFailed.of("read", path))

const aboutFile = (path: string, what: string) => ({ reason }: VargateError) =>
  new Usage({
    message: `${path} holds no ${what}: ${
      reason._tag === "InvalidRequest" ? reason.issues.map(({ message }) => message).join("; ") : reason.message
    }.`
  })

/** @internal */
export const readSigner = Effect.fnUntraced(function*(path: string) {
  const text = yield* textOf(path)
  const key = yield* Effect.mapError(
    Note.parseSigner(Redacted.make(text.trim())),
    aboutFile(path, "key for signing")
  )
  if (key.verifier.kind !== "log") {
    return yield* new Usage({ message: `${path} holds the key of a witness, and not that of a log.` })
  }
  return key
})

/** @internal */
export const readPolicy = Effect.fnUntraced(function*(path: string) {
  return yield* Effect.mapError(WitnessPolicy.parse(yield* textOf(path)), aboutFile(path, "policy"))
})

/** @internal */
export const refuseExisting = Effect.fnUntraced(function*(path: string) {
  const files = yield* FileSystem.FileSystem
  if (path !== "-" && (yield* Effect.orElseSucceed(files.exists(path), () => false))) {
    return yield* new Usage({ message: `${path} exists already: name another file.` })
  }
})
