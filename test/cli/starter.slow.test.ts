/** The starter as its users get it: from the packed package, installed by npm. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { env, tarball } from "../../.ci/tarball.ts"
import { folder } from "../support/folder.ts"
import { needsOpa, opa, OpaServer, opaServer } from "../support/opa.ts"

const run = (cwd: string, more: Readonly<Record<string, string>>, command: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<string>((resume) => {
    const child = execFile(command, args, { cwd, env: { ...env, ...more } }, (error, out, err) =>
      resume(
        error === null
          ? Effect.succeed(out + err)
          : Effect.die(new Error(`${command} ${args.join(" ")} failed:\n${out}\n${err}`))
      ))
    return Effect.sync(() => child.kill())
  })

const npm = (cwd: string, ...args: ReadonlyArray<string>) => run(cwd, {}, "npm", ...args)

const story = [
  /^ch_1: You get 20 back \(refund-1\)\.$/m,
  /^a reviewer approves .*"amount":400/m,
  /^ch_2: You get 400 back \(refund-2\)\.$/m,
  /^ch_3: This refund is not possible\.$/m
]

describe("the starter", () => {
  it.live(`installs from the package, runs, and passes its tests and checks${needsOpa}`, () =>
    Effect.gen(function*() {
      const place = yield* folder
      const packed = yield* Effect.sync(tarball)
      const home = join(place, "home")
      yield* npm(place, "install", "--prefix", home, "--no-audit", "--no-fund", "--prefer-offline", packed)
      const project = join(place, "agent")
      yield* run(place, {}, join(home, "node_modules/.bin/effect-vargate"), "init", "--project", project)

      const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8"))
      manifest.dependencies["effect-vargate"] = `file:${packed}`
      writeFileSync(join(project, "package.json"), JSON.stringify(manifest))
      yield* npm(project, "install", "--no-audit", "--no-fund", "--prefer-offline")

      assert.match(yield* npm(project, "test"), /Tests +4 passed \(4\)/)
      yield* npm(project, "run", "check")
      const output = yield* npm(project, "start")
      for (const line of story) assert.match(output, line)
      if (opa === undefined) return
      assert.match(yield* run(project, {}, opa, "test", "policy"), /^PASS: (\d+)\/\1$/m)
      yield* Effect.gen(function*() {
        const { url } = yield* OpaServer
        const decided = yield* run(project, { OPA_URL: url }, "npm", "start")
        for (const line of story) assert.match(decided, line)
      }).pipe(Effect.provide(opaServer(["--ignore", "*_test.rego", join(project, "policy")])))
    }).pipe(Effect.scoped))
})
