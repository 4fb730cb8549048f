/**
 * The variables of the environment that begin with VARGATE_.
 *
 * @internal
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { NotConfigured } from "./failure.ts"

/**
 * A variable that is set to nothing is a mistake: to look further would act for another tenant than was meant.
 *
 * @internal
 */
export const variable = (
  name:
    | "VARGATE_URL"
    | "VARGATE_API_KEY"
    | "VARGATE_EXPORT_TOKEN"
    | "VARGATE_OPA"
    | "VARGATE_POSTGRES_URL"
    | "VARGATE_PANEL_URL"
    | "VARGATE_REVIEWER_TOKEN"
    | "VARGATE_REVIEWS_KEY"
    | "VARGATE_OIDC_CLIENT_SECRET"
): Effect.Effect<Redacted.Redacted | undefined, NotConfigured> =>
  Config.option(Config.Redacted(name)).pipe(
    Effect.mapError(({ message }) => new NotConfigured({ message })),
    Effect.flatMap((value) =>
      Option.exists(value, (text) => Redacted.value(text).trim() === "")
        ? Effect.fail(new NotConfigured({ message: `${name} is set, but to nothing: set a value, or unset it.` }))
        : Effect.succeed(Option.getOrUndefined(value))
    )
  )

const off = ["", "0", "false", "no", "off"]

/**
 * Whether VARGATE_DEBUG asks for the places where a fault arose.
 *
 * @internal
 */
export const isVerbose: Effect.Effect<boolean> = Config.String("VARGATE_DEBUG").pipe(
  Effect.map((value) => !off.includes(value.trim().toLowerCase())),
  Effect.orElseSucceed(() => false)
)
