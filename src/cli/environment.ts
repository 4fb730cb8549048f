/**
 * What the command line takes from the environment of its process, checked here and nowhere else. The variables that
 * begin with VARGATE_ are read through `Config`, in `core/variables.ts`.
 *
 * @internal
 */
import { homedir, userInfo } from "node:os"
import { isAbsolute, join } from "node:path"

const variable = (name: string): string | undefined => {
  const value = process.env[name]
  return value === undefined || value === "" ? undefined : value
}

/** A relative path would be another folder in every working directory. */
const absolute = (path: string | undefined) => path !== undefined && isAbsolute(path) ? path : undefined

const attempt = (read: () => string) => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/**
 * The user's own folder: undefined where neither the environment nor the system knows one, as in many containers.
 *
 * @internal
 */
export const home = (): string | undefined => absolute(attempt(homedir)) ?? absolute(attempt(() => userInfo().homedir))

/**
 * The folder of this program's cache, a user's own and not a shared one.
 *
 * @internal
 */
export const cacheFolder = (): string | undefined => {
  const own = home()
  const cache = absolute(variable("XDG_CACHE_HOME")) ?? (own === undefined ? undefined : join(own, ".cache"))
  return cache === undefined ? undefined : join(cache, "effect-vargate")
}

/**
 * How wide lines may be where no terminal says it.
 *
 * @internal
 */
export const columns = (): number | undefined => {
  const columns = Number(variable("COLUMNS"))
  return Number.isInteger(columns) && columns > 0 ? columns : undefined
}

/**
 * The line that sets a variable in the shell of the user: PowerShell on Windows.
 *
 * @internal
 */
export const assignment = (name: string, value: string, platform: string = process.platform): string =>
  platform === "win32" ? `$env:${name} = "${value}"` : `export ${name}=${value}`

/**
 * Who can read a file of mode 0600. On Windows that is up to its folder.
 *
 * @internal
 */
export const readableBy = (platform: string = process.platform): string =>
  platform === "win32" ? "which is as safe as its folder" : "which only you can read"

/** @internal */
export const wantsColors = (isTerminal: boolean): boolean => {
  if (variable("NO_COLOR") !== undefined || variable("TERM") === "dumb") return false
  const force = variable("FORCE_COLOR")
  return isTerminal || (force !== undefined && force !== "0")
}
