/** A development node for EVM chains in a process of its own, with our contract on it. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { anvil } from "../../.ci/chain.ts"

export const hasAnvil = existsSync(anvil)
/** For the name of a suite that is skipped. */
export const needsAnvil = hasAnvil ? "" : " (needs what .ci/chain.ts installs)"

const { abi, bytecode } = JSON.parse(
  readFileSync(new URL("../verify/anchors/contract/MerkleAuditAnchor.json", import.meta.url), "utf8")
)
export const contractAbi = abi as ReadonlyArray<unknown>
export const contractBytecode = bytecode as `0x${string}`

/** The accounts whose keys the node has, and that every anvil has. */
export const accounts = [
  "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
  "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
] as const

export interface Anvil {
  readonly url: string
  /** The result: a text, or an object of texts. */
  readonly rpc: (
    method: string,
    ...params: ReadonlyArray<unknown>
  ) => Promise<string & Readonly<Record<string, string>>>
  /** Deploys the contract, and says where. */
  readonly deploy: () => Promise<string>
  /** Mines a block with this time, in seconds, with what was sent. */
  readonly mine: (time: number) => Promise<void>
}

/** Starts one whose clock begins at `timestamp`, in seconds, and which mines when it is told to. */
export const startAnvil = (options: { readonly chainId?: number; readonly timestamp: number }) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(anvil, [
        "--port",
        "0",
        "--no-mining",
        "--slots-in-an-epoch",
        "1",
        "--chain-id",
        String(options.chainId ?? 137),
        "--timestamp",
        String(options.timestamp)
      ], { stdio: ["ignore", "pipe", "pipe"] })
      let said = ""
      const url = await new Promise<string>((resolve, reject) => {
        child.stdout.setEncoding("utf8").on("data", (text) => {
          const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(said += text)?.[1]
          if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
        })
        child.once("error", reject)
        child.once("exit", (code) => reject(new Error(`anvil ended with ${code}: ${said}`)))
      })
      return { child, url }
    }),
    ({ child }) => Effect.sync(() => void child.kill("SIGKILL"))
  ).pipe(Effect.map(({ url }): Anvil => {
    const rpc = async (method: string, ...params: ReadonlyArray<unknown>) => {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })
      const headers = { "content-type": "application/json" }
      const answer = await (await fetch(url, { method: "POST", headers, body })).json() as {
        readonly error?: unknown
        readonly result: string & Readonly<Record<string, string>>
      }
      if (answer.error !== undefined) throw new Error(`${method}: ${JSON.stringify(answer.error)}`)
      return answer.result
    }
    const mine = async (time: number) => {
      await rpc("evm_setNextBlockTimestamp", time)
      await rpc("evm_mine")
    }
    const deploy = async () => {
      const tx = await rpc("eth_sendTransaction", { from: accounts[0], data: contractBytecode, gas: "0x2dc6c0" })
      await rpc("evm_mine")
      return (await rpc("eth_getTransactionReceipt", tx))["contractAddress"]!
    }
    return { url, rpc, mine, deploy }
  }))
