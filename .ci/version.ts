/**
 * Carries the version of `package.json` to where else it stands: the sources, and the template of new projects. What the
 * changelog has as "Unreleased" belongs to that version, too. Runs in `npm run release:version`, after changesets.
 */
import { readFileSync, writeFileSync } from "node:fs"

const at = (path: string) => new URL(`../${path}`, import.meta.url)
const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"))

const replace = (path: string, pattern: RegExp, text: string) => {
  const before = readFileSync(at(path), "utf8")
  if (!pattern.test(before)) throw new Error(`${path} has no version to replace`)
  writeFileSync(at(path), before.replace(pattern, text))
}

replace("src/internal/version.ts", /version = "[^"]*"/, `version = "${version}"`)
replace("template/package.json", /"effect-vargate": "[^"]*"/, `"effect-vargate": "^${version}"`)

// Changesets writes its section right below the title, before the preamble.
const changelog = readFileSync(at("CHANGELOG.md"), "utf8")
const [, title, section, preamble, rest] =
  /^(# Changelog\n\n)(## \d[^]*?\n\n)(The form is [^\n]*\n\n)(?:## Unreleased\n\n)?([^]*)$/.exec(changelog) ?? []
if (title !== undefined) writeFileSync(at("CHANGELOG.md"), `${title}${preamble}${section}${rest}`)
