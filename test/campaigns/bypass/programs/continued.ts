/** A conversation that is asked, kept in files, and goes on in the agent's next life. */
import { Effect } from "effect"
import * as AskedCalls from "effect-vargate/ai/AskedCalls"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import { Chat, type Prompt } from "effect/ai"
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as ScriptedModel from "../../../support/scriptedModel.ts"
import { millis } from "../story.ts"
import { answer, kits, requestsIn, turn, type Way } from "../ways.ts"

const readIfThere = (path: string) => existsSync(path) ? readFileSync(path, "utf8") : undefined

const writeWhole = (path: string, text: string) => {
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

const store = (folder: string, story: number): AskedCalls.Store => {
  const path = (id: string) => join(folder, `asked-${story}-${id}`)
  return {
    get: (id) => Effect.sync(() => readIfThere(path(id))),
    set: (id, call) => Effect.sync(() => writeWhole(path(id), String(call))),
    remove: (id) => Effect.sync(() => rmSync(path(id), { force: true }))
  }
}

export const continued = (folder: string): Way => (story) => {
  const path = join(folder, `chat-${story.n}`)
  const { layer, toolkit } = story.pick(kits)
  const governed = GovernedToolkit.govern(toolkit, {
    onPending: GovernedToolkit.ask({ timeout: millis(120_000) }),
    reconcile: { wait: millis(30_000) }
  })
  const round = Effect.fnUntraced(function*(chat: Effect.Success<typeof Chat.empty>, prompt: Prompt.RawInput) {
    return requestsIn((yield* chat.generateText({ prompt, toolkit: yield* governed })).content)
  })

  const begin = Effect.gen(function*() {
    const calls = yield* turn(story)
    const made = story.calls.slice(-calls.length)
    if (story.habit !== "keeps") story.asks(...made)
    const chat = yield* Chat.empty
    const requests = yield* Effect.provide(round(chat, "go"), ScriptedModel.layer([calls]))
    if (requests.length === 0) return
    writeWhole(path, JSON.stringify({ made, requests, chat: yield* chat.exportJson }))
  })

  const goOn = Effect.fnUntraced(function*(kept: string) {
    const { chat, made, requests } = JSON.parse(kept) as {
      readonly chat: string
      readonly made: ReadonlyArray<string>
      readonly requests: Parameters<typeof answer>[0]
    }
    story.asks(...made)
    yield* Effect.provide(round(yield* Chat.fromJson(chat), answer(requests, true)), ScriptedModel.layer(["well"]))
  })

  const kept = readIfThere(path)
  return Effect.ignore(kept === undefined ? begin : goOn(kept)).pipe(
    Effect.provide(layer),
    Effect.provideServiceEffect(AskedCalls.AskedCalls, Effect.sync(() => store(folder, story.n)))
  )
}
