/**
 * Where things are in the memory. Four messages are hashed side by side: a vector of 16 bytes has a word of each, and a
 * table of 64 vectors is what the rounds of one block take.
 *
 * What lies below 2048 is for the constants that the compiler places.
 */

const table: i32 = 64 * 16

/** The words of a block, and what follows from them. */
export const words: i32 = 2048
/** The same with the constants of the rounds added. */
export const schedule: i32 = words + table
/** The schedule of the second block of 64 bytes, which is padding alone. */
export const padding: i32 = schedule + table
/** The eight words of the state. */
export const state: i32 = padding + table

/**
 * The second block of 65 bytes is padding but for its first byte. For each such byte its schedule, 64 words of one
 * message.
 */
export const lastBytes: i32 = 8192
export const lastByteSize: i32 = 64 * 4

/** How many nodes are in a row at most, a multiple of four. */
export const capacity: i32 = 1024
/** A byte is read before the first node. */
export const row: i32 = lastBytes + 256 * lastByteSize + 16
/** Nodes as hex. */
export const digits: i32 = row + 32 * capacity
