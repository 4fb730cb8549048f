/**
 * What runs in each thread of `OpaWasmEngine`: one policy, asked one question after the other. It loads little besides
 * the policy, so that a thread that had to be ended is soon replaced.
 *
 * @internal
 */
import { parentPort, workerData } from "node:worker_threads"
import { type Host, load, type Sdk, type Source } from "./wasmHost.ts"

/** @internal */
export interface Question {
  readonly entrypoint: string
  /** As JSON. */
  readonly input: string | undefined
  /** Nanoseconds since 1970. */
  readonly now: bigint
}

/** @internal */
export type Answer =
  | { readonly _tag: "Value"; readonly value: unknown }
  /** The document is nested too deep to be read. */
  | { readonly _tag: "Refused" }
  | { readonly _tag: "Failed"; readonly detail: string }

/** @internal */
export type Start =
  | { readonly _tag: "Ready"; readonly entrypoints: ReadonlyArray<string>; readonly missing: ReadonlyArray<string> }
  | { readonly _tag: "NotInstalled" }
  | { readonly _tag: "Unusable"; readonly detail: string }

const packageName = "@open-policy-agent/opa-wasm"

const detailOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 300)

const isTooDeep = (error: unknown) => error instanceof RangeError && /call stack/.test(error.message)

const say = (message: Start | Answer) => parentPort?.postMessage(message)

const serve = (sdk: Sdk) => {
  const source = workerData as Source
  let host: Host | undefined = load(sdk, source)
  const { entrypoints, missing } = host
  parentPort?.on("message", ({ entrypoint, input, now }: Question) => {
    try {
      // What has failed half-way is in no state to go on.
      host ??= load(sdk, source)
      say({ _tag: "Value", value: host.evaluate(entrypoint, input, now) })
    } catch (error) {
      host = undefined
      say(isTooDeep(error) ? { _tag: "Refused" } : { _tag: "Failed", detail: detailOf(error) })
    }
  })
  say({ _tag: "Ready", entrypoints, missing })
}

let sdk: Sdk | undefined
try {
  const module: { readonly default: Sdk } = await import(packageName)
  sdk = module.default
} catch {
  say({ _tag: "NotInstalled" })
}
if (sdk !== undefined) {
  try {
    serve(sdk)
  } catch (error) {
    say({ _tag: "Unusable", detail: detailOf(error) })
  }
}
