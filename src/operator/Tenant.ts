/**
 * The tenant itself: what it is, and its settings as values that can be planned, applied and read back.
 *
 * A service for operators: a program that is not given it cannot change the rules that it is under.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { checkInput } from "../errors/internal/checkInput.ts"
import { type OperationError, SettingNotApplied, VargateError, WebhookUndelivered } from "../errors/VargateError.ts"
import { redactSpellings, spellings } from "../internal/redact.ts"
import { type SettingName, TenantSettings } from "../model/TenantSettings.ts"
import * as Transport from "../transport/Transport.ts"
import { type SettingDiff, settingsDiff } from "./internal/settingsDiff.ts"
import { SettingChange, SettingsPlan, SettingsReceipt } from "./SettingsPlan.ts"
import type { TenantProfile } from "./TenantProfile.ts"
import { writeSettings } from "./wire/TenantApi.ts"
import { TenantApi } from "./wire/TenantApi.ts"

/**
 * What is done with the answer while settings are applied.
 *
 * @category options
 * @since 0.1.0
 */
export interface ApplyOptions {
  /**
   * Keeps the webhook's secret as soon as the gateway has told it. It is not interrupted, and what fails after it takes
   * nothing back.
   */
  readonly onWebhookSecret?: ((secret: Redacted.Redacted) => Effect.Effect<void>) | undefined
}

/**
 * Looks at the tenant and changes its settings.
 *
 * **Details**
 *
 * Settings are checked before anything is sent: a gateway ignores a template or a chain that it does not know and
 * answers 200, so `apply` reads back what it can. To send the same settings again is harmless.
 *
 * @category services
 * @since 0.1.0
 */
export class Tenant extends Context.Service<Tenant, {
  /** GET /dashboard/me */
  readonly me: Effect.Effect<TenantProfile, OperationError>
  /** The settings that the gateway shows, as `apply` takes them: to keep, compare, or carry over to another tenant. */
  readonly settings: Effect.Effect<TenantSettings, OperationError>
  /** What `apply` would change. Sends nothing but the question. */
  readonly plan: (settings: TenantSettings) => Effect.Effect<SettingsPlan, OperationError>
  /**
   * PATCH /dashboard/settings, then reads back. Fails with `SettingNotApplied` when a setting is not as requested then,
   * and with `InvalidRequest` before anything is sent when a value makes no sense. The webhook's secret comes only with
   * a `webhookUrl` among the settings, and each time anew: send the URL again to see it again. `onWebhookSecret` gets it
   * first of all, whatever fails afterwards.
   */
  readonly apply: (
    settings: TenantSettings,
    options?: ApplyOptions
  ) => Effect.Effect<SettingsReceipt, SettingNotApplied | OperationError>
  /**
   * POST /webhooks/test: has the gateway send a `test.ping` to the webhook, once, and returns the URL. Fails with
   * `WebhookUndelivered` when the receiver did not take it, and with `InvalidRequest` when there is no URL.
   */
  readonly testWebhook: Effect.Effect<string, OperationError>
}>()("effect-vargate/Tenant") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(TenantApi)

  const profile = (name: string, sideEffect: Transport.Operation["sideEffect"] = "none") =>
    transport.request({ name, sideEffect }, client.tenant.me({}))

  const me = profile("Tenant.me").pipe(Effect.withSpan("Tenant.me"))

  const settings = profile("Tenant.settings").pipe(Effect.map(shownSettings), Effect.withSpan("Tenant.settings"))

  const plan = Effect.fn("Tenant.plan")(function*(settings: TenantSettings) {
    const checked = yield* check("Tenant.plan", settings)
    const diffs = settingsDiff(checked, yield* profile("Tenant.plan"))
    return new SettingsPlan({
      changes: diffs.filter(({ isMet }) => !isMet).map(({ found, setting, wanted }) =>
        new SettingChange({ setting, from: found, to: wanted })
      ),
      unchanged: namesOf(diffs, ({ isMet }) => isMet)
    })
  })

  const readBack = Effect.fnUntraced(function*(settings: TenantSettings) {
    // What is lost now was sent and may have been applied.
    const now = yield* profile("Tenant.apply", "possible")
    const diffs = settingsDiff(settings, now)
    return {
      profile: now,
      unmet: diffs.filter(({ found, isMet }) => !isMet && found !== undefined),
      confirmed: namesOf(diffs, ({ isMet }) => isMet),
      unconfirmed: namesOf(diffs, ({ found }) => found === undefined)
    }
  })

  const apply = Effect.fn("Tenant.apply")(function*(settings: TenantSettings, options: ApplyOptions = {}) {
    const checked = yield* check("Tenant.apply", settings)
    const payload = writeSettings(checked)
    const isSeveral = Object.keys(payload).length > 1
    const sending = transport.request(
      {
        name: "Tenant.apply",
        sideEffect: "possible",
        secrets: [Redacted.make(payload.webhook_url ?? "")],
        isAnswerSecret: true
      },
      client.tenant.updateSettings({ payload })
    ).pipe(
      Effect.catchReason("VargateError", "InvalidRequest", (refusal) =>
        // The gateway takes one setting after the other, and those before the one that it refuses stay.
        isSeveral
          ? Effect.flatMap(readBack(checked), (read) => new SettingNotApplied({ ...read, refusal }))
          : Effect.fail(new VargateError({ operation: "Tenant.apply", reason: refusal })))
    )
    const { webhook_secret: webhookSecret } = yield* Effect.uninterruptibleMask((restore) =>
      Effect.tap(
        restore(sending),
        ({ webhook_secret: secret }) =>
          secret === undefined || options.onWebhookSecret === undefined ? Effect.void : options.onWebhookSecret(secret)
      )
    )
    const { confirmed, profile, unconfirmed, unmet } = yield* readBack(checked)
    if (unmet.length > 0) return yield* new SettingNotApplied({ unmet, confirmed, unconfirmed })
    return new SettingsReceipt({ profile, confirmed, unconfirmed, webhookSecret })
  })

  const testWebhook = transport.request(
    { name: "Tenant.testWebhook", sideEffect: "possible" },
    client.tenant.testWebhook({})
  ).pipe(
    Effect.map(({ webhook_url }) => webhook_url),
    Effect.catchTag("WebhookFailed502", ({ message = "no reason given", webhook_url }) =>
      new VargateError({
        operation: "Tenant.testWebhook",
        reason: new WebhookUndelivered({
          origin: URL.parse(transport.redact(webhook_url))?.origin ?? "the webhook",
          detail: transport.redact(redactSpellings(message, spellings([Redacted.make(webhook_url)])))
        })
      })),
    Effect.withSpan("Tenant.testWebhook")
  )

  return Tenant.of({ me, settings, plan, apply, testWebhook })
})

const namesOf = (
  diffs: ReadonlyArray<SettingDiff>,
  isMeant: (diff: SettingDiff) => boolean
): ReadonlyArray<SettingName> => diffs.filter(isMeant).map(({ setting }) => setting)

/**
 * The service over a transport. Built anew wherever it is provided, so that it always acts for the nearest transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Tenant, never, Transport.Transport> = Layer.fresh(Layer.effect(Tenant, make))

// --- checking and reading settings -----------------------------------------------------------------------------------

/** A misspelled setting would be ignored by the gateway, so it is refused here. */
const check = checkInput("settings", TenantSettings, { onExcessProperty: "error" })

const read = Schema.decodeUnknownOption(Schema.toType(TenantSettings))

/** A value that this package does not know could not be applied again, so it is left out. */
const shownSettings = (profile: TenantProfile): TenantSettings => {
  const { policyParameters: parameters, policyTemplate: template, ...others } = profile
  return Object.assign(
    {},
    ...Object.entries({ ...others, policy: { template, parameters } }).map(([name, value]) =>
      Option.getOrElse(read({ [name]: value }), () => ({}))
    )
  )
}
