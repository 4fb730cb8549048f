/**
 * Where the API key comes from, if not from the options: a secrets manager, a file, another service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { KeyUnavailable } from "../errors/VargateError.ts"

/**
 * Reads the API key.
 *
 * **Details**
 *
 * It is asked when the transport is built, and again when the gateway refuses a key (401): once for all requests that were
 * refused with that key, and at most once for any of them. They are then sent again with the new key, which is safe
 * because the refused ones did nothing. While the answer stays the same, a refused key is a failure. An answer may take as
 * long as an operation of the transport.
 *
 * @category services
 * @since 0.1.0
 */
export class KeyProvider extends Context.Service<KeyProvider, {
  readonly read: Effect.Effect<Redacted.Redacted, KeyUnavailable>
}>()("effect-vargate/KeyProvider") {}

/**
 * A provider that runs `read` each time. A failure becomes `KeyUnavailable` and names the error's tag only, since its
 * other fields may contain secrets: log it inside `read` if you need to see more.
 *
 * **Example** (A key from a file that something else keeps up to date)
 *
 * ```ts
 * import { Effect, FileSystem, Layer } from "effect"
 * import { KeyProvider, Vargate } from "effect-vargate"
 *
 * const provider = KeyProvider.layer(
 *   FileSystem.FileSystem.use((fs) => Effect.map(fs.readFileString("/run/secrets/vargate"), (text) => text.trim()))
 * )
 *
 * const vargate = Vargate.layerKeyProvider().pipe(Layer.provide(provider))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  read: Effect.Effect<Redacted.Redacted | string, E, R>
): Layer.Layer<KeyProvider, never, R> =>
  Layer.effect(
    KeyProvider,
    Effect.map(Effect.context<R>(), (context) =>
      KeyProvider.of({
        read: read.pipe(
          Effect.map((key) => Redacted.isRedacted(key) ? key : Redacted.make(key)),
          Effect.mapError((error) => new KeyUnavailable({ detail: nameOf(error) })),
          Effect.provideContext(context)
        )
      }))
  )

const nameOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return "the key provider failed"
  const { _tag, name } = error as { readonly _tag?: unknown; readonly name?: unknown }
  const tag = typeof _tag === "string" ? _tag : name
  return typeof tag === "string" ? `the key provider failed with ${tag}` : "the key provider failed"
}
