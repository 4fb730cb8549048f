import type { Metafile } from "esbuild"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** The licences of the packages that a bundle holds parts of. */
export const licencesOf = ({ inputs }: Metafile): string => {
  const packages = new Set(
    Object.keys(inputs).flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? [])
  )
  return [...packages].sort().map((name) => {
    const file = fileURLToPath(new URL(`../node_modules/${name}/LICENSE`, import.meta.url))
    return `${name}\n\n${readFileSync(file, "utf8").trim()}\n`
  }).join("\n\n")
}
