/** What becomes of sessions when the gateway that plays them goes away. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { ManagedAgents, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ManagedStore } from "../../../src/gateway/managed/ManagedStore.ts"
import { ManagedAgentId } from "../../../src/model/ManagedAgent.ts"
import { ManagedSession, ManagedSessionId } from "../../../src/model/ManagedSession.ts"

const tenant = { id: "acme", apiKey: "acme-key" }
const managedAgent = () => Effect.never

const inFolder = <A, E, R>(body: (filename: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "managed-"))),
    (folder) => body(join(folder, "vargate.db")),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

/** One life of a gateway on a file. */
const alive = (filename: string) =>
  Vargate.layerOperator({ apiKey: tenant.apiKey }).pipe(
    Layer.provideMerge(Gateway.layerSqlite({ filename, tenants: [tenant], managedAgent })),
    Layer.fresh
  )

const sessions = ManagedAgents.ManagedAgents.use((agents) => agents.sessions())

describe("sessions on disk", () => {
  it.effect("that were played when the gateway closed have failed, and their agents are still known", () =>
    inFolder((filename) =>
      Effect.gen(function*() {
        const session = yield* Effect.provide(
          ManagedAgents.ManagedAgents.use((agents) =>
            Effect.flatMap(
              agents.register({ name: "endless", systemPrompt: "Be brief." }),
              ({ id }) => agents.start(id)
            )
          ),
          alive(filename)
        )
        const [[found], agent] = yield* Effect.provide(
          Effect.all([sessions, ManagedAgents.ManagedAgents.use((agents) => agents.agent(session.agentId))]),
          alive(filename)
        )
        assert.deepStrictEqual([found?.id, found?.status], [session.id, "failed"])
        assert.strictEqual(agent.systemPrompt, "Be brief.")
      })
    ))

  it.effect("that a crash left active have failed when the gateway is back", () =>
    inFolder((filename) =>
      Effect.gen(function*() {
        const left = new ManagedSession({
          id: ManagedSessionId.make("vs-1"),
          agentId: ManagedAgentId.make("agent-1"),
          status: "active",
          anthropicSessionId: "local-1",
          tenantId: tenant.id,
          createdAt: yield* DateTime.now
        })
        yield* Effect.provide(
          ManagedStore.use((store) =>
            store.addSession(tenant.id, left, { active: 10, daily: 10, dailyOfAgent: undefined })
          ),
          Gateway.layerPartsSqlite({ filename, tenants: [tenant] })
        )
        const [found] = yield* Effect.provide(sessions, alive(filename))
        assert.deepStrictEqual([found?.id, found?.status], [left.id, "failed"])
      })
    ))
})
