/**
 * Puts a file in the place of another, as `whileInUse` does, for what uses Node's files directly.
 *
 * @internal
 */
import { rename } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"

/** What Windows answers for a file that is open elsewhere. */
const isInUse = (error: unknown) => /^(EPERM|EACCES|EBUSY)$/.test((error as NodeJS.ErrnoException).code ?? "")

/**
 * Tries for two and a half seconds, by the time of the machine.
 *
 * @internal
 */
export const replaceFile = async (draft: string, path: string, move: typeof rename = rename): Promise<void> => {
  for (let pause = 10;; pause *= 2) {
    try {
      return await move(draft, path)
    } catch (cause) {
      if (pause > 1280 || !isInUse(cause)) throw cause
      await sleep(pause)
    }
  }
}
