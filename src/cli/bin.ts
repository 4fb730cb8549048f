#!/usr/bin/env node
/**
 * The command line as a program. Only this file is read by a Node that is too old for the others, so it imports nothing
 * at its start but what every Node has, and looks at the version first.
 *
 * @internal
 */
import * as module from "node:module"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`effect-vargate needs Node 22.19 or newer; this is Node ${process.versions.node}.`)
  process.exit(1)
}

const { cacheFolder } = await import("./environment.ts")

// What was compiled once need not be compiled at every start. Not every runtime can: Deno compiles by itself.
const folder = cacheFolder()
if (folder !== undefined) Reflect.get(module, "enableCompileCache")?.(folder)

/**
 * Says the version without the other commands, which take ten times as long to load. False where that failed, or where
 * more was asked.
 */
const saysVersion = async (): Promise<boolean> => {
  if (process.argv.length !== 3 || process.argv[2] !== "--version") return false
  const [{ writeSync }, { version }] = await Promise.all([import("node:fs"), import("../internal/version.ts")])
  try {
    writeSync(1, `effect-vargate ${version}\n`)
    return true
  } catch {
    return false
  }
}

/** Only a published package has it. */
const bundle = new URL("bundle/start.js", import.meta.url)

if (!await saysVersion()) {
  const [{ existsSync }, { isBundled }] = await Promise.all([import("node:fs"), import("./apart.ts")])
  await (isBundled(process.argv.slice(2)) && existsSync(bundle) ? import(bundle.href) : import("./start.ts"))
}
