/** Mails over SMTP, to a server on this machine. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { MailLinks, type ReviewChannel } from "effect-vargate"
import * as MailChannel from "effect-vargate/node/MailChannel"
import { execFile } from "node:child_process"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { SMTPServer } from "smtp-server"
import { minute } from "../reviews/ballots.ts"

interface Received {
  readonly from: string
  readonly to: ReadonlyArray<string>
  readonly headers: ReadonlyArray<string>
  readonly body: string
}

/** A server that takes mails to example.com from who knows the password. */
const server = Effect.acquireRelease(
  Effect.promise(() => {
    const mails: Array<Received> = []
    const smtp = new SMTPServer({
      logger: false,
      disabledCommands: ["STARTTLS"],
      allowInsecureAuth: true,
      onAuth: ({ password, username }, _, done) =>
        username === "panel" && password === "s3cret/words"
          ? done(null, { user: "panel" })
          : done(new Error("no")),
      onRcptTo: ({ address }, _, done) =>
        address.startsWith("gone@") ? done(Object.assign(new Error("no such user"), { responseCode: 550 })) : done(),
      onData: (stream, { envelope }, done) => {
        const chunks: Array<Buffer> = []
        stream.on("data", (chunk: Buffer) => chunks.push(chunk))
        stream.on("end", () => {
          const [head = "", ...rest] = Buffer.concat(chunks).toString().split("\r\n\r\n")
          mails.push({
            from: envelope.mailFrom === false ? "" : envelope.mailFrom.address,
            to: envelope.rcptTo.map(({ address }) => address),
            // Folded lines are one.
            headers: head.replaceAll(/\r\n[ \t]+/g, " ").split("\r\n"),
            body: rest.join("\r\n\r\n")
          })
          done()
        })
      }
    })
    return new Promise<{ readonly smtp: SMTPServer; readonly mails: Array<Received>; readonly port: number }>(
      (done) => {
        const listening = smtp.listen(
          0,
          "127.0.0.1",
          () => done({ smtp, mails, port: (listening.address() as AddressInfo).port })
        )
      }
    )
  }),
  ({ smtp }) => Effect.promise(() => new Promise<void>((done) => smtp.close(done)))
)

const ann: MailLinks.MailReviewer = { id: "ann", name: "Ann", groups: ["finance"], address: "ann@example.com" }

/** Links that are not looked at here. */
const links = (reviewers: ReadonlyArray<MailLinks.MailReviewer>): MailLinks.MailLinks["Service"] => ({
  reviewers,
  create: () => Effect.succeed(Redacted.make(`https://panel.example.com/review?sig=${"t".repeat(43)}`)),
  look: () => Effect.succeed({ _tag: "Unknown" }),
  vote: () => Effect.succeed(undefined)
})

const notice: ReviewChannel.ReviewNotice = {
  id: "d".repeat(64),
  kind: "pending",
  actionId: "a1",
  digest: "0".repeat(64),
  agentId: "bot",
  tool: "stripe",
  method: "refund",
  params: { secret: "4111111111111111" },
  violations: ["too_much"],
  createdAt: minute(0),
  timeoutAt: minute(60),
  votes: [],
  needs: ["Needs 2 of finance."],
  outcome: null
}

const first = { attempts: 0, receipt: undefined, onBehalfOf: null }

const channelsOf = (smtp: string, ...reviewers: ReadonlyArray<MailLinks.MailReviewer>) =>
  MailChannel.make({ name: "mail", from: "panel@example.com", smtp: Redacted.make(smtp) }).pipe(
    Effect.provideService(MailLinks.MailLinks, links(reviewers))
  )

const named = (headers: ReadonlyArray<string>, name: string) =>
  headers.filter((header) => header.toLowerCase().startsWith(`${name.toLowerCase()}:`))

describe("MailChannel over SMTP", () => {
  it.live("sends a plain mail with the link, without the params", () =>
    Effect.gen(function*() {
      const { mails, port } = yield* server
      const [channel] = yield* channelsOf(`smtp://panel:s3cret%2Fwords@127.0.0.1:${port}`, ann)
      const receipt = yield* channel!.deliver(notice, first)
      const [mail] = mails
      assert.deepStrictEqual([mail!.from, mail!.to], ["panel@example.com", ["ann@example.com"]])
      assert.deepStrictEqual(named(mail!.headers, "Subject"), ["Subject: Review needed: stripe/refund"])
      assert.deepStrictEqual(named(mail!.headers, "Message-ID"), [`Message-ID: ${receipt as string}`])
      assert.deepStrictEqual(named(mail!.headers, "Auto-Submitted"), ["Auto-Submitted: auto-generated"])
      assert.match(named(mail!.headers, "Content-Type")[0]!, /text\/plain/)
      const body = mail!.body.replaceAll(/=\r\n/g, "").replaceAll("=3D", "=")
      assert.include(body, `https://panel.example.com/review?sig=${"t".repeat(43)}`)
      assert.include(body, "Needs 2 of finance.")
      assert.notInclude(body, "4111")
      yield* channel!.deliver({ ...notice, id: "e".repeat(64), kind: "reminder" }, {
        ...first,
        receipt: receipt as string
      })
      assert.deepStrictEqual(named(mails[1]!.headers, "In-Reply-To"), [`In-Reply-To: ${receipt as string}`])
    }).pipe(Effect.scoped))

  it.live("lets no name inject a header, a recipient or a link", () =>
    Effect.gen(function*() {
      const { mails, port } = yield* server
      const hostile = "x\r\nBcc: eve@example.com\r\n\r\n<b>https://evil.example.com</b>\u2028\u0000"
      const [channel] = yield* channelsOf(`smtp://panel:s3cret%2Fwords@127.0.0.1:${port}`, { ...ann, name: hostile })
      yield* channel!.deliver({
        ...notice,
        tool: hostile,
        method: `${hostile}${"long".repeat(1_000)}`,
        agentId: hostile,
        violations: [hostile],
        needs: [hostile, "\u{1F600} ünï"]
      }, first)
      const [mail] = mails
      assert.deepStrictEqual(mail!.to, ["ann@example.com"])
      assert.deepStrictEqual(named(mail!.headers, "Bcc"), [])
      for (const name of ["To", "From", "Subject"]) assert.strictEqual(named(mail!.headers, name).length, 1)
      const known =
        /^(?:From|To|Subject|Message-ID|Content-Transfer-Encoding|Date|MIME-Version|Content-Type|Auto-Submitted|X-Auto-Response-Suppress):/
      for (const header of mail!.headers) assert.match(header, known)
      const links = mail!.body.replaceAll(/=\r\n/g, "").replaceAll("=3D", "=").match(/https?:\/\/[^\s<]+/g)
      assert.deepStrictEqual(links, [`https://panel.example.com/review?sig=${"t".repeat(43)}`])
    }).pipe(Effect.scoped))

  it.live("fails with a word where an address is refused, the password is wrong, or no server is there", () =>
    Effect.gen(function*() {
      const { mails, port } = yield* server
      const gone = { ...ann, id: "gone", address: "gone@example.com" }
      const good = `smtp://panel:s3cret%2Fwords@127.0.0.1:${port}`
      const [refused, taken] = yield* channelsOf(good, gone, ann)
      const failure = yield* Effect.flip(refused!.deliver(notice, first))
      assert.match(failure.message, /mail\/gone did not take the notice \(EENVELOPE 550\)/)
      yield* taken!.deliver(notice, first)
      assert.strictEqual(mails.length, 1)
      const [wrong] = yield* channelsOf(`smtp://panel:other-words@127.0.0.1:${port}`, ann)
      const denied = yield* Effect.flip(wrong!.deliver(notice, first))
      assert.match(denied.message, /EAUTH 535/)
      assert.notInclude(denied.message + JSON.stringify(denied), "other-words")
      const [nowhere] = yield* channelsOf("smtp://127.0.0.1:1", ann)
      assert.match((yield* Effect.flip(nowhere!.deliver(notice, first))).message, /\(E[A-Z]+\)/)
      // A password never leaves without encryption, but on this machine.
      assert.strictEqual(mails.length, 1)
    }).pipe(Effect.scoped))

  it.live("says how to install nodemailer where it is missing", () =>
    Effect.gen(function*() {
      const program = `
        import { registerHooks } from "node:module"
        registerHooks({
          resolve: (name, context, next) => {
            if (name === "nodemailer") throw Object.assign(new Error("missing"), { code: "ERR_MODULE_NOT_FOUND" })
            return next(name, context)
          }
        })
        const { Effect } = await import("effect")
        const { make } = await import("effect-vargate/node/MailChannel")
        const making = make({ name: "mail", from: "panel@example.com", smtp: "smtp://127.0.0.1:25" })
        console.log((await Effect.runPromise(Effect.flip(making))).message)
      `
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)(process.execPath, [
          "--conditions=effect-vargate-source",
          "--input-type=module",
          "--eval",
          program
        ], { cwd: fileURLToPath(new URL("../..", import.meta.url)) })
      )
      assert.match(stdout, /nodemailer is not installed here: npm install nodemailer/)
    }))
})
