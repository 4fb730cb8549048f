/**
 * The contract that keeps anchors, as bytes on the wire: selectors and topics are constants, so that no Keccak is needed,
 * and its one answer that is no plain word has a fixed layout.
 *
 * @internal
 */

/** Nothing but hex, of a length that fits the type. */
const hashPattern = /^0x[0-9a-fA-F]{64}$/
const addressPattern = /^0x[0-9a-fA-F]{40}$/
const bytesPattern = /^0x(?:[0-9a-fA-F]{2})*$/
const quantityPattern = /^0x[0-9a-fA-F]{1,16}$/

/** @internal */
export const isHash = (value: unknown): value is string => typeof value === "string" && hashPattern.test(value)
/** @internal */
export const isAddress = (value: unknown): value is string => typeof value === "string" && addressPattern.test(value)
/** @internal */
export const isBytes = (value: unknown): value is string => typeof value === "string" && bytesPattern.test(value)

/**
 * A number as JSON-RPC writes it, or `undefined` where it is none, or larger than a number can hold exactly.
 *
 * @internal
 */
export const quantityOf = (value: unknown): number | undefined => {
  if (typeof value !== "string" || !quantityPattern.test(value)) return undefined
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : undefined
}

/** The end of the year 9999: what is later is no time of a block. */
const lastSecond = 253_402_300_799

/**
 * A time in seconds, or `undefined` where it is none.
 *
 * @internal
 */
export const secondsOf = (value: unknown): number | undefined => {
  const seconds = quantityOf(value)
  return seconds === undefined || seconds > lastSecond ? undefined : seconds
}

/** @internal */
export const quantity = (number: number): string => `0x${number.toString(16)}`

/** `AnchorSubmitted(uint256 indexed,bytes32,bytes32,uint256)`. @internal */
export const submittedTopic = "0x402c6c26903949883d9a5ea19257b522c8da6289278de031a91cc449a23f135f"

/** `OwnershipTransferred(address indexed,address indexed)`. @internal */
export const transferredTopic = "0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0"

/** @internal */
export const selectors = {
  owner: "0x8da5cb5b",
  getAnchorCount: "0xd3182bed",
  getAnchor: "0x4c7df18f",
  submitAnchor: "0xc2547be7"
} as const

const wordOf = (number: number): string => number.toString(16).padStart(64, "0")

/** @internal */
export const getAnchorData = (index: number): string => `${selectors.getAnchor}${wordOf(index)}`

/**
 * An entry of the contract. Hashes are without `0x`, as ours are.
 *
 * @internal
 */
export interface Entry {
  readonly root: string
  readonly prevRoot: string
  readonly records: number
  readonly fromRecord: number
  readonly toRecord: number
  readonly block: number
  /** In seconds. */
  readonly time: number
  readonly systemId: string
}

const maxSystemId = 256
const decoder = new TextDecoder("utf-8", { fatal: true })

const wordAt = (hex: string, index: number): string => hex.slice(2 + 64 * index, 2 + 64 * index + 64)

const numberAt = (hex: string, index: number): number | undefined => {
  const word = wordAt(hex, index)
  if (!/^0{48}[0-9a-f]{16}$/.test(word)) return undefined
  const number = Number(`0x${word}`)
  return Number.isSafeInteger(number) ? number : undefined
}

/**
 * A single number as the contract answers it.
 *
 * @internal
 */
export const decodeNumber = (value: unknown): number | undefined =>
  isHash(value) ? numberAt(value.toLowerCase(), 0) : undefined

/**
 * A single address, in lower case.
 *
 * @internal
 */
export const decodeAddress = (value: unknown): string | undefined =>
  isHash(value) && /^0x0{24}/.test(value) ? `0x${value.slice(26).toLowerCase()}` : undefined

/**
 * What `getAnchor` answers: an offset, seven words, the offset of the string, its length, and its bytes. Anything that is
 * laid out otherwise is not from this contract.
 *
 * @internal
 */
export const decodeEntry = (value: unknown): Entry | undefined => {
  if (!isBytes(value)) return undefined
  const hex = value.toLowerCase()
  const [offset, records, fromRecord, toRecord, block, time, textAt, length] = [0, 3, 4, 5, 6, 7, 8, 9].map((index) =>
    numberAt(hex, index)
  )
  if (offset !== 32 || textAt !== 256 || length === undefined || length > maxSystemId) return undefined
  if (
    records === undefined || fromRecord === undefined || toRecord === undefined || block === undefined ||
    time === undefined || time > lastSecond
  ) return undefined
  if (hex.length !== 2 + 64 * (10 + Math.ceil(length / 32))) return undefined
  const text = hex.slice(2 + 640, 2 + 640 + 2 * length)
  const bytes = Uint8Array.from({ length }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16))
  try {
    return {
      root: wordAt(hex, 1),
      prevRoot: wordAt(hex, 2),
      records,
      fromRecord,
      toRecord,
      block,
      time,
      systemId: decoder.decode(bytes)
    }
  } catch {
    return undefined
  }
}

/**
 * The event of one anchor.
 *
 * @internal
 */
export interface Submitted {
  /** Of the contract that wrote it, in lower case. */
  readonly address: string
  readonly index: number
  readonly root: string
}

/**
 * Reads one log of a receipt; `undefined` where it is no such event.
 *
 * @internal
 */
export const decodeSubmitted = (
  log: { readonly address?: unknown; readonly topics?: unknown; readonly data?: unknown }
): Submitted | undefined => {
  const { address, data, topics } = log
  if (!isAddress(address) || !Array.isArray(topics) || topics.length !== 2 || !isBytes(data)) return undefined
  if (String(topics[0]).toLowerCase() !== submittedTopic || data.length !== 2 + 192) return undefined
  const index = decodeNumber(topics[1])
  return index === undefined
    ? undefined
    : { address: address.toLowerCase(), index, root: wordAt(data.toLowerCase(), 0) }
}

/**
 * Reads one log; `undefined` where it is no transfer of the contract to another owner. Addresses are in lower case.
 *
 * @internal
 */
export const decodeTransferred = (
  { topics }: { readonly topics?: unknown }
): { readonly from: string; readonly to: string } | undefined => {
  if (!Array.isArray(topics) || topics.length !== 3 || String(topics[0]).toLowerCase() !== transferredTopic) {
    return undefined
  }
  const from = decodeAddress(topics[1])
  const to = decodeAddress(topics[2])
  return from === undefined || to === undefined ? undefined : { from, to }
}

/**
 * The call data of `submitAnchor`.
 *
 * @internal
 */
export const submitAnchorData = (entry: Omit<Entry, "block" | "time">): string => {
  const bytes = new TextEncoder().encode(entry.systemId)
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return [
    selectors.submitAnchor,
    entry.root,
    entry.prevRoot,
    wordOf(entry.records),
    wordOf(entry.fromRecord),
    wordOf(entry.toRecord),
    wordOf(192),
    wordOf(bytes.length),
    text.padEnd(64 * Math.ceil(text.length / 64), "0")
  ].join("")
}
