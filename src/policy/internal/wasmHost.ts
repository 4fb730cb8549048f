/**
 * A compiled policy, loaded and asked: what OPA's SDK needs around it.
 *
 * The SDK prefers its own `sprintf` and `regex.split`, which read formats and patterns as JavaScript does. So the module is
 * instantiated here, with functions that answer as OPA's do, and handed to the SDK for everything else.
 *
 * @internal
 */
import { builtins } from "./regoBuiltins.ts"

/** What is used of the SDK's policies. */
interface LoadedPolicy {
  readonly entrypoints: Readonly<Record<string, number>>
  readonly setData: (data: ArrayBuffer) => void
  readonly evaluate: (input: ArrayBuffer | undefined, entrypoint: number) => unknown
}

/**
 * What is used of the package `@open-policy-agent/opa-wasm`.
 *
 * @internal
 */
export interface Sdk {
  readonly LoadedPolicy: new(instance: WebAssembly.Instance, memory: WebAssembly.Memory, minor: number) => LoadedPolicy
}

/** @internal */
export interface Source {
  readonly module: WebAssembly.Module
  /** The document `data`, as JSON. */
  readonly data: string
  /** In pages of 64 kB. */
  readonly maxPages: number
  /** How large the module is, in bytes: its constants are in its memory. */
  readonly size: number
}

/** @internal */
export interface Host {
  readonly entrypoints: ReadonlyArray<string>
  /** Functions that the policy asks for and that are not here. */
  readonly missing: ReadonlyArray<string>
  /** The value at an entry point, or undefined. Throws where the policy fails; it is to be loaded anew then. */
  readonly evaluate: (entrypoint: string, input: string | undefined, now: bigint) => unknown
}

interface Exports {
  readonly opa_wasm_abi_version: WebAssembly.Global
  readonly opa_wasm_abi_minor_version: WebAssembly.Global
  readonly builtins: () => number
  readonly opa_malloc: (size: number) => number
  readonly opa_json_dump: (address: number) => number
  readonly opa_json_parse: (address: number, size: number) => number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const bytesOf = (text: string): ArrayBuffer => {
  const bytes = encoder.encode(text)
  return bytes.buffer.byteLength === bytes.length ? bytes.buffer : bytes.slice().buffer
}

/** Times in nanoseconds are whole numbers that JavaScript would round. */
const parse = (json: string): unknown =>
  JSON.parse(
    json,
    (_, value: unknown, context?: { readonly source?: string }) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
        ? BigInt(context!.source!)
        : value
  )

const stringify = (value: unknown): string => typeof value === "bigint" ? String(value) : JSON.stringify(value)

const pageSize = 64 * 1024

/**
 * Loads a policy. Throws where it is none.
 *
 * @internal
 */
export const load = ({ LoadedPolicy }: Sdk, { data, maxPages, module, size }: Source): Host => {
  // Its own stack and heap are small beside its constants.
  const initial = Math.min(maxPages, Math.ceil(size / pageSize) + 5)
  const memory = new WebAssembly.Memory({ initial, maximum: maxPages })
  const textAt = (address: number): string => {
    const bytes = new Uint8Array(memory.buffer)
    return decoder.decode(bytes.subarray(address, bytes.indexOf(0, address)))
  }

  let names: Readonly<Record<number, string>> = {}
  let now = 0n
  const moment = { now: () => now }
  const call = (id: number, _: number, ...addresses: ReadonlyArray<number>): number => {
    const run = builtins[names[id] ?? ""]
    if (run === undefined) throw new Error(`it calls ${names[id]}, which is not available here`)
    const args = addresses.map((address) => parse(textAt(exports.opa_json_dump(address))))
    const result = run(moment, ...args)
    if (result === undefined) return 0
    const bytes = encoder.encode(stringify(result))
    const address = exports.opa_malloc(bytes.length)
    new Uint8Array(memory.buffer).set(bytes, address)
    return exports.opa_json_parse(address, bytes.length)
  }

  const instance = new WebAssembly.Instance(module, {
    env: {
      memory,
      opa_abort: (address: number) => {
        throw new Error(textAt(address))
      },
      opa_println: () => {},
      opa_builtin0: call,
      opa_builtin1: call,
      opa_builtin2: call,
      opa_builtin3: call,
      opa_builtin4: call
    }
  })
  const exports = instance.exports as unknown as Exports
  if (exports.opa_wasm_abi_version?.value !== 1) throw new Error("it is no policy that this version can run")
  const ids = parse(textAt(exports.opa_json_dump(exports.builtins()))) as Readonly<Record<string, number>>
  names = Object.fromEntries(Object.entries(ids).map(([name, id]) => [id, name]))

  const policy = new LoadedPolicy(instance, memory, exports.opa_wasm_abi_minor_version.value)
  policy.setData(bytesOf(data))

  return {
    entrypoints: Object.keys(policy.entrypoints),
    missing: Object.keys(ids).filter((name) => builtins[name] === undefined).sort(),
    evaluate: (entrypoint, input, at) => {
      const id = policy.entrypoints[entrypoint]
      if (id === undefined) return undefined
      now = at
      const results = policy.evaluate(input === undefined ? undefined : bytesOf(input), id)
      return Array.isArray(results) ? results[0]?.result : undefined
    }
  }
}
