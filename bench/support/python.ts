import { spawnSync } from "node:child_process"
import { existsSync, rmSync } from "node:fs"
import { cache } from "./cache.ts"

const { status, stdout } = spawnSync("python3", ["--version"], { encoding: "utf8" })

/** Undefined where there is none. */
export const pythonVersion: string | undefined = status === 0 ? stdout.trim().replace("Python ", "") : undefined

export const httpxVersion = "0.28.1"

const install = (): string | undefined => {
  if (pythonVersion === undefined) return undefined
  const folder = `${cache}/httpx-${httpxVersion}-python-${pythonVersion}`
  if (existsSync(folder)) return folder
  const quietly = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--retries=1", "--timeout=10"]
  const { status } = spawnSync(
    "python3",
    ["-m", "pip", "install", ...quietly, "--target", folder, `httpx==${httpxVersion}`],
    { stdio: ["ignore", "ignore", "inherit"], timeout: 60_000 }
  )
  if (status === 0) return folder
  rmSync(folder, { recursive: true, force: true })
  return undefined
}

let installed: ReturnType<typeof install> | "not tried" = "not tried"

/** A folder to look for modules in, with httpx in it; undefined where Python or the package cannot be had. */
export const installHttpx = (): string | undefined => installed === "not tried" ? installed = install() : installed
