import { assert } from "@effect/vitest"
import { PlainRecords } from "../../../src/verify/internal/scan/plainRecords.ts"

const noPage = new Uint8Array()

/** While the module is claimed, everything else is scanned in JavaScript. Gives the way to release it. */
export const claimModule = (): () => void => {
  const claimed = PlainRecords.claim(noPage, Infinity)
  assert.isDefined(claimed)
  assert.isUndefined(PlainRecords.claim(noPage, Infinity))
  return () => claimed.release()
}

export const inJavaScript = <A>(scan: () => A): A => {
  const release = claimModule()
  try {
    return scan()
  } finally {
    release()
  }
}
