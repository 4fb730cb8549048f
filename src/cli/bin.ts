#!/usr/bin/env node
/**
 * The command line as a program.
 *
 * @internal
 */
import { enableCompileCache } from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

// What was compiled once need not be compiled at every start. In a folder of the user's own, not in a shared one.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-vargate"))

await import("./start.ts")
