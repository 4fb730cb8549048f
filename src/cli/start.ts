/**
 * Runs the command line of this process.
 *
 * @internal
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { NodeRuntime, NodeServices } from "../gateway/http/nodePlatform.ts"
import * as NodeMlDsa44 from "../node/NodeMlDsa44.ts"
import { run } from "./main.ts"
import * as NodeScreen from "./screen/NodeScreen.ts"

run(process.argv.slice(2)).pipe(
  Effect.tap((code) =>
    Effect.sync(() => {
      process.exitCode = code
    })
  ),
  Effect.provide([NodeServices.layer, NodeScreen.layer, NodeMlDsa44.layer, FetchHttpClient.layer]),
  // A variable that is set to nothing is a mistake to report.
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ preserveEmptyStrings: true })),
  NodeRuntime.runMain
)
