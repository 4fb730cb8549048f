/**
 * Spans for what happens thousands of times a second: none where no tracer would record them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"

/**
 * Effect's default tracer exports nothing, and a span costs as much as the rest of a call.
 *
 * @internal
 */
export const isTraced = ({ cache: { tracer, tracerEnabled } }: Fiber.Fiber<unknown, unknown>): boolean =>
  tracerEnabled && tracer !== undefined && tracer !== Tracer.nativeTracer

/**
 * `Effect.withSpan`, where a tracer is installed.
 *
 * @internal
 */
export const withSpan = <A, E, R>(
  name: string,
  effect: Effect.Effect<A, E, R>,
  attributes?: Readonly<Record<string, string>>
): Effect.Effect<A, E, R> => inSpan(name, () => effect, attributes)

/**
 * The same for what is made for the fiber that runs it.
 *
 * @internal
 */
export const inSpan = <A, E, R>(
  name: string,
  body: (fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<A, E, R>,
  attributes?: Readonly<Record<string, string>>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    isTraced(fiber)
      ? Effect.withSpan(Effect.withFiber(body), name, { attributes, captureStackTrace: false }) as Effect.Effect<
        A,
        E,
        R
      >
      : body(fiber)
  )

/**
 * Puts attributes on the span that {@link withSpan} opened, if it did.
 *
 * @internal
 */
export const annotate = (
  fiber: Fiber.Fiber<unknown, unknown>,
  attributes: () => Readonly<Record<string, string>>
): void => {
  const { span } = fiber.cache
  if (span?._tag !== "Span" || !isTraced(fiber)) return
  for (const [key, value] of Object.entries(attributes())) span.attribute(key, value)
}
