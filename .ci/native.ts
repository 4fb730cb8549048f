/**
 * Runs after `npm install` in a clone. An npm on an old Node leaves out the native parts of tools that want a newer one;
 * the newer Node has come along with the install, so it fetches them now.
 */
import { execFileSync } from "node:child_process"

const [major = 0, minor = 0] =
  /node\/v(\d+)\.(\d+)/.exec(process.env["npm_config_user_agent"] ?? "")?.slice(1).map(Number) ?? []
const npm = process.env["npm_execpath"]

if (npm !== undefined && (major < 22 || (major === 22 && minor < 19))) {
  execFileSync(process.execPath, [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"], { stdio: "inherit" })
}
