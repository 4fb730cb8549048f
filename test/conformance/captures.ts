/** Captured exchanges with a real gateway, read where they stand; empty where they are absent. */
import * as DateTime from "effect/DateTime"
import * as Redacted from "effect/Redacted"
import { existsSync, readFileSync } from "node:fs"

const root = new URL("../../../shared/gateway-capture/", import.meta.url)

/** Where `false`, suites skip with {@link reason} in their names. */
export const hasCaptures = existsSync(new URL("INDEX.json", root))

export const reason = "needs ../shared/gateway-capture"

interface IndexEntry {
  readonly file: string
  readonly method: string
  readonly path: string
  readonly status: number
}

export interface Capture {
  readonly file: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The answer's text, as it came. */
  readonly text: string
  /** What was sent, where the capture holds all of it. */
  readonly sent: unknown
}

// Python wrote these files, so a captured NaN stands bare in them.
const parsePython = (text: string) => JSON.parse(text.replace(/(?<="x": )NaN\b/, "\"NaN\""))

const read = (path: string) => parsePython(readFileSync(new URL(path, root), "utf8"))

/** Every captured exchange, in the order of the index. */
export const index: ReadonlyArray<IndexEntry> = hasCaptures ? read("INDEX.json") : []

const load = ({ file }: IndexEntry): Capture => {
  const { request, response } = read(file)
  return {
    file,
    status: response.status,
    headers: response.headers,
    text: response.body_text,
    sent: request.body
  }
}

/** The captured exchanges of one route. A trailing slash belongs to it: that is how the gateway's 307 came about. */
export const capturesOf = (method: string, path: RegExp): ReadonlyArray<Capture> =>
  index.filter((entry) => entry.method === method && path.test(entry.path.replace(/\?.*$/, "").replace(/\/$/, "")))
    .map(load)

/** The captured routes that this package speaks. */
export const routes = {
  "POST /mcp/tools/call": capturesOf("POST", /^\/mcp\/tools\/call$/),
  "POST /mcp/server": capturesOf("POST", /^\/mcp\/server(?:\/initialize|\/tools\/(?:call|list))?$/),
  "GET /mcp/server/health": capturesOf("GET", /^\/mcp\/server\/health$/),
  "GET /audit/log": capturesOf("GET", /^\/audit\/log$/),
  "GET /audit/verify": capturesOf("GET", /^\/audit\/verify$/),
  "POST /audit/replay": capturesOf("POST", /^\/audit\/replay$/),
  "GET /audit/merkle/roots": capturesOf("GET", /^\/audit\/merkle\/roots$/),
  "GET /audit/merkle/proof/{hash}": capturesOf("GET", /^\/audit\/merkle\/proof\/[^/]+$/),
  "GET /approvals": capturesOf("GET", /^\/approvals$/),
  "GET /approvals/history": capturesOf("GET", /^\/approvals\/history$/),
  "POST /approve/{id}": capturesOf("POST", /^\/approve\/[^/]+$/),
  "POST /reject/{id}": capturesOf("POST", /^\/reject\/[^/]+$/),
  "GET /health": capturesOf("GET", /^\/health$/),
  "GET /metrics": capturesOf("GET", /^\/metrics$/),
  "GET /transparency": capturesOf("GET", /^\/transparency$/),
  "GET /transparency/{tenant_id}": capturesOf("GET", /^\/transparency\/[^/]+$/),
  "GET /dashboard/public/{slug}": capturesOf("GET", /^\/dashboard\/public\/[^/]+$/),
  "GET /gtm/stats": capturesOf("GET", /^\/gtm\/stats$/),
  "POST /backup/trigger": capturesOf("POST", /^\/backup\/trigger$/),
  "GET /agents/{id}/anomaly_score": capturesOf("GET", /^\/agents\/[^/]+\/anomaly_score$/),
  "DELETE /agents/{id}/history": capturesOf("DELETE", /^\/agents\/[^/]+\/history$/),
  "DELETE /agents/{id}/counters": capturesOf("DELETE", /^\/agents\/[^/]+\/counters$/),
  "GET /audit/merkle/consistency/{n}/{m}": capturesOf("GET", /^\/audit\/merkle\/consistency\/[^/]+\/[^/]+$/),
  "GET /audit/merkle/verify": capturesOf("GET", /^\/audit\/merkle\/verify$/),
  "GET /anchor/status": capturesOf("GET", /^\/anchor\/status$/),
  "GET /anchor/verify": capturesOf("GET", /^\/anchor\/verify$/),
  "GET /anchor/log": capturesOf("GET", /^\/anchor\/log$/),
  "GET /anchor/chain-verify": capturesOf("GET", /^\/anchor\/chain-verify$/),
  "GET /anchor/proof/{action_id}": capturesOf("GET", /^\/anchor\/proof\/[^/]+$/),
  "GET /anchor/consistency-proof": capturesOf("GET", /^\/anchor\/consistency-proof$/),
  "POST /anchor/trigger": capturesOf("POST", /^\/anchor\/trigger$/),
  "GET /merkle/roots": capturesOf("GET", /^\/merkle\/roots$/),
  "GET /compliance/export/{tenant_id}": capturesOf("GET", /^\/compliance\/export\/[^/]+$/),
  "POST /managed/agents": capturesOf("POST", /^\/managed\/agents$/),
  "GET /managed/agents": capturesOf("GET", /^\/managed\/agents$/),
  "GET /managed/agents/{id}": capturesOf("GET", /^\/managed\/agents\/[^/]+$/),
  "GET /managed/consumers": capturesOf("GET", /^\/managed\/consumers$/),
  "POST /managed/sessions": capturesOf("POST", /^\/managed\/sessions$/),
  "GET /managed/sessions": capturesOf("GET", /^\/managed\/sessions$/),
  "GET /managed/sessions/{id}/status": capturesOf("GET", /^\/managed\/sessions\/[^/]+\/status$/),
  "GET /managed/sessions/{id}/audit": capturesOf("GET", /^\/managed\/sessions\/[^/]+\/audit$/),
  "GET /managed/sessions/{id}/compliance": capturesOf("GET", /^\/managed\/sessions\/[^/]+\/compliance$/),
  "POST /managed/sessions/{id}/interrupt": capturesOf("POST", /^\/managed\/sessions\/[^/]+\/interrupt$/),
  "POST /managed/sessions/{id}/replay": capturesOf("POST", /^\/managed\/sessions\/[^/]+\/replay$/),
  "GET /dashboard/me": capturesOf("GET", /^\/dashboard\/me$/),
  "PATCH /dashboard/settings": capturesOf("PATCH", /^\/dashboard\/settings$/),
  "POST /webhooks/test": capturesOf("POST", /^\/webhooks\/test$/),
  "POST /tenants": capturesOf("POST", /^\/tenants$/),
  "GET /tenants": capturesOf("GET", /^\/tenants$/),
  "GET /tenants/{tenant_id}": capturesOf("GET", /^\/tenants\/[^/]+$/),
  "GET /policy/templates": capturesOf("GET", /^\/policy\/templates$/),
  "GET /policy/rules": capturesOf("GET", /^\/policy\/rules$/),
  "GET /bundles/vargate/status": capturesOf("GET", /^\/bundles\/vargate\/status$/),
  "POST /credentials/register": capturesOf("POST", /^\/credentials\/register$/),
  "GET /credentials": capturesOf("GET", /^\/credentials$/),
  "GET /credentials/{tool_id}/status": capturesOf("GET", /^\/credentials\/[^/]+\/status$/),
  "DELETE /credentials/{tool_id}/{name}": capturesOf("DELETE", /^\/credentials\/[^/]+\/[^/]+$/),
  "GET /credentials/access-log": capturesOf("GET", /^\/credentials\/access-log$/),
  "POST /auth/session": capturesOf("POST", /^\/auth\/session$/),
  "POST /api-keys/rotate": capturesOf("POST", /^\/api-keys\/rotate$/),
  "GET /auth/my-tenants": capturesOf("GET", /^\/auth\/my-tenants$/),
  "POST /auth/switch-tenant": capturesOf("POST", /^\/auth\/switch-tenant$/),
  "POST /auth/signup": capturesOf("POST", /^\/auth\/signup$/),
  "GET /auth/verify-email": capturesOf("GET", /^\/auth\/verify-email$/)
}

const openApi: { readonly paths: Readonly<Record<string, object>> } = hasCaptures
  ? JSON.parse(read("system/openapi.json").response.body_text)
  : { paths: {} }

/** Every route of the gateway's own OpenAPI document: `GET /health`. */
export const routesOfOpenApi: ReadonlyArray<string> = Object.entries(openApi.paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
)

/** Values as plain data: times in milliseconds, secrets laid open, no undefined fields. Both sides of a comparison go through it. */
export const plain = (value: unknown): unknown => {
  if (DateTime.isDateTime(value)) return DateTime.toEpochMillis(value)
  if (Redacted.isRedacted(value)) return { redacted: Redacted.value(value) }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => inner === undefined ? [] : [[key, plain(inner)]])
  )
}

/** A captured time in milliseconds; null and undefined stay what they are. */
export const time = (text: string | null | undefined): number | null | undefined =>
  typeof text === "string" ? Date.parse(/Z|[+-]\d\d:\d\d$/.test(text) ? text : text + "Z") : text

/** A webhook as its receiver got it. */
export interface Delivery {
  readonly file: string
  readonly received_at: string
  readonly headers: Readonly<Record<string, string>>
  readonly body_text: string
  readonly body_base64: string
  /** Of the attempts that were answered with a 500, the capture does not repeat it. */
  readonly secret?: string
}

const deliveriesIn = (file: string): ReadonlyArray<Delivery> =>
  [read(`webhook/deliveries/${file}`)].flat().map((delivery) => ({ ...delivery, file }))

/** The attempts to deliver one event to a receiver that answers 500. */
export const retries: ReadonlyArray<Delivery> = hasCaptures ? deliveriesIn("retries-500.json") : []

/** Every captured webhook; of the repeated one, the first attempt. */
export const deliveries: ReadonlyArray<Delivery> = hasCaptures
  ? [
    ...[
      "00-test.ping.json",
      "01-action.allowed.json",
      "02-action.denied.json",
      "03-action.pending.json",
      "04-action.denied-mcp.json",
      "05-session.interrupted.json"
    ].flatMap(deliveriesIn),
    ...retries.slice(0, 1)
  ]
  : []
