/**
 * What applying settings would change, and what became of it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { SettingName } from "../model/TenantSettings.ts"
import { TenantProfile } from "./TenantProfile.ts"

/**
 * One setting that would be sent with another value than the tenant has, or than the gateway shows.
 *
 * @category models
 * @since 0.1.0
 */
export class SettingChange extends Schema.Class<SettingChange>("effect-vargate/SettingChange")({
  setting: SettingName,
  /** Undefined where the gateway does not show it: then it is not known whether it would change. */
  from: Schema.optional(Schema.Unknown),
  to: Schema.Unknown
}) {
  override toString() {
    return `${this.setting}: ${this.from === undefined ? "?" : JSON.stringify(this.from)} -> ${JSON.stringify(this.to)}`
  }
}

/**
 * What applying settings would change.
 *
 * @category models
 * @since 0.1.0
 */
export class SettingsPlan extends Schema.Class<SettingsPlan>("effect-vargate/SettingsPlan")({
  changes: Schema.Array(SettingChange),
  /** What is as requested already. */
  unchanged: Schema.Array(SettingName)
}) {
  /** Whether nothing is to be changed. False as long as a requested setting is one that the gateway does not show. */
  get isEmpty(): boolean {
    return this.changes.length === 0
  }
}

/**
 * What became of settings that were applied.
 *
 * @category models
 * @since 0.1.0
 */
export class SettingsReceipt extends Schema.Class<SettingsReceipt>("effect-vargate/SettingsReceipt")({
  /** The tenant as it was read back. */
  profile: TenantProfile,
  /** What was read back as requested. */
  confirmed: Schema.Array(SettingName),
  /** What the gateway accepted and does not show. */
  unconfirmed: Schema.Array(SettingName),
  /** What the webhook's events are signed with. The gateway tells only when `webhookUrl` was among the settings. */
  webhookSecret: Schema.optional(Schema.Redacted(Schema.String))
}) {}
