import { Context, Effect, type Layer, Schema } from "effect"
import { type Approvals, type AuditLog, Governed, type ToolCalls } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import { type AiError, LanguageModel, Tool, Toolkit } from "effect/ai"
import { expect, test } from "tstyche"

type Services = ToolCalls.ToolCalls | Approvals.Approvals | AuditLog.AuditLog

class Database extends Context.Service<Database, { readonly name: string }>()("test/Database") {}

const Refund = Tool.make("Refund", {
  parameters: Schema.Struct({ amount: Schema.FiniteFromString }),
  success: Schema.Struct({ on: Schema.DateTimeUtcFromString }),
  failure: Schema.Literal("broke"),
  dependencies: [Database]
})
const Note = Tool.make("Note", {
  parameters: Schema.Struct({ text: Schema.String }),
  failure: Schema.String,
  failureMode: "return"
})
const Tools = Toolkit.make(Refund, Note)
type Tools = Toolkit.Tools<typeof Tools>

const handlers = Tools.of({
  Refund: () => Effect.fail("broke" as const),
  Note: () => Effect.void
})

test("governing leaves the toolkit's type as it is, and adds the services of Vargate", () => {
  expect(GovernedToolkit.govern(Tools)).type.toBe<
    Effect.Effect<Toolkit.WithHandler<Tools>, never, Tool.HandlersFor<Tools> | Services>
  >()
})

test("a toolkit that has its handlers needs only the services", () => {
  const ready = {} as Toolkit.WithHandler<Tools>
  expect(GovernedToolkit.govern(ready)).type.toBe<Effect.Effect<Toolkit.WithHandler<Tools>, never, Services>>()
  const failing = {} as Effect.Effect<Toolkit.WithHandler<Tools>, "no server", Database>
  expect(GovernedToolkit.govern(failing)).type.toBe<
    Effect.Effect<Toolkit.WithHandler<Tools>, "no server", Database | Services>
  >()
})

test("generating with it has the same parts, failures and requirements", () => {
  const plain = LanguageModel.generateText({ prompt: "go", toolkit: Tools })
  const governed = LanguageModel.generateText({ prompt: "go", toolkit: GovernedToolkit.govern(Tools) })
  expect<Effect.Success<typeof governed>>().type.toBe<Effect.Success<typeof plain>>()
  expect<Effect.Error<typeof governed>>().type.toBe<Effect.Error<typeof plain>>()
  expect<Effect.Services<typeof governed>>().type.toBe<Effect.Services<typeof plain> | Services>()
})

test("handlers get and give what they did, behind a layer of the same services", () => {
  const layer = GovernedToolkit.layer(Tools, handlers)
  expect<Layer.Success<typeof layer>>().type.toBe<Layer.Success<ReturnType<typeof Tools.toLayer>>>()
  expect<Layer.Error<typeof layer>>().type.toBe<never>()
  expect<Layer.Services<typeof layer>>().type.toBe<Services>()
  expect(GovernedToolkit.layer).type.not.toBeCallableWith(Tools, {
    Refund: ({ amount }: { readonly amount: string }) => Effect.succeed(amount),
    Note: () => Effect.void
  })
  const built = GovernedToolkit.layer(Tools, Effect.as(Database, handlers))
  expect<Layer.Services<typeof built>>().type.toBe<Services | Database>()
})

test("a tool that the provider executes makes it fail, so that it cannot be used unseen", () => {
  const Search = Tool.providerDefined({ id: "acme.search", customName: "Search", providerName: "search" })(undefined)
  const toolkit = GovernedToolkit.govern(Toolkit.make(Note, Search))
  expect<Effect.Error<typeof toolkit>>().type.toBe<AiError.AiError>()
  expect(LanguageModel.generateText).type.not.toBeCallableWith({ prompt: "go", toolkit })

  const Shell = Tool.providerDefined({
    id: "acme.shell",
    customName: "Shell",
    providerName: "sh",
    requiresHandler: true
  })
  const handled = GovernedToolkit.govern(Toolkit.make(Note, Shell({})))
  expect<Effect.Error<typeof handled>>().type.toBe<never>()
})

test("options know the tools, and only govern can ask the conversation", () => {
  expect(GovernedToolkit.govern).type.toBeCallableWith(Tools, {
    onPending: GovernedToolkit.ask(),
    tools: { Refund: { tool: "stripe", method: "create_refund", onPending: Governed.fail } }
  })
  for (const onPending of [Governed.wait, Governed.fail, GovernedToolkit.ask, Governed.wait({ timeout: "1 minute" })]) {
    expect(GovernedToolkit.govern).type.toBeCallableWith(Tools, { onPending })
  }
  expect(GovernedToolkit.govern).type.not.toBeCallableWith(Tools, { tools: { Refnud: {} } })
  expect(GovernedToolkit.govern).type.not.toBeCallableWith(Tools, { onPending: Governed.detach })
  expect(GovernedToolkit.layer).type.not.toBeCallableWith(Tools, handlers, { onPending: GovernedToolkit.ask })
})
