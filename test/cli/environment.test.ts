import { assert, describe, it } from "@effect/vitest"
import { assignment, readableBy } from "../../src/cli/environment.ts"

describe("the environment", () => {
  it("is set in the words of the user's shell", () => {
    assert.strictEqual(
      assignment("VARGATE_URL", "http://127.0.0.1:8000", "linux"),
      "export VARGATE_URL=http://127.0.0.1:8000"
    )
    assert.strictEqual(
      assignment("VARGATE_URL", "http://127.0.0.1:8000", "darwin"),
      "export VARGATE_URL=http://127.0.0.1:8000"
    )
    assert.strictEqual(
      assignment("VARGATE_URL", "http://127.0.0.1:8000", "win32"),
      "$env:VARGATE_URL = \"http://127.0.0.1:8000\""
    )
  })

  it("promises no permissions that Windows does not have", () => {
    assert.strictEqual(readableBy("linux"), "which only you can read")
    assert.strictEqual(readableBy("win32"), "which is as safe as its folder")
  })
})
