/**
 * Settings on the screen.
 *
 * @internal
 */
import type { TenantSettings } from "../../model/TenantSettings.ts"
import type { SettingsPlan } from "../../operator/SettingsPlan.ts"
import { facts } from "../screen/table.ts"
import { bold, dim, green, type Line, red, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

const word = (value: unknown): string =>
  value === null ? "none" : typeof value === "string" ? value : JSON.stringify(value)

const listOf = (values: ReadonlyArray<string>): Line => values.length === 0 ? dim("none") : values.join(", ")

/** @internal */
export const settingsLines = (settings: TenantSettings, width: number | undefined): ReadonlyArray<Line> => {
  const { anchorChain, autoApproveTools, failureModes, name, policy, publicDashboard, webhookEvents, webhookUrl } =
    settings
  return facts([
    name === undefined ? undefined : ["Name", name],
    policy && ["Policy", [bold(policy.template), dim(parametersOf(policy.parameters))]],
    failureModes && [
      "When away",
      Object.entries(failureModes).flatMap(([what, mode], index) => [
        `${index === 0 ? "" : ", "}${what} `,
        mode === "fail_open" ? yellow(mode) : mode ?? "?"
      ])
    ],
    autoApproveTools && ["No approval", listOf(autoApproveTools)],
    webhookUrl === undefined ? undefined : ["Webhook", webhookUrl === null ? dim("none") : originOf(webhookUrl)],
    webhookEvents && ["Events", listOf(webhookEvents)],
    publicDashboard === undefined
      ? undefined
      : ["Dashboard", publicDashboard ? yellow("public") : "private"],
    anchorChain === undefined ? undefined : ["Anchored on", anchorChain]
  ], width)
}

/** The rest of such a URL may be a secret. */
const originOf = (url: string): Line => [URL.parse(url)?.origin ?? "?", dim(" ... (--json has all of it)")]

const parametersOf = (parameters: unknown): string => {
  const text = Words.brief(parameters ?? {})
  return text === "" ? "  as the template has it" : `  ${text}`
}

/** @internal */
export const planLines = ({ changes, unchanged }: SettingsPlan): ReadonlyArray<Line> => [
  changes.length === 0
    ? [green("✓ nothing to change"), dim(`: ${Words.count(unchanged.length, "setting")} as requested`)]
    : [
      bold(Words.count(changes.length, "change")),
      unchanged.length === 0 ? "" : dim(`, ${Words.count(unchanged.length, "setting")} as requested already`)
    ],
  ...changes.map(({ from, setting, to }): Line =>
    setting === "webhookUrl"
      ? [`  ${setting}  `, dim("another one")]
      : [`  ${setting}  `, from === undefined ? dim("not shown") : red(word(from)), " -> ", green(word(to))]
  )
]
