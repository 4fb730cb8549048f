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

await import("./start.ts")
