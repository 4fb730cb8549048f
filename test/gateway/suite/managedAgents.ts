/** Managed agents: who plays them, what is recorded, and what it takes to stop one. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import type * as ManagedSessions from "../../../src/gateway/managed/ManagedSessions.ts"
import { ManagedStore } from "../../../src/gateway/managed/ManagedStore.ts"
import { PolicyOutage } from "../../../src/gateway/policy/PolicyOutage.ts"
import { Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import { ManagedAgent, ManagedAgentId } from "../../../src/model/ManagedAgent.ts"
import { type ManagedSession, ManagedSessionId } from "../../../src/model/ManagedSession.ts"
import { type AgentOptions, ManagedAgents } from "../../../src/operator/ManagedAgents.ts"
import { allowed, denied, destructive, forbidding, log, messageOf, pending, reasonOf } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send } from "./doors.ts"

const managed = <A, E>(use: (agents: ManagedAgents["Service"]) => Effect.Effect<A, E>) => ManagedAgents.use(use)
const register = (options: Partial<AgentOptions> = {}) =>
  managed((agents) => agents.register({ name: "m", ...options }))
const start = (options?: Partial<AgentOptions>) =>
  Effect.flatMap(register(options), ({ id }) => managed((agents) => agents.start(id)))
const status = (id: ManagedSessionId) => managed((agents) => agents.status(id))
const trail = (id: ManagedSessionId) => managed((agents) => agents.audit(id))
const interrupt = (id: ManagedSessionId, reason = "enough") => managed((agents) => agents.interrupt(id, { reason }))

const nobody = ManagedAgentId.make("agent-none")
const nowhere = ManagedSessionId.make("vs-none")

const play = ({ agent, call }: ManagedSessions.Stage) =>
  Effect.forEach(
    agent.name === "Modest" ? [denied] : [allowed, denied, destructive],
    ({ method, tool }) => call({ tool, method })
  )

const ended = (id: ManagedSessionId) =>
  Effect.repeat(Effect.andThen(Effect.yieldNow, status(id)), {
    until: ({ isActive }) => !isActive,
    schedule: Schedule.recurs(1000)
  }).pipe(Effect.andThen(status(id)))

export const managedAgents = (door: Door) => {
  describe("managed agents", () => {
    const test = caseOf(door)

    test("are registered with all that is said of them, and shown to their tenant alone", function*() {
      const parent = yield* register()
      const agent = yield* register({
        name: "Research Assistant",
        model: "m-1",
        systemPrompt: "You are…",
        allowedTools: ["vargate_post_slack"],
        requireHumanApproval: ["vargate_send_email"],
        governanceProfile: { risk_level: "standard" },
        maxSessionHours: 4,
        maxDailySessions: 2,
        maxDelegationDepth: 3,
        parentId: parent.id
      })
      const shown = yield* managed((agents) => agents.agent(agent.id))
      assert.include(shown, { name: "Research Assistant", model: "m-1", systemPrompt: "You are…", maxSessionHours: 4 })
      assert.deepStrictEqual(shown.allowedTools, ["vargate_post_slack"])
      assert.deepStrictEqual(shown.requireHumanApproval, ["vargate_send_email"])
      assert.deepStrictEqual(shown.governanceProfile, { risk_level: "standard" })
      assert.deepStrictEqual([shown.maxDailySessions, shown.maxDelegationDepth, shown.parentId], [2, 3, parent.id])
      const listed = yield* managed((agents) => agents.agents)
      assert.deepStrictEqual(listed.map(({ id }) => id), [agent.id, parent.id])
      assert.deepStrictEqual([listed[0]!.systemPrompt, listed[0]!.governanceProfile], [undefined, undefined])
      assert.deepStrictEqual([listed[1]!.allowedTools, listed[1]!.maxSessionHours], [null, null])

      assert.deepStrictEqual(yield* as(globex)(managed((agents) => agents.agents)), [])
      const foreign = yield* as(globex)(reasonOf(managed((agents) => agents.agent(agent.id))))
      assert.strictEqual(foreign, "NotFound: Agent config not found")
      const orphan = yield* as(globex)(reasonOf(register({ parentId: parent.id })))
      assert.strictEqual(orphan, "NotFound: Parent agent config not found")
      assert.strictEqual(
        yield* as(globex)(reasonOf(managed((agents) => agents.start(agent.id)))),
        `NotFound: Agent config '${agent.id}' not found for this tenant`
      )
    })

    test("are written as they are stored: lists as JSON in a text", function*() {
      const { id } = yield* register({ allowedTools: ["a"], governanceProfile: { deep: [1] } })
      const row = JSON.parse((yield* send("GET", `/managed/agents/${id}`)).text)
      assert.deepStrictEqual([row.allowed_tools, row.governance_profile], ["[\"a\"]", "{\"deep\":[1]}"])
      assert.isNull(row.require_human_approval)
      const [listed] = JSON.parse((yield* send("GET", "/managed/agents")).text).configs
      assert.deepStrictEqual(listed.allowed_tools, ["a"])
    })
  })

  describe("managed agents of one tenant", () => {
    const test = caseOf(door)

    test("are so many, and so large, at most", function*() {
      const large = yield* messageOf(register({ systemPrompt: "x".repeat(65_536) }))
      assert.match(large, /An agent has at most 65536 characters of JSON/)
      const store = yield* ManagedStore
      const some = yield* store.agent("acme", (yield* register()).id)
      for (let n = 1; n < 500; n++) {
        const id = ManagedAgentId.make(`agent-${n}`)
        yield* store.addAgent("acme", new ManagedAgent({ ...some!, id }), 500)
      }
      assert.match(yield* reasonOf(register()), /^Conflict: This tenant has 500 managed agents/)
      assert.strictEqual((yield* managed((agents) => agents.agents)).length, 500)
      yield* as(globex)(register())
    })
  })

  describe("simulated sessions", () => {
    const test = caseOf(door)

    test("run nothing, and an interrupt of one is never confirmed", function*() {
      const session = yield* start()
      assert.isTrue(session.isSimulated && session.isActive)
      const { calls, consumer } = yield* status(session.id)
      assert.deepStrictEqual(calls, { governed: 0, observed: 0, denied: 0, pending: 0 })
      assert.deepStrictEqual(consumer, { active: false, events: undefined, anomalies: undefined })
      assert.deepStrictEqual(yield* managed((agents) => agents.consumers), [])

      const error = yield* Effect.flip(interrupt(session.id))
      assert(error._tag === "InterruptNotConfirmed")
      assert.deepStrictEqual([error.sessionId, error.status], [session.id, "interrupted"])
      const after = yield* status(session.id)
      assert.strictEqual(after.status, "interrupted")
      assert.isNotNull(after.endedAt)
      assert.strictEqual(
        yield* reasonOf(Effect.catchTag(interrupt(session.id), "InterruptNotConfirmed", Effect.die)),
        "Conflict: Session is not active (status: interrupted)"
      )
    })

    test("leave their traces in the tenant's log, whose chain stays whole", function*() {
      const session = yield* start()
      yield* Effect.flip(interrupt(session.id, "Agent looked at secrets"))
      const { records } = yield* log()
      assert.deepStrictEqual(
        records.map(({ decision, managedSessionId, method, severity, source, tool, violations }) => [
          managedSessionId,
          source,
          tool,
          method,
          decision,
          severity,
          violations
        ]),
        [
          [session.id, "control_plane", "control_plane", "interrupt_session", "allow", "medium", [
            "session_interrupted"
          ]],
          [session.id, "control_plane", "control_plane", "create_session", "allow", "none", []]
        ]
      )
      assert.deepStrictEqual(records[0]!.params, {
        session_id: session.id,
        reason: "Agent looked at secrets",
        auto_triggered: false
      })
      assert.isTrue(JSON.parse((yield* send("GET", "/audit/verify")).text).valid)
    })

    test("are as many as there may be, of the tenant and of the agent", function*() {
      const { id } = yield* register({ maxDailySessions: 2 })
      const begin = managed((agents) => agents.start(id))
      yield* Effect.replicateEffect(begin, 2)
      assert.strictEqual(yield* reasonOf(begin), "QuotaExceeded: Agent daily session limit exceeded (2/2)")
      yield* Effect.replicateEffect(start(), 8)
      assert.strictEqual(yield* reasonOf(start()), "QuotaExceeded: Max concurrent sessions exceeded (10/10)")
      assert.isTrue((yield* as(globex)(start())).isActive)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* reasonOf(begin), "QuotaExceeded: Max concurrent sessions exceeded (10/10)")
      const [newest] = yield* managed((agents) => agents.sessions({ limit: 1 }))
      yield* Effect.flip(interrupt(newest!.id))
      assert.isTrue((yield* begin).isActive)
    })

    test("are listed by status and agent, and unknown to others", function*() {
      const [first, second] = [yield* start(), yield* start()]
      yield* Effect.flip(interrupt(first.id))
      const list = (options: Parameters<ManagedAgents["Service"]["sessions"]>[0]) =>
        Effect.map(managed((agents) => agents.sessions(options)), (sessions) => sessions.map(({ id }) => id))
      assert.deepStrictEqual(yield* list({}), [second.id, first.id])
      assert.deepStrictEqual(yield* list({ status: "interrupted" }), [first.id])
      assert.deepStrictEqual(yield* list({ agentId: second.agentId }), [second.id])
      assert.deepStrictEqual(yield* list({ agentId: nobody }), [])
      assert.deepStrictEqual(yield* as(globex)(list({})), [])

      const unknown = "NotFound: Session not found"
      for (const id of [first.id, nowhere]) {
        const reasons = yield* as(globex)(Effect.all([
          reasonOf(status(id)),
          reasonOf(trail(id)),
          reasonOf(managed((agents) => agents.compliance(id))),
          reasonOf(managed((agents) => agents.replay(id))),
          reasonOf(Effect.catchTag(interrupt(id), "InterruptNotConfirmed", Effect.die))
        ]))
        assert.deepStrictEqual(reasons, Array(5).fill(unknown))
      }
      assert.strictEqual((yield* status(second.id)).status, "active")
    })

    test("look broken to the report where another record stands between theirs, in a log that is whole", function*() {
      const session = yield* start()
      const report = managed((agents) => agents.compliance(session.id))
      assert.isTrue((yield* report).chain.claimedValid)
      yield* ToolCalls.call(allowed)
      yield* Effect.flip(interrupt(session.id))
      const { chain, durationHours } = yield* report
      const [newest, between, oldest] = (yield* log()).records
      assert.strictEqual(between?.tool, "slack")
      assert.deepStrictEqual(chain, {
        claimedValid: false,
        checked: 2,
        brokenLinks: [{
          recordId: newest!.id,
          expectedPrevHash: oldest!.recordHash.slice(0, 16),
          actualPrevHash: between!.recordHash.slice(0, 16)
        }]
      })
      assert.strictEqual(durationHours, 0)
      assert.isTrue(JSON.parse((yield* send("GET", "/audit/verify")).text).valid)
    })

    test("take no call that was not made in them", function*() {
      const session = yield* start()
      yield* ToolCalls.call({ ...allowed, agent: { id: session.agentId } })
      assert.strictEqual((yield* status(session.id)).calls?.governed, 0)
      assert.strictEqual((yield* log({ limit: 1 })).records[0]?.managedSessionId, null)
    })
  })

  describe("played sessions", () => {
    const test = caseOf(door, {
      policy: forbidding,
      tools: { "slack/post_message": () => Effect.succeed("posted") },
      managedAgent: play
    })

    test("record each call with its session, and are completed", function*() {
      const session = yield* start()
      assert.isFalse(session.isSimulated)
      const done = yield* ended(session.id)
      assert.strictEqual(done.status, "completed")
      assert.deepStrictEqual(done.calls, { governed: 3, observed: 0, denied: 1, pending: 1 })
      const records = yield* trail(session.id)
      assert.deepStrictEqual(
        records.map(({ agentId, decision, executionMode, method, source }) => [
          agentId,
          source,
          method,
          decision,
          executionMode
        ]),
        [
          [session.agentId, "control_plane", "create_session", "allow", "agent_direct"],
          [session.agentId, "mcp_governed", "post_message", "allow", "vargate_brokered"],
          [session.agentId, "mcp_governed", "use", "deny", "agent_direct"],
          [session.agentId, "mcp_governed", "delete", "pending_approval", "agent_direct"]
        ]
      )
      const limited = yield* managed((agents) => agents.audit(session.id, { limit: 1 }))
      assert.deepStrictEqual(limited.map(({ id }) => id), [records[0]!.id])
      const { managedSessionId, source } = (yield* log({ limit: 1 })).records[0]!
      assert.deepStrictEqual([managedSessionId, source], [session.id, "mcp_governed"])
      // As measured: what a managed agent asks for is never queued.
      assert.deepStrictEqual((yield* pending).pending, [])
    })

    test("are listed with their own calls", function*() {
      const busy = yield* start()
      yield* ended(busy.id)
      const modest = yield* start({ name: "Modest" })
      yield* ended(modest.id)
      yield* Effect.exit(ToolCalls.call(denied))
      const listed = yield* managed((agents) => agents.sessions())
      assert.deepStrictEqual(listed.map(({ calls, id }) => [id, calls]), [
        [modest.id, { governed: 1, observed: 0, denied: 1, pending: 0 }],
        [busy.id, { governed: 3, observed: 0, denied: 1, pending: 1 }]
      ])
    })

    test("are reported on, with a hash over the report", function*() {
      const session = yield* start({ name: "Reporter", allowedTools: ["x"] })
      yield* ended(session.id)
      const report = yield* managed((agents) => agents.compliance(session.id))
      assert.deepStrictEqual(report.summary, {
        events: 4,
        governed: 3,
        observed: 0,
        denied: 1,
        pending: 1,
        anomalies: 1,
        denialRate: 0.3333
      })
      assert.deepStrictEqual([report.agent?.name, report.agent?.allowedTools], ["Reporter", ["x"]])
      assert.deepStrictEqual(report.chain, { claimedValid: true, checked: 4, brokenLinks: [] })
      const { records } = yield* log()
      assert.deepStrictEqual(
        report.timeline.map(({ recordHash }) => recordHash),
        records.toReversed().map(({ recordHash }) => recordHash)
      )
      const { export_hash, ...body } = JSON.parse(
        (yield* send("GET", `/managed/sessions/${session.id}/compliance`)).text
      )
      assert.strictEqual(export_hash, createHash("sha256").update(sortedJson(body)).digest("hex"))
    })

    test("are replayed under the policy of today", function*() {
      const session = yield* start()
      yield* ended(session.id)
      const replay = yield* managed((agents) => agents.replay(session.id))
      assert.deepStrictEqual(
        replay.results.map(({ outcome, tool }) => [tool, outcome]),
        [["control_plane", "Skipped"], ["slack", "Match"], ["forbidden", "Match"], ["files", "Mismatch"]]
      )
      assert.deepStrictEqual(replay.mismatched[0]?.original?.decision, "pending_approval")
      const { summary } = JSON.parse((yield* send("POST", `/managed/sessions/${session.id}/replay`)).text)
      assert.deepStrictEqual(summary, { total: 4, matched: 3, mismatched: 1, errors: 0 })
    })
  })

  describe("agents that fail or must be stopped", () => {
    const stage: { readonly stopped: Array<string>; prompt: string; message: string | undefined } = {
      stopped: [],
      prompt: "",
      message: undefined
    }
    const test = caseOf(door, {
      managedAgent: ({ agent, prompt, session, userMessage }) => {
        Object.assign(stage, { prompt, message: userMessage })
        switch (agent.name) {
          case "fails":
            return Effect.fail("no")
          case "dies":
            return Effect.die(new Error("no"))
          case "throws":
            throw new Error("no")
          case "stubborn":
            return Effect.uninterruptible(Effect.sleep("1 hour"))
          default:
            return Effect.onInterrupt(Effect.never, () => Effect.sync(() => void stage.stopped.push(session.id)))
        }
      }
    })

    test("an agent that fails, dies or throws has failed, and the gateway goes on", function*() {
      for (const name of ["fails", "dies", "throws"]) {
        const session = yield* start({ name })
        assert.strictEqual((yield* ended(session.id)).status, "failed", name)
        assert.strictEqual(
          yield* reasonOf(Effect.catchTag(interrupt(session.id), "InterruptNotConfirmed", Effect.die)),
          "Conflict: Session is not active (status: failed)"
        )
      }
    })

    test("an interrupt is confirmed once the agent has really stopped", function*() {
      const session = yield* start({ name: "endless", systemPrompt: "Be brief." })
      const [consumer, ...others] = yield* managed((agents) => agents.consumers)
      assert.isEmpty(others)
      assert.deepInclude(consumer, { sessionId: session.id, agentId: session.agentId, running: true, events: 0 })
      assert.deepStrictEqual((yield* status(session.id)).consumer, { active: true, events: 0, anomalies: 0 })
      assert.deepStrictEqual(yield* as(globex)(managed((agents) => agents.consumers)), [])

      const receipt = yield* interrupt(session.id, "off the rails")
      assert.include(receipt, { sessionId: session.id, status: "interrupted", reason: "off the rails", isSent: true })
      assert.include(stage.stopped, session.id)
      assert.deepStrictEqual(yield* managed((agents) => agents.consumers), [])
      assert.strictEqual((yield* status(session.id)).status, "interrupted")
    })

    test("an agent that does not stop within ten seconds leaves the interrupt unconfirmed", function*() {
      const session = yield* start({ name: "stubborn" })
      const fiber = yield* Effect.forkChild(Effect.flip(interrupt(session.id)), { startImmediately: true })
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), status(session.id)), {
        until: ({ isActive }) => !isActive,
        schedule: Schedule.recurs(100)
      })
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "InterruptNotConfirmed")
      // The gateway cannot close before its agents have stopped.
      yield* TestClock.adjust("1 hour")
    })

    test("an agent is told its prompt, with the rules, and what the user says", function*() {
      const { id } = yield* register({ name: "endless", systemPrompt: "Be brief.", allowedTools: ["slack"] })
      const session = yield* managed((agents) => agents.start(id, { userMessage: "Hello" }))
      assert.match(stage.prompt, /^Be brief\.\n\n.*acme.*\n\n.*slack/s)
      assert.strictEqual(stage.message, "Hello")
      assert.strictEqual(session.systemPromptHash, createHash("sha256").update(stage.prompt).digest("hex"))
    })

    test("an automatic interrupt is recorded as more severe", function*() {
      const session = yield* start({ name: "endless" })
      yield* managed((agents) => agents.interrupt(session.id, { reason: "score 0.9", autoTriggered: true }))
      const [newest] = (yield* log({ limit: 1 })).records
      assert.deepStrictEqual([newest?.severity, newest?.alertTier], ["high", "P1"])
    })
  })

  describe("watching a session", () => {
    const gates = new Map<string, Deferred.Deferred<void>>()
    const test = caseOf(door, {
      managedAgent: ({ agent, call }) =>
        Effect.gen(function*() {
          yield* Deferred.await(gates.get(`${agent.name} call`)!)
          yield* call(allowed)
          yield* Deferred.await(gates.get(`${agent.name} end`)!)
        })
    })

    test("tells each change once, the last one last", function*() {
      const name = `${door.name} watched`
      for (const gate of ["call", "end"]) gates.set(`${name} ${gate}`, Deferred.makeUnsafe())
      const session = yield* start({ name })
      const seen: Array<ManagedSession> = []
      const fiber = yield* managed((agents) =>
        Stream.runForEach(
          agents.watch(session.id, { schedule: Schedule.forever }),
          (session) => Effect.sync(() => void seen.push(session))
        )
      ).pipe(Effect.forkChild({ startImmediately: true }))
      const until = (count: number) =>
        Effect.repeat(Effect.promise(() => new Promise((resolve) => setImmediate(resolve))), {
          until: () => seen.length >= count,
          schedule: Schedule.recurs(10_000)
        })
      yield* until(1)
      yield* Deferred.succeed(gates.get(`${name} call`)!, undefined)
      yield* until(2)
      yield* Deferred.succeed(gates.get(`${name} end`)!, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        seen.map(({ calls, consumer, status }) => [status, calls?.governed, consumer?.active]),
        [["active", 0, true], ["active", 1, true], ["completed", 1, false]]
      )
    })
  })

  describe("an outage of the policy engine", () => {
    const outcomes: Array<string> = []
    const test = caseOf(door, {
      managedAgent: ({ call }) =>
        Effect.map(
          Effect.result(call(allowed)),
          (result) => void outcomes.push(result._tag === "Success" ? result.success.decision : result.failure._tag)
        )
    })

    test("reaches its agents as a failed call, not as a dead session", function*() {
      yield* PolicyOutage.use((outage) => outage.set(true))
      const closed = yield* ended((yield* start()).id)
      yield* Tenants.use((tenants) => tenants.put({ ...acme, opaFailure: "fail_open" }))
      const open = yield* ended((yield* start()).id)
      assert.deepStrictEqual([closed.status, open.status], ["completed", "completed"])
      assert.deepStrictEqual([closed.calls?.governed, open.calls?.governed], [0, 1])
      assert.deepStrictEqual(outcomes.splice(0), ["PolicyUnavailable", "allow"])
    })
  })
}

const sortedJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  return `{${
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, inner]) =>
      `${JSON.stringify(key)}:${sortedJson(inner)}`
    ).join(",")
  }}`
}
