/**
 * From which address a request comes, for limits that hold per address.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import { BlockList, isIP } from "node:net"

/** An IPv4 address as an IPv6 socket shows it: `::ffff:192.0.2.1`. */
const mapped = "::ffff:"

/**
 * An address in one spelling. Undefined for a text that is none.
 *
 * @category getters
 * @since 0.1.0
 */
export const addressOf = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  const lower = text.trim().toLowerCase()
  const plain = lower.startsWith(mapped) && isIP(lower.slice(mapped.length)) === 4 ? lower.slice(mapped.length) : lower
  return isIP(plain) === 0 ? undefined : plain
}

/** The first 64 bits of an IPv6 address, as four groups. */
const networkOf = (address: string): string => {
  // A link-local address may name its interface.
  const plain = address.split("%", 1)[0]!
  // As a URL writes it there is one spelling, without dots.
  const [head, tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split("::")
  const groups = (text: string | undefined) => text === undefined || text === "" ? [] : text.split(":")
  const zeros = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length
  return [...groups(head), ...Array.from({ length: zeros }, () => "0"), ...groups(tail)].slice(0, 4).join(":")
}

/**
 * Whose an address is, for limits: of IPv6 its network of 64 bits, in one spelling. One machine has all addresses of such
 * a network, and a limit per address would be none.
 *
 * @category getters
 * @since 0.1.0
 */
export const holderOf = (address: string | undefined): string | undefined =>
  address !== undefined && isIP(address) === 6 ? `${networkOf(address)}::/64` : address

/**
 * Whether an address is one of a list.
 *
 * @category models
 * @since 0.1.0
 */
export type IsListed = (address: string) => boolean

/**
 * Reads a list of addresses (`192.0.2.1`) and networks (`10.0.0.0/8`). Throws a `RangeError` for an entry that is neither.
 *
 * @category constructors
 * @since 0.1.0
 */
export const addressList = (entries: ReadonlyArray<string>): IsListed => {
  const list = new BlockList()
  for (const entry of entries) {
    const [text, prefix, ...more] = entry.split("/")
    const address = addressOf(text)
    const bits = prefix === undefined ? undefined : Number(prefix)
    const family = address !== undefined && isIP(address) === 6 ? "ipv6" : "ipv4"
    const isPrefix = bits === undefined ||
      (prefix !== "" && Number.isInteger(bits) && bits >= 0 && bits <= (family === "ipv6" ? 128 : 32))
    if (address === undefined || more.length > 0 || !isPrefix) {
      throw new RangeError(`"${entry}" is neither an address (192.0.2.1) nor a network (10.0.0.0/8)`)
    }
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, bits, family)
  }
  return (address) => list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4")
}

/**
 * The proxies whose `X-Forwarded-For` counts. Default: none.
 *
 * @category references
 * @since 0.1.0
 */
export const TrustedProxies = Context.Reference<IsListed>("effect-vargate/gateway/TrustedProxies", {
  defaultValue: () => () => false
})

/** More hops than any honest request has taken; the rest of a longer header is not read. */
const maxHops = 32

/**
 * The client's address: the socket's, or, where that is a trusted proxy's, the last one in `X-Forwarded-For` that is not.
 * Every client can send the header, so it counts for nothing where no proxy is trusted. Undefined without a socket.
 *
 * @category getters
 * @since 0.1.0
 */
export const clientAddress = (
  { headers, remoteAddress }: HttpServerRequest.HttpServerRequest,
  isTrusted: IsListed
): string | undefined => addressBehind(Option.getOrUndefined(remoteAddress), headers["x-forwarded-for"], isTrusted)

/**
 * The same of a socket's address and the header.
 *
 * @category getters
 * @since 0.2.0
 */
export const addressBehind = (
  remoteAddress: string | undefined,
  forwardedFor: string | undefined,
  isTrusted: IsListed
): string | undefined => {
  let address = addressOf(remoteAddress)
  if (address === undefined || !isTrusted(address)) return address
  const hops = (forwardedFor ?? "").slice(-2048).split(",").slice(-maxHops)
  for (const hop of hops.toReversed()) {
    const before = addressOf(hop)
    // What a proxy did not write as an address names no client: the proxy's own address stands for it.
    if (before === undefined) return address
    address = before
    if (!isTrusted(address)) return address
  }
  return address
}
