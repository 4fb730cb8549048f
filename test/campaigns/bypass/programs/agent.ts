/**
 * An agent in a process of its own, to be killed and started again: it goes the ways of the stories that it is given, each
 * time anew, and says when it has finished. Workflows and conversations that were asked go on where they were.
 *
 * Argument: {@link Arguments} as JSON.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, References } from "effect"
import { Agent } from "effect-vargate"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import { FetchHttpClient } from "effect/http"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { book, millis, services, Story } from "../story.ts"
import { layerWorkflows, type Way, ways } from "../ways.ts"
import { continued } from "./continued.ts"

export interface Arguments {
  readonly url: string
  readonly folder: string
  readonly seed: number
  /** Which way each story goes, by its number. */
  readonly stories: ReadonlyArray<readonly [story: number, way: string]>
  readonly performed: string
  readonly asked: string
  /** How often it has lived. */
  readonly life: number
}

const { asked, folder, life, performed, seed, stories, url } = JSON.parse(process.argv[2]!) as Arguments

book.asked = (bytes) => appendFileSync(asked, `${bytes}\n`)
book.performed = (bytes) => appendFileSync(performed, `${bytes}\n`)

const all: Readonly<Record<string, Way>> = { ...ways, continued: continued(folder) }

const program = Effect.forEach(
  stories,
  ([n, way]) =>
    Effect.scoped(all[way]!(new Story(n, seed * 1000 + n))).pipe(
      Effect.timeoutOption(millis(600_000)),
      Effect.exit,
      Effect.provideService(Agent.Agent, { id: `agent-${n % 7}` })
    ),
  { concurrency: "unbounded", discard: true }
).pipe(Effect.andThen(Effect.sync(() => console.log("finished"))))

const layer = layerWorkflows.pipe(
  Layer.provideMerge(EngineSqlite.layer({ filename: join(folder, "workflows.db"), scan: "100 millis" })),
  Layer.provideMerge(services(seed * 100 + life, url)),
  Layer.provide(FetchHttpClient.layer)
)

NodeRuntime.runMain(program.pipe(Effect.provide(layer), Effect.provideService(References.MinimumLogLevel, "None")))
