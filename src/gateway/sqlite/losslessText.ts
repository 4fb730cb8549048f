/**
 * Texts that a TEXT column returns as they were. SQLite keeps UTF-8, which has no halves of surrogate pairs, and some
 * versions of Node cut a text at its first NUL: JSON has both, and a chain of hashes forgives neither.
 *
 * @since 0.1.0
 */
import { asciiString } from "../../internal/canonicalJson.ts"
import { lenientJson } from "./lenientJson.ts"

const marker = "\u0001"

/**
 * A text as it stands in a column: unchanged, or behind a marker as a JSON string.
 *
 * @category columns
 * @since 0.1.0
 */
export const toColumn = (text: string): string =>
  text.isWellFormed() && !text.includes("\0") && !text.startsWith(marker) ? text : marker + asciiString(text)

/**
 * The text in a column.
 *
 * @category columns
 * @since 0.1.0
 */
export const fromColumn = (column: string): string =>
  column.startsWith(marker) ? String(lenientJson(column.slice(marker.length))) : column

/**
 * {@link toColumn}, where there may be none.
 *
 * @category columns
 * @since 0.1.0
 */
export const toColumnOrNull = (text: string | null | undefined): string | null => text == null ? null : toColumn(text)

/**
 * {@link fromColumn}, where there may be none.
 *
 * @category columns
 * @since 0.1.0
 */
export const fromColumnOrNull = (column: string | null): string | null => column === null ? null : fromColumn(column)
