/**
 * Bundles the inbox page of the embedded gateway, and the page of a review panel, into `dist/gateway/inbox/page/`, where they
 * are found, whether the server runs from `src` or from `dist`. Runs after `npm install` in a clone and in `npm run build`.
 */
import { build } from "esbuild"
import { fileURLToPath } from "node:url"

const inbox = (file: string) => fileURLToPath(new URL(`../src/gateway/inbox/page/${file}`, import.meta.url))

await build({
  entryPoints: [
    "app.ts",
    "inbox.css",
    "index.html",
    "icon.svg",
    "panel/app.ts",
    "panel/panel.css",
    "panel/index.html"
  ].map(inbox),
  outdir: fileURLToPath(new URL("../dist/gateway/inbox/page", import.meta.url)),
  loader: { ".html": "copy", ".svg": "copy" },
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome111", "firefox115", "safari16.4"],
  logLevel: "warning"
})
