import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Approvals, Ballots, ReviewPanel, ReviewRules, ToolCalls } from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import { execFile } from "node:child_process"
import { platform } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { reviewer, signer } from "../reviews/ballots.ts"
import { folder } from "../support/folder.ts"
import { inProcess } from "../support/worlds.ts"

const file = fileURLToPath(new URL("../reviews/support/ballotsProgram.ts", import.meta.url))

const claimFile = fileURLToPath(new URL("../reviews/support/claimProgram.ts", import.meta.url))

const start = (file: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<ReadonlyArray<string>, Error>((resume) => {
    execFile(process.execPath, ["--conditions=effect-vargate-source", file, ...args], (error, stdout, stderr) =>
      resume(
        error === null
          ? Effect.succeed(JSON.parse(stdout))
          : Effect.fail(new Error(`${error.message}\n${stdout}${stderr}`))
      ))
  })

const count = 40

describe("BallotsSql on a file", () => {
  it.live(`three processes have ${count} ballots at once: each vote, claim and end is one process's`, () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "ballots.db")
      const won = yield* Effect.all(["p1", "p2", "p3"].map((name) => start(file, filename, name, String(count))), {
        concurrency: 3
      })
      const all = won.flat()
      assert.strictEqual(new Set(all).size, all.length, "two processes were told that they were first")
      assert.deepStrictEqual(all.length, 3 * count)
      const ballots = yield* Effect.provide(
        Ballots.Ballots.use(({ list }) => list({ limit: 1_000 })),
        BallotsSql.layerSqlite({ filename })
      )
      assert.strictEqual(ballots.length, count)
      for (const { outcome, state, votes } of ballots) {
        assert.deepStrictEqual([state, votes.length, outcome?.result], ["ended", 1, "approved"])
      }
    }).pipe(Effect.scoped))

  it.live.skipIf(platform() !== "linux")(
    "a decision that a killed process has claimed is finished at start (needs Linux)",
    () =>
      Effect.gen(function*() {
        const filename = join(yield* folder, "ballots.db")
        yield* Effect.gen(function*() {
          const ballots = yield* Ballots.Ballots
          const options = {
            rules: ReviewRules.make({ otherwise: ReviewRules.anyOf("finance") }),
            lease: "1 hour"
          } as const
          const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "delete" })
          const [action] = (yield* Approvals.Approvals.use(({ pending }) => pending)).pending
          const interrupted = yield* Effect.provideService(ReviewPanel.make(options), Ballots.Ballots, {
            ...ballots,
            claim: () => Effect.interrupt
          })
          const vote = { actionId: action!.actionId, digest: ReviewPanel.digest(action!), choice: "approve" } as const
          yield* Effect.exit(interrupted.vote(reviewer("ann", "finance"), vote))
          yield* Effect.flip(start(claimFile, filename))
          const panel = yield* ReviewPanel.make(options)
          assert.strictEqual((yield* panel.status(actionId))?.ballot.state, "deciding")
          yield* panel.sweep
          assert.strictEqual((yield* panel.status(actionId))?.ballot.outcome?.result, "approved")
        }).pipe(Effect.provide(Layer.mergeAll(
          BallotsSql.layerSqlite({ filename }),
          signer,
          inProcess({ tools: { "db/delete": () => Effect.succeed("gone") } })
        )))
      }).pipe(Effect.scoped)
  )
})
