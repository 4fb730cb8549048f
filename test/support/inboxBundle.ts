/** Bundles the inbox page once per run, so that tests in a browser see the source as it is now. */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

export const setup = () => {
  execFileSync(process.execPath, [fileURLToPath(new URL("../../.ci/inbox.ts", import.meta.url))], { stdio: "inherit" })
}
