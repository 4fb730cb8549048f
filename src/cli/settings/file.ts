/**
 * Settings in a file, as `settings get --json` writes them.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import { TenantSettings } from "../../model/TenantSettings.ts"
import { FileFailed, Usage } from "../core/failure.ts"
import { readText } from "../core/readText.ts"
import { readStdin } from "../core/stdin.ts"

/** @internal */
export const fileArgument = Argument.String("file").pipe(
  Argument.withDescription("Settings as JSON; - is stdin")
)

const decode = Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(TenantSettings)), {
  errors: "all",
  onExcessProperty: "error"
})

/** @internal */
export const readSettings = Effect.fnUntraced(function*(path: string) {
  const text = path === "-"
    ? yield* readStdin
    : yield* Effect.mapError(readText(path), FileFailed.of("read", path))
  return yield* Effect.mapError(
    decode(text),
    ({ issue }) =>
      new Usage({
        message: `${path === "-" ? "stdin" : path} holds no settings: ${
          fieldIssues(issue, []).map(({ message, path }) => [...path, message].join(": ")).join("; ")
        }.`
      })
  )
})
