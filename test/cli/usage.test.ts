import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { Failure } from "../../src/cli/Output.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { decodeLines, run, type RunOptions } from "../support/cli.ts"

/** Nothing of this ever reaches a gateway. */
const vargate = (args: ReadonlyArray<string>, options?: RunOptions) =>
  Effect.provide(run(args, options), ScriptedTransport.layer([]))

const commands: ReadonlyArray<string> = [
  "",
  "init",
  "status",
  "doctor",
  "call",
  "approvals",
  "approvals list",
  "approvals watch",
  "approvals show",
  "approvals approve",
  "approvals reject",
  "inbox",
  "reviews token",
  "audit",
  "audit show",
  "verify",
  "proof",
  "replay",
  "evidence",
  "evidence export",
  "evidence verify",
  "head",
  "head keygen",
  "head sign",
  "head cosign",
  "head prove",
  "head verify",
  "settings",
  "settings get",
  "settings plan",
  "settings apply",
  "settings test-webhook",
  "credentials",
  "credentials list",
  "credentials register",
  "credentials remove",
  "credentials log",
  "session",
  "session tenants",
  "mcp-proxy",
  "mcp-pins",
  "mcp-reviews",
  "dev",
  "backup",
  "restore",
  "archive"
]

const split = (command: string) => command === "" ? [] : command.split(" ")

describe("help", () => {
  it.effect.each(commands)("of %j fits a screen of 80 columns", (command) =>
    Effect.gen(function*() {
      const { code, err, out } = yield* vargate([...split(command), "--help"])
      assert.include(out, `USAGE\n  effect-vargate${command === "" ? "" : ` ${command}`}`)
      for (const line of out.split("\n")) assert.isAtMost(line.length, 80, line)
      assert.deepStrictEqual([code, err], [0, ""])
    }))

  it.effect("shows no flag for keys", () =>
    Effect.gen(function*() {
      assert.notMatch((yield* vargate(["--help"])).out, /--key |--api-key/)
    }))

  it.effect("states the version of the package", () =>
    Effect.gen(function*() {
      const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
      assert.strictEqual((yield* vargate(["--version"])).out, `effect-vargate ${version}\n`)
    }))

  it.effect.each(["bash", "zsh", "fish", "powershell"])("completes for %s", (shell) =>
    Effect.gen(function*() {
      const { code, out } = yield* vargate(["--completions", shell])
      for (const word of ["effect-vargate", "approvals", "since-checkpoint"]) assert.include(out, word)
      assert.notInclude(out, "api-key")
      assert.strictEqual(code, 0)
    }))
})

describe("a wrong command line", () => {
  it.effect.each<[said: RegExp, ...args: ReadonlyArray<string>]>([
    [/Unrecognized flag: --foo/, "status", "--foo"],
    [/Unrecognized flag: --limt.*--limit/, "audit", "--limt", "3"],
    [/Unknown subcommand "frobnicate"/, "frobnicate"],
    [/Missing required argument: method/, "call", "http"],
    [/Unexpected positional argument/, "status", "extra"],
    [/Invalid value for flag --limit: "-1"/, "audit", "--limit", "-1"],
    [/Invalid value for flag --limit: "1.5"/, "audit", "--limit", "1.5"],
    [/--timeout: "soon".*a duration like 90s/, "status", "--timeout", "soon"],
    [/--since: "yesterday".*a time like/, "audit", "--since", "yesterday"],
    [/--proofs: "some"/, "evidence", "export", "x", "--proofs", "some"],
    [/either which decision to replay, or --last/, "replay"],
    [/bash, zsh, fish or powershell/, "--completions", "csh"]
  ])("says %s and how it is right, on stderr, and ends with 2", ([said, ...args]) =>
    Effect.gen(function*() {
      const { code, err, out } = yield* vargate(args)
      assert.match(err, said)
      assert.match(err, /^error: /)
      if (args[0] !== "replay") assert.match(err, /^usage: effect-vargate/m)
      assert.deepStrictEqual([code, out], [2, ""])
      const json = yield* vargate([...args, "--json"])
      assert.deepInclude(decodeLines(Failure, json.err)[0], { error: "Usage", exitCode: 2 })
      assert.strictEqual(json.code, 2)
    }))

  it.effect.each(["--key s3cret", "--key=s3cret", "--api-key s3cret", "--api-key=s3cret"])(
    "never repeats a key: %s",
    (flag) =>
      Effect.gen(function*() {
        for (const more of [[], ["--json"]]) {
          const { code, err, out } = yield* vargate(["status", ...flag.split(" "), ...more])
          assert.notInclude(out + err, "s3cret")
          assert.match(err, /A key on the command line can be seen by every user/)
          assert.strictEqual(code, 2)
        }
      })
  )

  it.effect("shows control characters instead of obeying them", () =>
    Effect.gen(function*() {
      const { err } = yield* vargate(["audit", "--since", "\x1b[2J\u202e"])
      assert.include(err, "\\x1b[2J\\u202e")
    }))
})
