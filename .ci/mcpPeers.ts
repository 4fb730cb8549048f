/**
 * Installs the MCP clients, servers and the referee that `test/campaigns/mcpMatrix.test.ts` and
 * `test/campaigns/mcpConformance.test.ts` try the proxy with, and prints the folder. They stand outside the repository:
 * no install of the package needs them. Where they cannot be had it says so, and those tests are skipped.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"

export const mcpPeers = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-vargate", "mcp-peers")

const manifest = JSON.stringify({
  private: true,
  dependencies: {
    "@modelcontextprotocol/client": "2.4.0",
    "@modelcontextprotocol/conformance": "0.2.0-alpha.12",
    "@modelcontextprotocol/inspector": "2.12.0",
    "@modelcontextprotocol/server": "2.4.0"
  }
})

const manifestPath = join(mcpPeers, "package.json")

/** Whether they are here, all of them and in these versions. */
export const hasMcpPeers = (): boolean => existsSync(manifestPath) && readFileSync(manifestPath, "utf8") === manifest

/** The path of a file of one of them. */
export const mcpPeer = (file: string): string => join(mcpPeers, "node_modules", "@modelcontextprotocol", file)

const install = () => {
  if (hasMcpPeers()) return
  mkdirSync(mcpPeers, { recursive: true })
  writeFileSync(manifestPath, manifest)
  try {
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], {
      cwd: mcpPeers,
      stdio: ["ignore", "ignore", "inherit"],
      shell: process.platform === "win32"
    })
  } catch {
    writeFileSync(manifestPath, "{}")
    console.error("The MCP peers cannot be installed here: the tests that need them are skipped.")
  }
}

if (import.meta.main) {
  install()
  console.log(mcpPeers)
}
