#!/usr/bin/env node
/**
 * The command line as a program.
 *
 * @internal
 */
import { enableCompileCache } from "node:module"
import { cacheFolder } from "./environment.ts"

// What was compiled once need not be compiled at every start.
const folder = cacheFolder()
if (folder !== undefined) enableCompileCache(folder)

await import("./start.ts")
