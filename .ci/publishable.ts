/** Refuses to publish while `package.json` has fields that only the publisher can fill. Runs before `npm publish`. */
import { readFileSync } from "node:fs"

const { bugs, homepage, repository } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
const open = Object.entries({ repository: repository?.url, homepage, bugs: bugs?.url })
  .filter(([, value]) => typeof value !== "string" || value.includes("OWNER"))
  .map(([name]) => name)

if (open.length > 0) {
  console.error(`package.json: put the repository's own address into ${open.join(", ")} before publishing.`)
  process.exit(1)
}
