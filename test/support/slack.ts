/**
 * A Slack of our own, which checks every request as Slack documents it: tokens, content types, blocks, the life of triggers
 * and of addresses for answers, rate limits. What a client does wrong is in `faults`.
 */
import { createHmac, randomBytes } from "node:crypto"

export const botToken = "xoxb-1-2-abcdefgh"
export const appToken = "xapp-1-2-abcdefgh"
export const signingSecret = "8f742231b10e8888abcd99yyyzzz85a5"
export const teamId = "T0123456789"
export const channelId = "C0123456789"

// Whatever a client sends.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = Record<string, any>

export interface Message {
  readonly ts: string
  readonly threadTs: string | undefined
  readonly botId: string
  text: string
  blocks: ReadonlyArray<Json>
  metadata: Json | undefined
  edits: number
}

interface User {
  readonly id: string
  readonly team_id: string
  readonly deleted: boolean
  readonly is_bot: boolean
  readonly is_email_confirmed: boolean
  readonly profile: { readonly email: string }
}

export interface SlackOptions {
  readonly now: () => number
  /** Where interactions go. */
  readonly receive?: (request: Request) => Promise<Response>
  /** Default: `https://slack.com` and `https://hooks.slack.com`. */
  readonly origin?: string
  /** Messages that a channel takes at once, and then one a second. Default: no limit. */
  readonly burst?: number
  /** What it takes after that. Default: 1. */
  readonly perSecond?: number
}

/** What a test makes of Slack for a while. */
interface State {
  /** Nothing answers. */
  isAway: boolean
  /** So many of the next requests to this method are carried out, and their answers are lost. */
  lost: { method: string; times: number }
}

const json = (body: object, status = 200, headers: Record<string, string> = {}) =>
  Response.json(body, { status, headers })

const writes = new Set([
  "chat.postMessage",
  "chat.postEphemeral",
  "chat.update",
  "views.open",
  "auth.test",
  "apps.connections.open"
])
const reads = new Set(["conversations.history", "conversations.replies", "users.info"])

export class Slack {
  readonly messages: Array<Message> = []
  readonly ephemeral: Array<{ readonly user: string; readonly text: string }> = []
  readonly views: Array<Json> = []
  readonly faults: Array<string> = []
  readonly calls: Array<string> = []
  readonly users = new Map<string, User>()
  readonly state: State = { isAway: false, lost: { method: "", times: 0 } }
  /** Addresses for sockets that were handed out. */
  readonly tickets: Array<string> = []
  rateLimited = 0
  receive: ((request: Request) => Promise<Response>) | undefined
  private readonly options: SlackOptions
  private readonly triggers = new Map<string, { readonly until: number; readonly user: string }>()
  private readonly responseUrls = new Map<string, { until: number; uses: number; readonly user: string }>()
  private counter = 0
  private tokens: number
  private refilledAt = 0
  /** By process: each knows of its own pauses. */
  private readonly pauses = new Map<string, number>()
  /** Just after a message was posted, before the answer. */
  onPosted: (() => void) | undefined
  socketUrl = "wss://wss.slack.com/link/"

  constructor(options: SlackOptions) {
    this.options = options
    this.receive = options.receive
    this.tokens = options.burst ?? Infinity
  }

  get apiUrl() {
    return `${this.options.origin ?? "https://slack.com"}/api`
  }

  private fault(text: string) {
    this.faults.push(text)
  }

  private next() {
    return String(++this.counter).padStart(6, "0")
  }

  addUser(id: string, email: string, change: Partial<User> = {}) {
    this.users.set(id, {
      id,
      team_id: teamId,
      deleted: false,
      is_bot: false,
      is_email_confirmed: true,
      profile: { email },
      ...change
    })
  }

  /** Messages of the channel, without those in threads. */
  get posted() {
    return this.messages.filter(({ threadTs }) => threadTs === undefined)
  }

  // --- requests of the app ---------------------------------------------------------------------------------------------

  async handle(request: Request): Promise<Response> {
    if (this.state.isAway) throw new TypeError("no connection")
    const url = new URL(request.url)
    if (request.method !== "POST") this.fault(`${request.method} ${url.pathname}`)
    if (url.pathname.startsWith("/actions/")) return this.respond(url, request)
    const method = url.pathname.replace("/api/", "")
    this.calls.push(method)
    const answer = await this.call(method, request)
    const { lost } = this.state
    if (lost.times > 0 && lost.method === method) {
      lost.times--
      throw new TypeError("the connection broke off")
    }
    return answer
  }

  private async call(method: string, request: Request): Promise<Response> {
    const token = method === "apps.connections.open" ? appToken : botToken
    if (request.headers.get("authorization") !== `Bearer ${token}`) {
      this.fault(`${method}: invalid_auth`)
      return json({ ok: false, error: "invalid_auth" })
    }
    const type = request.headers.get("content-type") ?? ""
    const isForm = type === "application/x-www-form-urlencoded"
    const isJson = type === "application/json; charset=utf-8"
    if (!(isForm || (isJson && writes.has(method)))) {
      this.fault(`${method}: content type ${type}`)
      return json({ ok: false, error: "invalid_post_type" })
    }
    if (!writes.has(method) && !reads.has(method)) return json({ ok: false, error: "unknown_method" })
    const text = await request.text()
    const body: Json = isForm ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text)
    if (new URL(request.url).search !== "") this.fault(`${method}: arguments in the address`)
    const error = (error: string) => {
      this.fault(`${method}: ${error}`)
      return json({ ok: false, error })
    }
    switch (method) {
      case "auth.test":
        return json({ ok: true, bot_id: "B1", team_id: teamId })
      case "apps.connections.open": {
        const ticket = this.next()
        this.tickets.push(ticket)
        return json({ ok: true, url: `${this.socketUrl}?ticket=${ticket}` })
      }
      case "users.info": {
        const user = this.users.get(body["user"])
        return user === undefined ? json({ ok: false, error: "user_not_found" }) : json({ ok: true, user })
      }
      case "views.open": {
        const trigger = this.triggers.get(body["trigger_id"])
        this.triggers.delete(body["trigger_id"])
        if (trigger === undefined) return error("exchanged_trigger_id")
        if (trigger.until < this.options.now()) return error("expired_trigger_id")
        const fault = viewFault(body["view"])
        if (fault !== undefined) return error(fault)
        this.views.push({ ...body["view"], user: trigger.user })
        return json({ ok: true, view: body["view"] })
      }
    }
    if (body["channel"] !== channelId) return error("channel_not_found")
    switch (method) {
      case "conversations.history":
      case "conversations.replies":
        return json(this.page(method, body))
      case "chat.postEphemeral":
        this.ephemeral.push({ user: body["user"], text: body["text"] })
        return json({ ok: true })
    }
    const fault = messageFault(body)
    if (fault !== undefined) return error(fault)
    if (method === "chat.update") {
      const message = this.messages.find(({ botId, ts }) => ts === body["ts"] && botId === "B1")
      if (message === undefined) return json({ ok: false, error: "message_not_found" })
      message.text = body["text"]
      message.blocks = body["blocks"]
      message.metadata = body["metadata"] ?? message.metadata
      message.edits++
      return json({ ok: true, channel: channelId, ts: message.ts })
    }
    const limited = this.limit(request.headers.get("x-test-process") ?? "")
    if (limited !== undefined) return limited
    const { ts } = this.post(body, "B1")
    this.onPosted?.()
    return json({ ok: true, channel: channelId, ts })
  }

  post(body: Json, botId: string): Message {
    const now = this.options.now()
    const message: Message = {
      ts: `${Math.floor(now / 1000)}.${this.next()}`,
      threadTs: body["thread_ts"],
      botId,
      text: body["text"],
      blocks: body["blocks"],
      metadata: body["metadata"],
      edits: 0
    }
    this.messages.push(message)
    return message
  }

  private limit(process: string): Response | undefined {
    const { burst = Infinity, now, perSecond = 1 } = this.options
    const time = now()
    if (burst === Infinity) return undefined
    if (time < (this.pauses.get(process) ?? 0)) this.fault("chat.postMessage: sent before the time of Retry-After")
    this.tokens = Math.min(burst, this.tokens + (time - this.refilledAt) / 1000 * perSecond)
    this.refilledAt = time
    if (this.tokens >= 1) {
      this.tokens--
      return undefined
    }
    const seconds = 3
    this.pauses.set(process, time + seconds * 1000)
    this.rateLimited++
    return json({ ok: false, error: "ratelimited" }, 429, { "retry-after": String(seconds) })
  }

  private page(method: string, body: Json): Json {
    const limit = Number(body["limit"] ?? 100)
    if (!(limit >= 1 && limit <= 999)) this.fault(`${method}: limit ${limit}`)
    const all = method === "conversations.history"
      ? this.posted.filter(({ ts }) => Number(ts) > Number(body["oldest"] ?? 0)).toReversed()
      : this.messages.filter(({ threadTs, ts }) => threadTs === body["ts"] || ts === body["ts"])
    const from = Number(body["cursor"] ?? 0)
    const messages = all.slice(from, from + limit).map(({ blocks, botId, metadata, text, ts }) => ({
      type: "message",
      ts,
      text,
      blocks,
      bot_id: botId,
      ...body["include_all_metadata"] === "true" && metadata !== undefined ? { metadata } : {}
    }))
    const next = from + limit < all.length ? String(from + limit) : ""
    return { ok: true, messages, has_more: next !== "", response_metadata: { next_cursor: next } }
  }

  private async respond(url: URL, request: Request): Promise<Response> {
    const known = this.responseUrls.get(url.pathname)
    if (known === undefined || known.until < this.options.now()) {
      this.fault("an address for answers that is not good any more")
      return json({ ok: false, error: "expired_url" }, 404)
    }
    if (++known.uses > 5) this.fault("an address for answers was used more than five times")
    if (request.headers.has("authorization")) this.fault("an address for answers got a token")
    if (request.headers.get("content-type") !== "application/json") this.fault("an answer that is no JSON")
    const body: Json = JSON.parse(await request.text())
    if (body["response_type"] !== "ephemeral" || body["replace_original"] !== false) {
      this.fault("an answer replaces the message")
    }
    this.ephemeral.push({ user: known.user, text: body["text"] })
    return new Response("ok")
  }

  // --- what users do -----------------------------------------------------------------------------------------------------

  /** A user presses a button: the payload, as Slack sends it. */
  pressed(userId: string, message: Message, actionId: string, change: Json = {}): Json {
    const button = message.blocks.flatMap((block) =>
      block["type"] === "actions" ? block["elements"] as Array<Json> : []
    )
      .find((element) => element["action_id"] === actionId)
    if (button === undefined) throw new Error(`There is no button ${actionId}`)
    const trigger = `${this.next()}.${randomBytes(8).toString("hex")}`
    this.triggers.set(trigger, { until: this.options.now() + 3_000, user: userId })
    const path = `/actions/${teamId}/${this.next()}/${randomBytes(8).toString("hex")}`
    this.responseUrls.set(path, { until: this.options.now() + 30 * 60_000, uses: 0, user: userId })
    return {
      type: "block_actions",
      user: { id: userId, username: "mallory", name: "ann", team_id: this.users.get(userId)?.team_id ?? teamId },
      api_app_id: "A1",
      team: { id: teamId, domain: "acme" },
      channel: { id: channelId, name: "approvals" },
      container: { type: "message", message_ts: message.ts, channel_id: channelId },
      message: { type: "message", ts: message.ts, text: message.text, blocks: message.blocks },
      trigger_id: trigger,
      response_url: `${this.options.origin ?? "https://hooks.slack.com"}${path}`,
      actions: [{
        action_id: actionId,
        block_id: "vargate_vote",
        type: "button",
        value: button["value"],
        action_ts: this.next()
      }],
      ...change
    }
  }

  /** A user sends the dialog that was opened last. */
  submitted(userId: string, note: string | null): Json {
    const view = this.views.at(-1)!
    return {
      type: "view_submission",
      team: { id: teamId, domain: "acme" },
      user: { id: userId, username: "mallory", name: "ann", team_id: this.users.get(userId)?.team_id ?? teamId },
      api_app_id: "A1",
      trigger_id: this.next(),
      view: {
        id: this.next(),
        callback_id: view["callback_id"],
        private_metadata: view["private_metadata"],
        state: { values: { note: { note: { type: "plain_text_input", value: note } } } }
      },
      response_urls: []
    }
  }

  /** The request in which Slack sends a payload. */
  request(payload: Json, change: Partial<{ secret: string; timestamp: number; retry: number; body: string }> = {}) {
    const body = change.body ?? String(new URLSearchParams({ payload: JSON.stringify(payload) }))
    const timestamp = String(change.timestamp ?? Math.floor(this.options.now() / 1000))
    const tag = createHmac("sha256", change.secret ?? signingSecret).update(`v0:${timestamp}:${body}`).digest("hex")
    return new Request("https://panel.example.com/slack", {
      method: "POST",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": `v0=${tag}`,
        ...change.retry === undefined
          ? {}
          : { "x-slack-retry-num": String(change.retry), "x-slack-retry-reason": "http_timeout" }
      },
      body
    })
  }

  /** Sends a payload, and again where it is not answered within three seconds, as Slack does. */
  async send(payload: Json): Promise<number> {
    for (let retry = 0; retry <= 3; retry++) {
      const request = this.request(payload, retry === 0 ? {} : { retry })
      const response = await Promise.race([
        this.receive!(request).catch(() => undefined),
        new Promise<undefined>((done) => setTimeout(done, 3_000, undefined).unref())
      ])
      if (response === undefined) continue
      if (response.status === 200 && (await response.text()) !== "") this.fault("an interaction's answer has a body")
      return response.status
    }
    return 0
  }
}

// --- blocks ----------------------------------------------------------------------------------------------------------

const isText = (value: unknown, max: number) => typeof value === "string" && value.length > 0 && value.length <= max

const plainText = (value: Json | undefined, max: number) =>
  value?.["type"] === "plain_text" && isText(value["text"], max)

const richTextFault = (block: Json): string | undefined => {
  if (!Array.isArray(block["elements"]) || block["elements"].length === 0) return "invalid_blocks: rich_text"
  for (const part of block["elements"] as Array<Json>) {
    if (!["rich_text_section", "rich_text_preformatted"].includes(part["type"])) {
      return `invalid_blocks: ${part["type"]}`
    }
    for (const element of part["elements"] as Array<Json>) {
      if (element["type"] !== "text" || !isText(element["text"], 3_000)) return "invalid_blocks: text"
    }
  }
  return undefined
}

const actionsFault = (block: Json): string | undefined => {
  const elements = block["elements"] as Array<Json>
  const ids = elements.map((element) => element["action_id"])
  if (elements.length === 0 || elements.length > 25 || new Set(ids).size !== ids.length) {
    return "invalid_blocks: actions"
  }
  for (const element of elements) {
    if (element["type"] !== "button" || !plainText(element["text"], 75)) return "invalid_blocks: button"
    if (!isText(element["action_id"], 255) || (element["value"] ?? "").length > 2_000) return "invalid_blocks: button"
  }
  return undefined
}

const messageFault = (body: Json): string | undefined => {
  if (!isText(body["text"], 4_000)) return "no_text"
  const blocks = body["blocks"]
  if (!Array.isArray(blocks) || blocks.length === 0 || blocks.length > 50) return "invalid_blocks"
  if (JSON.stringify(blocks).length > 13_000) return "msg_blocks_too_long"
  const metadata = body["metadata"]
  if (metadata !== undefined && !(isText(metadata.event_type, 100) && typeof metadata.event_payload === "object")) {
    return "invalid_metadata_format"
  }
  for (const block of blocks as Array<Json>) {
    const fault = block["type"] === "rich_text"
      ? richTextFault(block)
      : block["type"] === "actions"
      ? actionsFault(block)
      : `invalid_blocks: ${block["type"]}`
    if (fault !== undefined) return fault
  }
  return undefined
}

const viewFault = (view: Json | undefined): string | undefined =>
  view?.["type"] !== "modal" || !plainText(view["title"], 24) || !plainText(view["submit"], 24) ||
    !isText(view["callback_id"], 255) || (view["private_metadata"] ?? "").length > 3_000 ||
    !(view["blocks"] as Array<Json>).every((block) => block["type"] === "input" && plainText(block["label"], 2_000))
    ? "invalid_arguments"
    : undefined

/** All that a message shows. */
export const shownOf = ({ blocks }: Message): string =>
  blocks.flatMap((block) =>
    block["type"] === "rich_text"
      ? (block["elements"] as Array<Json>).flatMap((part) => (part["elements"] as Array<Json>).map(({ text }) => text))
      : (block["elements"] as Array<Json>).map((element) => `[${element["text"].text}]`)
  ).join("\n")
