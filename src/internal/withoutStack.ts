/**
 * Errors that are answers.
 *
 * @internal
 */

/**
 * Makes an error without a stack trace. Where a policy says no nothing is broken, a trace would lead into this package
 * alone, and taking it costs as much as the rest of the call.
 *
 * @internal
 */
export const withoutStack = <A extends Error>(make: () => A): A => {
  const { stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = 0
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
