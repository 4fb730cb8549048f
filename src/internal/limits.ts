/**
 * Limits of the gateway that several capabilities keep.
 *
 * @internal
 */

/**
 * The length of the params of a tool call, in characters of Python's JSON text (`pythonLength`).
 *
 * @internal
 */
export const maxParamsLength = 65_536

/**
 * How deep the params of a tool call nest. The gateway accepts deeper ones, and then answers 500 to every audit page that
 * holds the record.
 *
 * @internal
 */
export const maxParamsDepth = 200

/**
 * The records of a page of the audit log.
 *
 * @internal
 */
export const maxPageSize = 1000
