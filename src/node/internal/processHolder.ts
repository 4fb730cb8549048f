/**
 * This process as a holder of claims. On Linux a process is named by its id, the time of its start, its namespace of
 * process ids and the boot of its machine; that it has ended is certain to another process of the same namespace and boot.
 * Elsewhere it never is: process ids are used again.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { readFileSync, readlinkSync } from "node:fs"

/** State and start of a process (`proc_pid_stat(5)`). Its name stands in parentheses, and may hold some. */
const statOf = (pid: number | "self") => {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return { state: fields[0], start: fields[19] }
}

const placeOf = () => {
  const namespace = /^pid:\[(\d+)\]$/.exec(readlinkSync("/proc/self/ns/pid"))?.[1]
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
  return namespace !== undefined && /^[0-9a-f-]{36}$/.test(boot) ? `${namespace}/${boot}` : undefined
}

const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** Whether there is a process of this id; undefined where the system does not say. */
const exists = (pid: number): boolean | undefined => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    return code === "ESRCH" ? false : code === "EPERM" ? true : undefined
  }
}

const hasEnded = (name: string): boolean => {
  const match = /^(\d{1,10})\/(\d{1,20})\/(\d+\/[0-9a-f-]{36})$/.exec(name)
  if (match === null || match[3] !== attempt(placeOf)) return false
  const pid = Number(match[1])
  const isThere = exists(pid)
  if (isThere !== true) return isThere === false
  // Another process may have the id now. Where this may not be read, it is not certain.
  const stat = attempt(() => statOf(pid))
  return stat !== undefined && (stat.state === "Z" || stat.state === "X" || stat.start !== match[2])
}

/** @internal */
export const processHolder = {
  name: attempt(() => {
    const [{ start }, place] = [statOf("self"), placeOf()]
    return start === undefined || place === undefined ? undefined : `${process.pid}/${start}/${place}`
  }) ?? "",
  hasEnded: (name: string) => Effect.sync(() => hasEnded(name))
}
