import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import type { HttpServerRequest } from "effect/http"
import { addressList, addressOf, clientAddress, holderOf } from "../../../src/gateway/http/clientAddress.ts"

const from = (socket: string | undefined, forwarded?: string) =>
  ({
    remoteAddress: Option.fromUndefinedOr(socket),
    headers: forwarded === undefined ? {} : { "x-forwarded-for": forwarded }
  }) as unknown as HttpServerRequest.HttpServerRequest

describe("clientAddress", () => {
  const nobody = addressList([])
  const proxies = addressList(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])

  it("is the socket's, whatever the header says, where no proxy is trusted", () => {
    assert.strictEqual(clientAddress(from("192.0.2.7", "198.51.100.1"), nobody), "192.0.2.7")
    assert.strictEqual(clientAddress(from("::ffff:192.0.2.7"), nobody), "192.0.2.7")
    assert.isUndefined(clientAddress(from(undefined, "198.51.100.1"), nobody))
  })

  it("is the last one that no trusted proxy has", () => {
    assert.strictEqual(clientAddress(from("10.1.1.1", "198.51.100.1"), proxies), "198.51.100.1")
    assert.strictEqual(clientAddress(from("::ffff:10.1.1.1", "198.51.100.1, 192.0.2.7"), proxies), "198.51.100.1")
    // What the client wrote itself stands further left.
    assert.strictEqual(clientAddress(from("10.1.1.1", "203.0.113.9, 198.51.100.1"), proxies), "198.51.100.1")
    assert.strictEqual(clientAddress(from("2001:db8::1", "2001:DB9::5"), proxies), "2001:db9::5")
    assert.strictEqual(clientAddress(from("203.0.113.9", "198.51.100.1"), proxies), "203.0.113.9")
  })

  it("is the proxy's where the header is missing or holds no address", () => {
    assert.strictEqual(clientAddress(from("10.1.1.1"), proxies), "10.1.1.1")
    for (const header of ["", "unknown", "198.51.100.1, nonsense", "198.51.100.1:80"]) {
      assert.strictEqual(clientAddress(from("10.1.1.1", header), proxies), "10.1.1.1", header)
    }
    assert.strictEqual(clientAddress(from("10.1.1.1", "10.2.2.2, 10.3.3.3"), proxies), "10.2.2.2")
  })

  it("takes no more than the end of a long header", () => {
    const hops = `198.51.100.1, ${"10.0.0.1, ".repeat(100_000)}10.0.0.2`
    assert.strictEqual(clientAddress(from("10.1.1.1", hops), proxies), "10.0.0.1")
  })
})

describe("holderOf", () => {
  it("is the network of an IPv6 address, however it is spelled, and any other address itself", () => {
    const same = [
      "2001:db8::1",
      "2001:DB8:0:0:ffff::",
      "2001:0db8:0000:0000:0000:0000:192.0.2.1",
      "2001:db8::ffff%eth0"
    ]
    for (const address of same) assert.strictEqual(holderOf(address), "2001:db8:0:0::/64", address)
    assert.strictEqual(holderOf("2001:db8:0:1::1"), "2001:db8:0:1::/64")
    assert.strictEqual(holderOf("1:2:3:4:5:6:7:8"), "1:2:3:4::/64")
    assert.strictEqual(holderOf("1:2:3::7:8"), "1:2:3:0::/64")
    assert.strictEqual(holderOf("::1"), "0:0:0:0::/64")
    assert.strictEqual(holderOf("::"), "0:0:0:0::/64")
    assert.strictEqual(holderOf("192.0.2.1"), "192.0.2.1")
    assert.isUndefined(holderOf(undefined))
  })
})

describe("addressList", () => {
  it("says which entry is no address and no network", () => {
    for (const entry of ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/a", "10.0.0.0/8/8", "2001:db8::/129"]) {
      assert.throws(() => addressList([entry]), `"${entry}" is neither an address`)
    }
    assert.strictEqual(addressOf(" ::FFFF:192.0.2.1 "), "192.0.2.1")
  })
})
