/**
 * Where things are in the memory.
 *
 * What stands in the window is followed by 32 zeros. No byte of JSON is zero, so reading stops there, and nothing reads
 * more than 32 bytes at a time: that is why no address is ever compared with an end.
 */

/** Where the value of each field of a record begins and ends, in tables of 32 addresses. 0 for a field that is missing. */
export const starts: i32 = 64
export const ends: i32 = starts + 32 * 4

/** The fields in their order. */
export const fields: i32 = ends + 32 * 4

// Of a field: what stands before its value, filled up with zeros, a mask of 0xff for each byte of it, and the rest.
export const lead: i32 = 0
export const leadMask: i32 = 32
export const leadLength: i32 = 64
export const isRequired: i32 = 68
export const isHashed: i32 = 72
export const isNested: i32 = 76
export const fieldSize: i32 = 80

/** A stretch of the page. */
export const window: i32 = 4096
export const windowSize: i32 = 32768

/**
 * What is hashed of a record, up to the end of the memory, which is as large as four windows and more. A character grows
 * to three and a half times its size at most (`é` to `\\u00e9`), so there is room for whatever a window holds.
 */
export const payload: i32 = window + windowSize + 4096
