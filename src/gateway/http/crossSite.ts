/**
 * What a page elsewhere may make a browser send to a gateway of this machine, and why it is refused.
 *
 * @since 0.1.0
 */
import * as HttpMethod from "effect/http/HttpMethod"
import { isLoopback } from "../../internal/loopback.ts"

/**
 * The names under which a gateway may be addressed, without ports: these and those of this machine, or any.
 *
 * @category options
 * @since 0.1.0
 */
export type Hosts = ReadonlyArray<string> | "any"

/** The name alone, without port, in lower case. Undefined where the header is no `host[:port]`. */
const nameOf = (host: string) => /^(\[[\da-f:.]+\]|[\w.-]+?)\.?(?::\d+)?$/i.exec(host)?.[1]?.toLowerCase()

const isListed = (hosts: Hosts, name: string) => hosts !== "any" && hosts.some((host) => host.toLowerCase() === name)

/** A browser names the host that it was sent to; a client that names none is no browser. */
const isKnownHost = (hosts: Hosts, host: string | undefined) => {
  if (hosts === "any" || host === undefined) return true
  const name = nameOf(host)
  return name !== undefined && (isLoopback(name) || isListed(hosts, name))
}

/** Whether a page of this origin came from the gateway: from the same name and port, or through a proxy of a known name. */
const isOwnOrigin = (hosts: Hosts, origin: string, host: string | undefined) => {
  const page = URL.parse(origin)
  if (page === null || page.host === "") return false
  return isListed(hosts, page.hostname) ||
    (host !== undefined && URL.parse(`${page.protocol}//${host}`)?.host === page.host)
}

/**
 * Why a request is refused, or undefined.
 *
 * **Details**
 *
 * - An unknown `Host`: a page whose name was pointed at this machine after it was loaded (DNS rebinding) is of one origin
 *   with the gateway, and only the name betrays it.
 * - A request that may change something, from another site or another port by the browser's own word (`Sec-Fetch-Site`,
 *   `Origin`). No answer of the gateway carries CORS headers, but a simple form needs none to be sent.
 *
 * Programs that are no browsers send none of these headers but `Host`.
 *
 * @category refusing
 * @since 0.1.0
 */
export const refusalOf = (
  request: {
    readonly method: HttpMethod.HttpMethod | string
    readonly headers: Readonly<Record<string, string | undefined>>
  },
  hosts: Hosts
): string | undefined => {
  const { host, origin, "sec-fetch-site": site } = request.headers
  if (!isKnownHost(hosts, host)) {
    return "This gateway does not answer under this host name. Use localhost, or allow the name in the option hosts."
  }
  if (!HttpMethod.hasBody(request.method)) return undefined
  const isForeign = (site !== undefined && site !== "same-origin" && site !== "none") ||
    (origin !== undefined && !isOwnOrigin(hosts, origin, host))
  return isForeign ? "Requests from pages of other sites are refused." : undefined
}
