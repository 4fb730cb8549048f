/**
 * Installs what `test/verify/anchors/*.slow.test.ts` and `test/gateway/ledger/Evm*.slow.test.ts` are tried against, a
 * development node for EVM chains, another library's reading of it and the optional one that signs, and prints the folder. They
 * stand outside the repository: the node is a native program for this machine alone, and the libraries have 90 MB. Where they cannot be had it says so, and those tests are skipped.
 *
 * With `--check`, solc compiles the contract of the tests anew, and its code is compared with the stored one.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const chain = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-vargate", "chain")

const modules = join(chain, "node_modules")
const architecture = process.arch === "x64" ? "amd64" : process.arch
const program = process.platform === "win32" ? "anvil.exe" : "anvil"

/** The package `@foundry-rs/anvil` only starts the program of the package for this machine. */
export const anvil = join(modules, "@foundry-rs", `anvil-${process.platform}-${architecture}`, "bin", program)

const manifest = JSON.stringify({
  private: true,
  type: "module",
  dependencies: { "@foundry-rs/anvil": "1.7.1", "micro-eth-signer": "0.20.1", solc: "0.8.37", viem: "2.57.20" }
})

const install = () => {
  const path = join(chain, "package.json")
  if (existsSync(path) && readFileSync(path, "utf8") === manifest) return
  mkdirSync(chain, { recursive: true })
  writeFileSync(path, manifest)
  try {
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], {
      cwd: chain,
      stdio: ["ignore", "ignore", "inherit"],
      shell: process.platform === "win32"
    })
  } catch {
    writeFileSync(path, "{}")
    console.error("The development node cannot be installed here: the tests that need it are skipped.")
  }
}

const contract = (name: string) =>
  fileURLToPath(new URL(`../test/verify/anchors/contract/MerkleAuditAnchor.${name}`, import.meta.url))

/** What solc makes of the source, with nothing in it that depends on the machine. */
const compile = (): string => {
  const solc = createRequire(join(chain, "package.json"))("solc") as { readonly compile: (input: string) => string }
  const input = {
    language: "Solidity",
    sources: { "MerkleAuditAnchor.sol": { content: readFileSync(contract("sol"), "utf8") } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      evmVersion: "paris",
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } }
    }
  }
  const { abi, evm } = JSON.parse(solc.compile(JSON.stringify(input)))
    .contracts["MerkleAuditAnchor.sol"].MerkleAuditAnchor
  return `${JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}` }, null, 2)}\n`
}

if (import.meta.main) {
  install()
  if (process.argv.includes("--check") && existsSync(join(modules, "solc"))) {
    const stored = JSON.parse(readFileSync(contract("json"), "utf8"))
    if (JSON.stringify(JSON.parse(compile())) !== JSON.stringify(stored)) {
      console.error("The contract's code is not what solc makes of its source: run `node .ci/chain.ts --write`")
      process.exit(1)
    }
  }
  if (process.argv.includes("--write")) writeFileSync(contract("json"), compile())
  console.log(chain)
}
