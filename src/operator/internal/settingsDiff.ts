/**
 * Settings one by one, against what a gateway shows of them.
 *
 * @internal
 */
import * as Equal from "effect/Equal"
import type { SettingName, TenantSettings } from "../../model/TenantSettings.ts"
import type { TenantProfile } from "../TenantProfile.ts"

/**
 * One setting as it is requested, and as it was found: undefined where the gateway does not show it.
 *
 * @internal
 */
export interface SettingDiff {
  readonly setting: SettingName
  readonly wanted: unknown
  readonly found: unknown
  readonly isMet: boolean
}

type Compare = (wanted: unknown, found: unknown) => boolean

/** Lists of tools and events have no order. */
const isSameSet: Compare = (wanted, found) => Equal.equals(sorted(wanted), sorted(found))

const sorted = (list: unknown) => [...new Set(list as ReadonlyArray<string>)].sort()

/** What was not asked for may be there as well. */
const isPartOf: Compare = (wanted, found) =>
  Object.entries(wanted as object).every(([key, value]) =>
    value === undefined || Equal.equals(value, Reflect.get(found as object, key))
  )

/** Only what is asked about, so that the two sides can be read beside each other. */
const only = (keys: object, found: object | undefined) =>
  found && Object.fromEntries(
    Object.keys(keys).flatMap((key) => key in found ? [[key, Reflect.get(found, key)]] : [])
  )

/** @internal */
export const settingsDiff = (settings: TenantSettings, profile: TenantProfile): ReadonlyArray<SettingDiff> => {
  const { parameters, template } = settings.policy ?? {}
  const compared = (setting: SettingName, wanted: unknown, found: unknown, compare: Compare = Equal.equals) =>
    wanted === undefined
      ? []
      : [{ setting, wanted, found, isMet: found !== undefined && compare(wanted, found) }]
  return [
    ...compared("name", settings.name, profile.name),
    ...compared("publicDashboard", settings.publicDashboard, profile.publicDashboard),
    ...compared("anchorChain", settings.anchorChain, profile.anchorChain),
    ...compared("policyTemplate", template, profile.policyTemplate),
    ...compared("policyParameters", parameters, profile.policyParameters, isPartOf),
    ...compared(
      "failureModes",
      settings.failureModes,
      settings.failureModes && only(settings.failureModes, profile.failureModes),
      isPartOf
    ),
    ...compared("autoApproveTools", settings.autoApproveTools, profile.autoApproveTools, isSameSet),
    ...compared("webhookUrl", settings.webhookUrl, profile.webhookUrl),
    ...compared("webhookEvents", settings.webhookEvents, profile.webhookEvents, isSameSet)
  ]
}
