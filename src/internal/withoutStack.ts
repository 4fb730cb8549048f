/**
 * Errors that are answers.
 *
 * @internal
 */

/** The limit is V8's: types of other runtimes do not know it. Where there is none, setting it does nothing. */
const Traced: ErrorConstructor & { stackTraceLimit?: number | undefined } = Error

/**
 * Makes an error without a stack trace. Where a policy says no nothing is broken, a trace would lead into this package
 * alone, and taking it costs as much as the rest of the call.
 *
 * @internal
 */
export const withoutStack = <A extends Error>(make: () => A): A => {
  const { stackTraceLimit } = Traced
  try {
    Traced.stackTraceLimit = 0
    return make()
  } finally {
    Traced.stackTraceLimit = stackTraceLimit
  }
}
