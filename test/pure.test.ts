/** The marks that the build gives to what modules compute at their start. */
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { marked } from "../.ci/pure.ts"

/** What a bundler keeps of a module of which nothing but `used` is used. */
const kept = async (module: string) => {
  const { outputFiles } = await build({
    stdin: { contents: `import { used } from "module"\nconsole.log(used)` },
    bundle: true,
    write: false,
    format: "esm",
    plugins: [{
      name: "module",
      setup: (bundler) => {
        bundler.onResolve({ filter: /^module$/ }, () => ({ path: "module", namespace: "test" }))
        bundler.onLoad({ filter: /./, namespace: "test" }, () => ({ contents: module }))
      }
    }]
  })
  return outputFiles[0]!.text
}

const module = `
const { make, Base } = globalThis
register()
export const used = 1
export const unused = make("a", make("b")).with(new Base(make("c"))).done()
export class Unused extends Base("d")({ e: make("f") }) {
  field = make("g")
}
export const lazy = () => make("h")
`

describe("the marks of a build", () => {
  it("let a bundler leave out what nothing uses, and nothing else", async () => {
    assert.include(await kept(module), "make(\"a\"")
    const bundle = await kept(marked(module))
    assert.notInclude(bundle, "make(")
    assert.notInclude(bundle, "class")
    assert.include(bundle, "register()")
  })

  it("change nothing but comments, and stand before calls at the start alone", () => {
    const text = marked(module)
    assert.strictEqual(text.replaceAll("/* @__PURE__ */ ", ""), module)
    assert.include(
      text,
      "unused = /* @__PURE__ */ make(\"a\", /* @__PURE__ */ make(\"b\")).with(/* @__PURE__ */ new Base("
    )
    assert.include(text, "extends /* @__PURE__ */ Base(\"d\")({ e: /* @__PURE__ */ make(\"f\") })")
    assert.include(text, "\nregister()")
    assert.include(text, "field = make(\"g\")")
    assert.include(text, "() => make(\"h\")")
  })
})
