/**
 * Accounts: signing up, sessions, the key and its rotation, the tenants of one account.
 *
 * @since 0.1.0
 */
export * as Account from "./operator/Account.ts"

/**
 * The name of one governed action. Every answer to a tool call, every audit record and every approval carries it.
 *
 * @since 0.1.0
 */
export * as ActionId from "./model/ActionId.ts"

/**
 * Who acts. The gateway keeps history, anomaly scores and limits per agent id, so give each agent its own.
 *
 * @since 0.1.0
 */
export * as Agent from "./model/Agent.ts"

/**
 * What an agent has been doing.
 *
 * @since 0.1.0
 */
export * as AgentActivity from "./audit/AgentActivity.ts"

/**
 * The policy's yes.
 *
 * @since 0.1.0
 */
export * as Allowed from "./model/Allowed.ts"

/**
 * What nodes answered about anchors, kept so that a third party can repeat the check without them.
 *
 * @since 0.2.0
 */
export * as AnchorEvidence from "./verify/anchors/AnchorEvidence.ts"

/**
 * Roots of the audit log on a blockchain.
 *
 * @since 0.1.0
 */
export * as Anchors from "./operator/Anchors.ts"

/**
 * What checking anchors at nodes of the auditor's own choice found, and why.
 *
 * @since 0.2.0
 */
export * as AnchorsReport from "./verify/anchors/AnchorsReport.ts"

/**
 * Verifies that the hourly Merkle roots of the log are on an EVM chain, at nodes of the auditor's own choice: a clock and a
 * memory outside the gateway.
 *
 * **When to use**
 *
 * A checkpoint shows what was changed after you first looked. An anchor also shows what was changed before, as long as it
 * was changed after the anchoring, and whether the gateway told others another story.
 *
 * **Details**
 *
 * Nothing about the chain is taken from the gateway: chain id, contract, owner and code are pinned by the auditor, nodes
 * are the auditor's own, asked by plain JSON-RPC (`eth_chainId`, `eth_getBlockByNumber`, `eth_getCode`, `eth_call`,
 * `eth_getTransactionReceipt`). Every entry of the contract is read at one final block, so that no archive node is needed;
 * logs (`eth_getLogs`) are asked for only where `ownerSince` is pinned.
 *
 * **Example** (Two nodes that must agree)
 *
 * ```ts
 * import { Console, Effect, Layer, Redacted } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { AnchorVerifier, Vargate } from "effect-vargate"
 *
 * const program = Effect.gen(function*() {
 *   const report = yield* AnchorVerifier.verify({
 *     nodes: [
 *       { label: "own", url: "http://127.0.0.1:8545" },
 *       { label: "hosted", url: Redacted.make("https://rpc.example/v2/secret-key") }
 *     ],
 *     chainId: 137,
 *     contract: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
 *     finality: "finalized",
 *     maxDelay: "3 hours"
 *   })
 *   yield* Console.log(report.isChecked ? report.valid : "not checked", report.findings)
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(AnchorVerifier.layer.pipe(Layer.provideMerge(Vargate.layerConfig()))),
 *   Effect.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @since 0.2.0
 */
export * as AnchorVerifier from "./verify/anchors/AnchorVerifier.ts"

/**
 * Pending actions, from the agent's side: it can look and wait, never decide.
 *
 * @since 0.1.0
 */
export * as Approvals from "./approvals/Approvals.ts"

/**
 * Exports the audit log into the systems that are watched already: verified, in order, each event at least once.
 *
 * **When to use**
 *
 * A reviewer looks at the log where it is; a security team looks at what it has collected. This brings the one to the other,
 * and keeps it there: run it once, or let it follow the log.
 *
 * **Details**
 *
 * Every record is verified before it leaves: its hash is recomputed from the bytes that the gateway sent, and it must follow
 * the record before it. The cursor is a checkpoint. It moves only after the sink has acknowledged, so that a crash of
 * either side costs nothing but a repetition, which the sink can tell by the event's id. The next export begins by proving
 * that the log still holds the record of the cursor.
 *
 * Memory does not grow: at most nine pages of the log are in memory, and three where pages are large (4 MiB), whatever the
 * sink does. Params are withheld unless a `Redaction` says otherwise.
 *
 * **Example** (Into files, without params)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AuditExport } from "effect-vargate"
 * import * as FileExportCursor from "effect-vargate/node/FileExportCursor"
 * import * as JsonlSink from "effect-vargate/node/JsonlSink"
 *
 * const nightly = Effect.scoped(Effect.gen(function*() {
 *   const sink = yield* JsonlSink.make({ folder: "audit" })
 *   const cursor = yield* FileExportCursor.make("audit/cursor.json")
 *   return yield* AuditExport.run({ sink, cursor })
 * }))
 * ```
 *
 * @since 0.2.0
 */
export * as AuditExport from "./export/AuditExport.ts"

/**
 * The audit log: what was decided, in a chain of hashes.
 *
 * @since 0.1.0
 */
export * as AuditLog from "./audit/AuditLog.ts"

/**
 * Watches an audit log: verifies what is new against the checkpoint kept last, on a schedule.
 *
 * **Example** (An alarm)
 *
 * ```ts
 * import { Console, Effect, Schedule, Stream } from "effect"
 * import { AuditMonitor } from "effect-vargate"
 *
 * const alarm = AuditMonitor.watch({ schedule: Schedule.spaced("5 minutes") }).pipe(
 *   Stream.filter((event) => event._tag === "Alert"),
 *   Stream.runForEach(({ failure, reason, report }) => Console.error(reason, report?.findings ?? failure))
 * )
 * ```
 *
 * @since 0.1.0
 */
export * as AuditMonitor from "./verify/AuditMonitor.ts"

/**
 * The audit log: one record per decision, chained by hashes, one chain per tenant.
 *
 * @since 0.1.0
 */
export * as AuditRecord from "./audit/AuditRecord.ts"

/**
 * Makes a reviewer of what a request carries. A name in a request is never believed.
 *
 * @since 0.2.0
 */
export * as Authenticator from "./reviews/Authenticator.ts"

/**
 * Copies of the gateway's database.
 *
 * @since 0.1.0
 */
export * as Backup from "./operator/Backup.ts"

/**
 * Where ballots are kept. A vote is durable before it counts, and of all processes that see a rule met one gets the claim
 * to tell the gateway.
 *
 * @since 0.2.0
 */
export * as Ballots from "./reviews/Ballots.ts"

/**
 * Budgets of agents and tools: how many calls, or how large a sum of a field, an hour, day or month may have.
 *
 * **Details**
 *
 * Where the service is in context, a governed call reserves its amount before anything is sent, in one atomic step for all
 * limits that concern it: what would overdraw one of them is refused here with the reason `OverBudget`, or waits
 * (`whenExceeded: "wait"`). A reservation is given back where the outcome is certain to be none: the policy denied the
 * call, a reviewer rejected it, it expired, or it was never sent. It stays where something may have happened. So a budget is
 * never overdrawn, also not by calls in flight together, and not by several processes on one store.
 *
 * A period is one of the calendar in UTC, and a call counts in the period in which it is asked for. Amounts are exact to
 * six decimals, and what is beyond is rounded up. An amount that is missing, negative, no number or no plain decimal text
 * cannot be counted, and its call is refused too. Where the store cannot be reached nothing is sent (`GuardUnavailable`).
 *
 * **Example** (At most 500 a day)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budgets, Governed } from "effect-vargate"
 *
 * const daily = Budgets.limit({ agent: "refund-bot", tool: "stripe", sum: "amount", per: "day", max: 500 })
 *
 * const program = Governed.run(
 *   { tool: "stripe", method: "create_refund", params: { charge: "ch_1", amount: 50 }, agent: { id: "refund-bot" } },
 *   Effect.succeed("refunded")
 * ).pipe(Effect.provide(Budgets.layerMemory([daily])))
 * ```
 *
 * @since 0.2.0
 */
export * as Budgets from "./governed/Budgets.ts"

/**
 * Keeps a program's tool calls under the tenant's limit, so that the gateway never has to turn one away.
 *
 * **Details**
 *
 * The gateway lets `burst` calls through in any sliding second and counts those it turns away. The limiter therefore
 * admits calls by a token bucket that never holds more than a tenth of the burst and refills at 85% of it: no second, wherever
 * it begins, sees more than the burst. Until the burst is known, from the options or from the first 429, calls pass freely.
 * After a 429 all callers that share the store keep silent for as long as the error asks, at least a full second. Calls
 * leave one by one in the order in which they came, after a silence too, and one that would wait longer than `maxWait`
 * fails with `RateLimited` before anything is sent.
 *
 * **Gotchas**
 *
 * It delays calls and never repeats one: combine it with a `RetryPolicy` for the first 429.
 *
 * @since 0.1.0
 */
export * as CallLimiter from "./calls/CallLimiter.ts"

/**
 * What an independent verification of the audit log found, and why.
 *
 * @since 0.1.0
 */
export * as ChainReport from "./verify/ChainReport.ts"

/**
 * Verifies the audit log without trusting the gateway: every hash is recomputed from the very bytes that it sent.
 *
 * **When to use**
 *
 * `AuditLog.verify` asks the gateway whether the gateway is honest. This recomputes the answer: from
 * the network ({@link ChainVerifier}), from saved pages ({@link verifyPages}), or from a saved log of any length
 * ({@link verifyFile}). The last two need neither a gateway nor a key.
 *
 * **Details**
 *
 * The text is scanned, never parsed: number tokens (`1.0`, `1e16`, 30 digits), key order (`"10"` before `"2"`),
 * `__proto__` and repeated keys are hashed as they stand. Memory does not grow with the length of the log. What "valid"
 * says, and what it does not say, stands at `ChainReport`. SHA-256 comes from the `Hasher` in context: Web Crypto
 * everywhere, or `NodeHasher`, which is several times as fast. With `VerifierThreads` around them, {@link verifyPages}
 * and {@link verifyFile} use several threads.
 *
 * **Example** (A saved log, compared with your own checkpoint)
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Console, Effect, FileSystem } from "effect"
 * import { ChainVerifier, type Checkpoints } from "effect-vargate"
 * import * as NodeHasher from "effect-vargate/node/NodeHasher"
 *
 * const check = (path: string, kept: Checkpoints.Checkpoint) =>
 *   Effect.gen(function*() {
 *     const files = yield* FileSystem.FileSystem
 *     const report = yield* ChainVerifier.verifyFile(files.stream(path), { checkpoints: [kept] })
 *     yield* Console.log(report.valid ? "valid" : report.findings)
 *   }).pipe(Effect.provide([NodeFileSystem.layer, NodeHasher.layer]))
 * ```
 *
 * @since 0.1.0
 */
export * as ChainVerifier from "./verify/ChainVerifier.ts"

/**
 * Checkpoints, kept where the gateway cannot reach them. Holding the log against them shows what a self-consistent
 * rewrite or truncation hides from all others.
 *
 * **Example** (Only what is new, and proof that the old is still there)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ChainVerifier, Checkpoints } from "effect-vargate"
 *
 * const check = Effect.gen(function*() {
 *   const store = yield* Checkpoints.CheckpointStore
 *   const report = yield* ChainVerifier.verify({ since: yield* store.latest("my-tenant") })
 *   if (report.checkpoint !== undefined) yield* store.keep(report.checkpoint)
 *   return report
 * })
 * ```
 *
 * @since 0.1.0
 */
export * as Checkpoints from "./verify/Checkpoints.ts"

/**
 * The name under which a process claims decisions, and whether a process of another name has certainly ended: what it had
 * claimed is then taken over at once, not after the lease.
 *
 * @since 0.2.0
 */
export * as ClaimHolder from "./reviews/ClaimHolder.ts"

/**
 * A governed call as toolkits and MCP servers make it: submitted, waited for, performed by the handler or taken from the
 * gateway, with the span of a tool call.
 *
 * @since 0.1.0
 */
export * as Clearance from "./governed/Clearance.ts"

/**
 * Exports as CloudEvents 1.0 over HTTP: in batches, or one by one.
 *
 * **Details**
 *
 * `type` is `ai.vargate.audit.record`, `.gap`, `.finding` or `.refused`, `source` names the tenant, `id` is the event's: source
 * and id together tell duplicates. The extensions `sequence` (the count of records, in 20 digits, so that it sorts as a text)
 * and `partitionkey` (the tenant) keep the order in queues. `data` is what a line of `JsonlSink` is, or OCSF.
 *
 * @since 0.2.0
 */
export * as CloudEventsSink from "./export/CloudEventsSink.ts"

/**
 * The package that the gateway puts together for an auditor.
 *
 * **Example** (Writing the report of a quarter)
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { DateTime, Effect } from "effect"
 * import { Compliance } from "effect-vargate"
 *
 * const report = Compliance.writePdf("report.pdf", {
 *   from: DateTime.makeUnsafe("2026-07-01"),
 *   to: DateTime.makeUnsafe("2026-09-30")
 * }).pipe(Effect.provide(NodeFileSystem.layer))
 * ```
 *
 * @since 0.1.0
 */
export * as Compliance from "./operator/Compliance.ts"

/**
 * The package that a gateway puts together for an auditor.
 *
 * @since 0.1.0
 */
export * as ComplianceExport from "./operator/ComplianceExport.ts"

/**
 * The vault of credentials: what the gateway needs to act on a tool itself, put there by an operator and never shown
 * again.
 *
 * @since 0.1.0
 */
export * as Credentials from "./operator/Credentials.ts"

/**
 * One decision per call: a memory of what was asked and decided, so that an agent that repeats itself neither fills the
 * queue nor asks again what a reviewer has just rejected.
 *
 * **Details**
 *
 * Two calls are the same where agent, tool, method and the bytes of the params are; `same` of a call says otherwise about
 * the params. While a call is pending, the same call of the same agent is not submitted: it joins the wait of the first
 * one, whose handler alone runs, and fails with the reason `Joined`, which has the first one's action and what became of
 * it. After a rejection the same call is refused here for a while with the reason `RefusedAgain`, which has the
 * reviewer's note. What was executed is never joined: to ask for it once more is a second action. Nor is a call with
 * `allowDuplicate`.
 *
 * `Governed`, toolkits, MCP servers and workflows use the service where it is in context. Without it nothing changes.
 *
 * **Gotchas**
 *
 * The memory is no fence: where its store cannot be reached, calls are submitted as without it, and that is logged. One
 * store is for the agents of one tenant.
 *
 * **Example** (A model that asks twice)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Decisions, Governed } from "effect-vargate"
 *
 * const refund = Governed.run(
 *   { tool: "stripe", method: "create_refund", params: { charge: "ch_1", amount: 5000 } },
 *   Effect.succeed("refunded")
 * )
 *
 * const program = Effect.all([refund, Effect.exit(refund)], { concurrency: 2 }).pipe(
 *   Effect.provide(Decisions.layerMemory())
 * )
 * ```
 *
 * @since 0.2.0
 */
export * as Decisions from "./governed/Decisions.ts"

/**
 * What channels have announced: of all processes that would announce the same step of a ballot on a channel, one does.
 *
 * @since 0.2.0
 */
export * as Deliveries from "./reviews/Deliveries.ts"

/**
 * Erasing the data of a subject from a log that cannot change: the values were encrypted under a key of their own, and
 * the key is deleted.
 *
 * @since 0.1.0
 */
export * as Erasure from "./audit/Erasure.ts"

/**
 * Evidence for others: one file that holds a part of the log byte for byte, with the Merkle trees and proofs and our
 * own verdict, and that can be verified with neither a gateway nor a key.
 *
 * **Example** (Handing over)
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Console, Effect, FileSystem } from "effect"
 * import { Evidence } from "effect-vargate"
 *
 * const handOver = Evidence.exportFile("evidence.json", { fromId: 1000, toId: 1999 })
 *
 * const receive = Effect.gen(function*() {
 *   const files = yield* FileSystem.FileSystem
 *   const report = yield* Evidence.verify(yield* files.readFile("evidence.json"))
 *   yield* Console.log(report.valid ? "holds" : report.chain.findings)
 * }).pipe(Effect.provide(NodeFileSystem.layer))
 * ```
 *
 * @since 0.1.0
 */
export * as Evidence from "./verify/Evidence.ts"

/**
 * What checking a file of evidence found.
 *
 * @since 0.1.0
 */
export * as EvidenceReport from "./verify/EvidenceReport.ts"

/**
 * What became of the action itself. "Allowed" and "approved" are words about policy; only this says what was done.
 *
 * @since 0.1.0
 */
export * as Execution from "./model/Execution.ts"

/**
 * How far an export has got: a checkpoint of the log, moved after the sink has acknowledged what is before it. Each pair of
 * log and sink has its own. `FileExportCursor` keeps it in a file, with a lock.
 *
 * @since 0.2.0
 */
export * as ExportCursor from "./export/ExportCursor.ts"

/**
 * What an export hands to a sink: records that were verified, and whatever stands in the way of that.
 *
 * @since 0.2.0
 */
export * as ExportEvent from "./export/ExportEvent.ts"

/**
 * Where an export delivers to. Any object with `send` will do.
 *
 * **Example** (A sink of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { ExportSink } from "effect-vargate"
 *
 * const lines: Array<string> = []
 * const sink: ExportSink.Sink = {
 *   name: "memory",
 *   send: (events) => Effect.sync(() => void lines.push(...events.map((event) => JSON.stringify(event))))
 * }
 * ```
 *
 * @since 0.2.0
 */
export * as ExportSink from "./export/ExportSink.ts"

/**
 * The fast `HttpClient` over `fetch`, for programs that do not run on Node: browsers, edges, Deno, Bun. Put it where
 * `FetchHttpClient.layer` would stand.
 *
 * **Details**
 *
 * Nothing is sent twice, no redirect is followed, and no span is opened for a tool call. Its answer is read as it arrives,
 * without a stream, and an interruption or a deadline ends the request. Everything else is left to `FetchHttpClient`, whose
 * `Fetch` says which `fetch` is used; of `RequestInit` nothing is.
 *
 * **Example** (In the place of FetchHttpClient)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { FetchTransport, Vargate } from "effect-vargate"
 *
 * export const layer = Vargate.layerConfig().pipe(Layer.provide(FetchTransport.layer))
 * ```
 *
 * @since 0.2.0
 */
export * as FetchTransport from "./transport/FetchTransport.ts"

/**
 * The flow of a governed call: submit, wait for approval where one is needed, act once, and return who executed it.
 *
 * **Example** (A refund that may need an approval)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Governed } from "effect-vargate"
 *
 * const refund = Governed.tool({
 *   tool: "stripe",
 *   method: "create_refund",
 *   params: Schema.Struct({ charge: Schema.String, amount: Schema.Number }),
 *   onPending: Governed.wait({ timeout: "20 minutes" }),
 *   run: ({ amount, charge }) => Effect.logInfo(`refunding ${amount} of ${charge}`)
 * })
 *
 * const program = refund({ charge: "ch_1", amount: 50 })
 * ```
 *
 * @since 0.1.0
 */
export * as Governed from "./governed/Governed.ts"

/**
 * Standing approvals: a reviewer answers "always" within a scope, and the panel votes for the reviewer from then on.
 *
 * **Details**
 *
 * A grant is about one agent, tool and method, and names what each field of the params may be: a call with a field that it
 * does not name is not covered. It always expires, may have a count, and budgets (the sum of a field an hour, a day, or in
 * all). The panel signs it. Where a pending action is covered, the panel casts the vote of the reviewer who made the grant,
 * with the grant's id, in its next look: the action still passes the gateway, is pending there, and is approved with
 * the panel's key once its rule is met. A rule that asks two reviewers still asks two. Each use is recorded under the grant
 * before the vote is cast.
 *
 * Only a panel applies grants, where this service is in its context; an agent's process never does. Revocation counts from
 * the next look on, in all processes that share the store.
 *
 * **Example** (Refunds of up to 50, for a week)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Grants, type Reviewer } from "effect-vargate"
 *
 * const always = (ann: Reviewer.Reviewer) =>
 *   Grants.Grants.use(({ grant }) =>
 *     grant(ann, {
 *       agentId: "refund-bot",
 *       tool: "stripe",
 *       method: "create_refund",
 *       params: { charge: Grants.any, amount: Grants.range(0, 50) },
 *       budgets: [{ sum: "amount", per: "day", max: 500 }],
 *       expiresIn: "7 days"
 *     })
 *   )
 * ```
 *
 * @since 0.2.0
 */
export * as Grants from "./reviews/Grants.ts"

/**
 * SHA-256 for everything that is verified here. By default Web Crypto computes it, so that verification runs wherever
 * JavaScript does; on Node, `NodeHasher` is several times faster and computes the same.
 *
 * @since 0.1.0
 */
export * as Hasher from "./verify/Hasher.ts"

/**
 * Remembers which head of each log was signed last, before it is signed: so that no key ever tells two stories.
 *
 * @since 0.2.0
 */
export * as HeadStore from "./verify/witness/HeadStore.ts"

/**
 * The gateway's health.
 *
 * @since 0.1.0
 */
export * as Health from "./operator/Health.ts"

/**
 * Where the API key comes from, if not from the options: a secrets manager, a file, another service.
 *
 * @since 0.1.0
 */
export * as KeyProvider from "./transport/KeyProvider.ts"

/**
 * What a key of the embedded gateway may do.
 *
 * @since 0.1.0
 */
export * as KeyScope from "./model/KeyScope.ts"

/**
 * Heads of a log: how many records it has, and the root of a tree over them, signed. Two parties that have heads of the same
 * size compare one line; a later head is proved to be a continuation of an earlier one.
 *
 * **Details**
 *
 * The tree is that of RFC 6962 over the record hashes in the order of the chain, and a head is a C2SP checkpoint: origin,
 * size and root, a line each. Record hashes survive an erasure, so heads do as well.
 *
 * @since 0.2.0
 */
export * as LogHead from "./verify/witness/LogHead.ts"

/**
 * Reviewers who are written to: each gets one-time links, which show an action and take one vote on it. `MailChannel` sends
 * them, `MailRoute` has the page.
 *
 * @since 0.2.0
 */
export * as MailLinks from "./reviews/MailLinks.ts"

/**
 * What wipes or copies the gateway's own state.
 *
 * @since 0.1.0
 */
export * as Maintenance from "./operator/Maintenance.ts"

/**
 * Agents that run elsewhere on a tenant's behalf: what they may do, their sessions, and how to stop one.
 *
 * @since 0.1.0
 */
export * as ManagedAgents from "./operator/ManagedAgents.ts"

/**
 * Sessions of managed agents.
 *
 * @since 0.1.0
 */
export * as ManagedSession from "./model/ManagedSession.ts"

/**
 * Merkle trees over the audit log: one per full hour. Proofs are verified here, against roots that were stored or
 * pinned.
 *
 * **Details**
 *
 * A leaf is the 32 bytes of a record's hash, a node is SHA-256(left || right), an odd level repeats its last node, and
 * a tree of one is H(x || x). There are no prefixes, so a root alone does not say how many records are below it: hold a
 * proof against the stored tree (`MerkleTree`), which does. SHA-256 comes from the `Hasher` in context.
 *
 * @since 0.1.0
 */
export * as Merkle from "./verify/Merkle.ts"

/**
 * Merkle trees over the audit log: one tree per full hour and tenant.
 *
 * @since 0.1.0
 */
export * as MerkleProof from "./verify/MerkleProof.ts"

/**
 * The gateway's metrics.
 *
 * @since 0.1.0
 */
export * as MetricFamily from "./operator/MetricFamily.ts"

/**
 * What to watch of governed calls. Every figure is recorded in Effect's metric registry, from where
 * `effect/observability` exports it (Prometheus, OTLP).
 *
 * | metric | kind | meaning |
 * | --- | --- | --- |
 * | `vargate_decisions` | frequency | what the policy decided: `Allowed`, `Denied`, `PendingApproval` |
 * | `vargate_interventions` | frequency | calls that were not sent: `joined`, `refused_again`, `suspended`, `over_budget` |
 * | `vargate_shadow_calls` | frequency | what the policy would have done with calls in shadow: `allowed`, `denied`, `pending`, `error` |
 * | `vargate_unknown_outcomes` | counter | tool calls whose answer was lost: look them up |
 * | `vargate_retries` | frequency | operations that were sent again after one of our errors, by name |
 * | `vargate_approval_wait_seconds` | histogram | how long a wait took; its attribute `outcome` says how it ended |
 * | `vargate_approval_poll_lag_seconds` | gauge | the age of the previous look at the queue when a look ended |
 * | `vargate_verifier_records_per_second` | gauge | the speed of the last verification of a log |
 *
 * Metrics of durable calls stand in `effect-vargate/workflow/WorkflowMetrics`.
 *
 * @since 0.1.0
 */
export * as Metrics from "./transport/Metrics.ts"

/**
 * Verifies signatures by ML-DSA-44 (FIPS 204), by which witnesses may cosign: where the runtime has it.
 *
 * @since 0.2.0
 */
export * as MlDsa44 from "./verify/witness/MlDsa44.ts"

/**
 * What watching a log brings to light.
 *
 * @since 0.1.0
 */
export * as MonitorEvent from "./verify/MonitorEvent.ts"

/**
 * Signed notes and the keys of those who sign them, as Go's `sumdb/note` and C2SP write them: Ed25519 for logs, timestamped
 * cosignatures for witnesses, by Ed25519 or ML-DSA-44.
 *
 * **Details**
 *
 * Keys are texts: `name+id+key` for verification, `PRIVATE+KEY+name+id+seed` for signing. Ed25519 comes from Web Crypto, so
 * that it runs wherever JavaScript does. Cosignatures by ML-DSA-44 are verified where the runtime has it (`MlDsa44`), and not
 * made.
 *
 * @since 0.2.0
 */
export * as Note from "./verify/witness/Note.ts"

/**
 * Events in the Open Cybersecurity Schema Framework, version 1.5.0: a record as API Activity (class 6003, with the profile
 * `security_control` for the decision), a gap, a finding or a refused record as Detection Finding (class 2004).
 *
 * **Details**
 *
 * `metadata.uid` is the event's id, `metadata.tenant_uid` the tenant, `metadata.sequence` the count of records. What OCSF has
 * no field for is in `unmapped`, under the gateway's names.
 *
 * Where an id is 99 (other), the gateway's word stands beside it.
 *
 * @since 0.2.0
 */
export * as Ocsf from "./export/Ocsf.ts"

/**
 * Exports as OpenTelemetry logs: OTLP over HTTP, as JSON or protobuf, to a collector or whatever speaks it.
 *
 * **Details**
 *
 * Each event is a log record with an event name (`vargate.audit.record`, `.gap`, `.finding`, `.refused`), the time of the
 * action, and attributes: `gen_ai.operation.name`, `gen_ai.tool.name`, `gen_ai.tool.type`, `gen_ai.tool.call.id` and
 * `gen_ai.agent.id`; `gen_ai.tool.call.arguments` where the redaction lets params out; and `vargate.event.id`,
 * `vargate.tenant.id`, `vargate.log.count`, `vargate.record.id`, `.hash` and `.prev_hash`, `vargate.action.id`,
 * `vargate.tool`, `vargate.method`, `vargate.decision`, `vargate.severity`, `vargate.violations`,
 * `vargate.bundle_revision`, `vargate.redacted`.
 *
 * The body is a sentence, or with `format: "ocsf"` the event in OCSF, as JSON.
 *
 * OTLP has no way to tell duplicates: `vargate.event.id` is the same whenever an event comes again. What a receiver refuses
 * for good (`partialSuccess`) is found by halves.
 *
 * @since 0.2.0
 */
export * as OtlpSink from "./export/OtlpSink.ts"

/**
 * The policies in force: templates to choose from, rules, and the bundle that the policy engine runs. To choose among
 * them is the operator's: see `Tenant`.
 *
 * @since 0.1.0
 */
export * as Policies from "./operator/Policies.ts"

/**
 * The rules that decide, as the gateway describes them.
 *
 * @since 0.1.0
 */
export * as PolicyRules from "./operator/PolicyRules.ts"

/**
 * The policy templates that a tenant chooses from, and what each can be tuned with.
 *
 * @since 0.1.0
 */
export * as PolicyTemplate from "./model/PolicyTemplate.ts"

/**
 * What reviewers propose instead of pending actions, for the process of an agent: it reads a proposal, claims it, and
 * submits it once.
 *
 * **When to use**
 *
 * Provide this service beside `Governed` or a governed toolkit, and a call that is rejected with a proposal continues with the
 * proposed params. Without it such a call fails with `Rejected`, like any other.
 *
 * @since 0.2.0
 */
export * as Proposals from "./reviews/Proposals.ts"

/**
 * Finding out what became of a call whose answer was lost. The gateway has no idempotency key, but its audit log knows
 * what happened, so we look instead of sending again.
 *
 * **Details**
 *
 * A call's record has the same agent, tool and method, params of equal value (numbers by value, key order free, fields
 * that the gateway encrypted match anything), was written after the call was sent, and belongs to no other call of this
 * process. Exactly one such record is the answer. Several, or none, leave the outcome unknown. So does one that may be
 * another call's, unless the call has a reference (`reference: "params"` on the request): one that was requested before
 * this process sent its first call, or that has encrypted fields. Looks that happen at the same time read the log once for
 * all, back to the time of sending, at most 10,000 records.
 *
 * Without a reference the record may also be that of an identical call of another process, which acts on it or waits for
 * its approval. So nothing that is still to be acted on is taken over from the log. Where the gateway left the action to
 * the agent, `reconcile` submits the call again, up to three times: the gateway executed nothing, and the agent acts only
 * on the record that the answer names; the record that was found stays without an action. A pending record leaves the
 * outcome unknown, since two approvals would allow two actions.
 *
 * **Gotchas**
 *
 * The record is written after the execution: that there is none proves nothing until the gateway's own time limits have
 * passed, so a call without one is never sent again unless the program says {@link resendAfter}. Identical calls of other
 * processes under the same agent id at the same time cannot be told apart; give calls that need approval, and such calls,
 * a reference.
 *
 * @since 0.1.0
 */
export * as Reconcile from "./calls/Reconcile.ts"

/**
 * Hashes of the audit log.
 *
 * @since 0.1.0
 */
export * as RecordHash from "./model/RecordHash.ts"

/**
 * What of a call's params leaves for another system. An export or a channel of reviews without a redaction withholds them.
 *
 * **Details**
 *
 * The audit log holds the params of every call: names, amounts, texts of customers. A system that collects logs has more
 * readers than the audit log has, and so has a chat. So {@link withheld} is the default everywhere: `params` and
 * `pii_subject_id` leave as `null`, and the event says that it is redacted. The hash of a record stays, so that it can be
 * found in the log and verified there.
 *
 * Violations are the policy's words, and leave: what they quote of the params only {@link patterns} take out.
 *
 * Everything here is applied before a sink or a channel sees anything. What a redaction cannot handle (its function throws,
 * params nest deeper than the stack) is withheld.
 *
 * **Example** (Only what is on the list, and no card numbers in it)
 *
 * ```ts
 * import { Redaction } from "effect-vargate"
 *
 * const redact = Redaction.all(Redaction.only(["amount", "currency", "note"]), Redaction.patterns([/\b\d{13,19}\b/]))
 * ```
 *
 * @since 0.2.0
 */
export * as Redaction from "./export/Redaction.ts"

/**
 * What a model is told when a governed action was not performed, or when its outcome is unknown: in plain words, so
 * that it does not report it to its user as performed.
 *
 * @since 0.1.0
 */
export * as Refusal from "./governed/Refusal.ts"

/**
 * Taking decisions again.
 *
 * @since 0.1.0
 */
export * as Replay from "./audit/Replay.ts"

/**
 * A decision, taken again.
 *
 * @since 0.1.0
 */
export * as ReplayReport from "./audit/ReplayReport.ts"

/**
 * When to try again, as values. Nothing in this package repeats an operation by itself; a program says
 * `Effect.retry(toolCalls.call(request), RetryPolicy.standard)` where it wants that.
 *
 * **Details**
 *
 * Every policy stops at once at an error whose `sideEffect` is not `"none"`: what may have been done is never done again.
 * They are ordinary `Schedule`s and compose with any other.
 *
 * **Gotchas**
 *
 * `Schedule.min`, `Schedule.concat` and the like go on while *one* of their parts does. Wrap the result of such a
 * combination in {@link make} to keep the promise.
 *
 * @since 0.1.0
 */
export * as RetryPolicy from "./transport/RetryPolicy.ts"

/**
 * Where reviewers hear of pending actions: a channel announces each action, tells how its ballot stands, and how it ended.
 *
 * @since 0.2.0
 */
export * as ReviewChannel from "./reviews/ReviewChannel.ts"

/**
 * To which actions a rule applies: conditions over a pending action, each with its words.
 *
 * @since 0.2.0
 */
export * as ReviewCondition from "./reviews/ReviewCondition.ts"

/**
 * Who decides: reviewers by name, with the groups that rules speak of.
 *
 * @since 0.2.0
 */
export * as Reviewer from "./reviews/Reviewer.ts"

/**
 * Why a reviewer or a vote is refused.
 *
 * @since 0.2.0
 */
export * as ReviewError from "./reviews/ReviewError.ts"

/**
 * One-time links for reviewers who are written to: each is for one reviewer and one action as it was shown. Their tokens
 * are kept hashed.
 *
 * @since 0.2.0
 */
export * as ReviewLinks from "./reviews/ReviewLinks.ts"

/**
 * The panel: authenticated reviewers vote on pending actions, and their votes make the decision at the gateway.
 *
 * **Details**
 *
 * The panel alone has a key that may approve. It opens a ballot for every pending action, counts what reviewers vote under
 * the rule of that action, and tells the gateway once, with a note that has the digest of the votes. Several processes
 * may run one panel on one store.
 *
 * @since 0.2.0
 */
export * as ReviewPanel from "./reviews/ReviewPanel.ts"

/**
 * By which rules a panel decides: which rule applies to an action, who asked for it, who represents whom.
 *
 * **Example** (Two for large refunds)
 *
 * ```ts
 * import { ReviewCondition, ReviewRules } from "effect-vargate"
 *
 * const rules = ReviewRules.make({
 *   rules: [{
 *     when: ReviewCondition.and(ReviewCondition.tool("stripe"), ReviewCondition.amountAbove(1000, "amount")),
 *     rule: ReviewRules.escalateAfter("15 minutes", "board")(ReviewRules.quorum(2, "finance"))
 *   }],
 *   otherwise: ReviewRules.anyOf("support", "finance"),
 *   requesters: ReviewRules.ownersOf({ "support-bot": ["ann"] })
 * })
 * ```
 *
 * @since 0.2.0
 */
export * as ReviewRules from "./reviews/ReviewRules.ts"

/**
 * Decisions of reviewers over pending actions. A service of its own, so that a program which is not given it cannot
 * approve its own actions.
 *
 * @since 0.1.0
 */
export * as Reviews from "./approvals/Reviews.ts"

/**
 * Verifies ballots against the audit log, by the panel's public keys alone: every vote, every signature, every rule, and
 * whether each approval in the log is what the votes decided.
 *
 * **Details**
 *
 * This says whether ballots and log agree. Whether the log itself is what it was is for `ChainVerifier` to say.
 *
 * @since 0.2.0
 */
export * as ReviewVerifier from "./reviews/ReviewVerifier.ts"

/**
 * Accounts: signing up, keys, sessions, and the tenants of one account.
 *
 * @since 0.1.0
 */
export * as Session from "./operator/Session.ts"

/**
 * What can be said about a session of a managed agent afterwards.
 *
 * @since 0.1.0
 */
export * as SessionReport from "./operator/SessionReport.ts"

/**
 * What applying settings would change, and what became of it.
 *
 * @since 0.1.0
 */
export * as SettingsPlan from "./operator/SettingsPlan.ts"

/**
 * Shadow mode: for the weeks before governance is switched on. Calls are submitted as ever, what the policy would have done
 * is written down, and the agent acts although the answer was a denial, or is pending.
 *
 * **Details**
 *
 * `Governed.shadow` makes such a call, where {@link Shadow} is in context. Which calls are in shadow is chosen per agent, per
 * tool and by share ({@link choice}); all others are governed by `Governed.run` as ever.
 *
 * It never acts where the gateway has executed the call, and never where the submission failed in any way: then it is not
 * known what the policy says, or whether the call was executed. What a kill switch (`Suspension`) or a budget (`Budgets`)
 * stops is stopped in shadow too.
 *
 * A pending action that was acted on is claimed in the store first. `Governed.resume`, waits, toolkits and workflows of every
 * process that has this service over the same store never begin it again, whatever a reviewer decides. {@link close} rejects
 * what is left in the queue, with a note; {@link report} says what would have been denied or pending, by rule.
 *
 * **Gotchas**
 *
 * Where the gateway holds the credentials of a tool, it executes on approval. So the author of the call states that
 * the gateway does not execute the tool (`executes: "agent"`). The first answer that shows otherwise is remembered, and from
 * then on pending calls of this tool are not acted on: they fail with `ShadowRefused`.
 *
 * **Example** (A tool of one agent, in shadow)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Governed, Shadow } from "effect-vargate"
 *
 * const refund = Governed.shadow(
 *   { tool: "stripe", method: "create_refund", params: { charge: "ch_1", amount: 5000 }, executes: "agent" },
 *   Effect.succeed("refunded")
 * )
 *
 * const program = refund.pipe(
 *   Effect.tap((done) => done.isShadow ? Effect.logInfo(`the policy says: ${done.verdict}`) : Effect.void),
 *   Effect.provide(Shadow.layerMemory({ calls: [Shadow.choice({ agent: "refund-bot", tool: "stripe" })] }))
 * )
 * ```
 *
 * @since 0.2.0
 */
export * as Shadow from "./governed/Shadow.ts"

/**
 * Makes a reviewer of a user of Slack, whom a checked request of Slack's names by team and id. A display name is never
 * believed.
 *
 * @since 0.2.0
 */
export * as SlackAuthenticator from "./reviews/SlackAuthenticator.ts"

/**
 * A channel in Slack: a message for each pending action, with buttons. The message is edited after votes and at the end;
 * reminders are in its thread. `SlackInteractions` takes what reviewers press.
 *
 * **Details**
 *
 * The bot needs the scopes `chat:write` and, to find a message again that it posted just before its process ended,
 * `channels:history` (`groups:history` in a private channel). It has to be in the channel.
 *
 * @since 0.2.0
 */
export * as SlackChannel from "./reviews/SlackChannel.ts"

/**
 * What reviewers press in Slack: checks that a request is Slack's, makes the vote of it, and tells the reviewer what became
 * of it. `SlackRoute` brings requests from an open port, `SlackSocket` where there is none.
 *
 * @since 0.2.0
 */
export * as SlackInteractions from "./reviews/SlackInteractions.ts"

/**
 * Takes interactions of Slack over a connection of our own (socket mode), where no port is open to Slack.
 *
 * @since 0.2.0
 */
export * as SlackSocket from "./reviews/SlackSocket.ts"

/**
 * Exports to Splunk's HTTP Event Collector.
 *
 * **Details**
 *
 * With `acknowledge`, events count as taken only once the indexer says so (`/services/collector/ack`); without it, when the
 * collector has accepted them. `event` is what a line of `JsonlSink` is, or OCSF; `fields` has `vargate_event_id`, by which
 * `dedup` tells duplicates.
 *
 * @since 0.2.0
 */
export * as SplunkSink from "./export/SplunkSink.ts"

/**
 * The kill switch: an operator stops an agent, a tool, or everything, at once for all processes that share the store.
 *
 * **Details**
 *
 * Where {@link Suspension} is in context, a governed call looks at the store before it is submitted, just before its first
 * byte, and before the agent's own action begins: what is suspended is not sent and not begun. Calls that wait for a
 * reviewer look every second (`every`), and end with the reason `Suspended`; their actions stay pending at the gateway,
 * where they may still be approved, or rejected. Where the store cannot be read nothing is sent or begun
 * (`GuardUnavailable`).
 *
 * To suspend and to lift is for operators: {@link KillSwitch}, a service of its own that no agent needs. Every act is
 * logged, and kept with its author.
 *
 * **Example** (Stop one agent)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Suspension } from "effect-vargate"
 *
 * const program = Effect.gen(function*() {
 *   const { lift, suspend } = yield* Suspension.KillSwitch
 *   const { id } = yield* suspend({ agentId: "refund-bot", by: "ann", note: "it refunds too much" })
 *   yield* lift(id, { by: "ann", note: "fixed" })
 * }).pipe(Effect.provide(Suspension.layerMemory()))
 * ```
 *
 * @since 0.2.0
 */
export * as Suspension from "./governed/Suspension.ts"

/**
 * The gateway itself, as every client may see it.
 *
 * @since 0.1.0
 */
export * as System from "./operator/System.ts"

/**
 * The tenant itself: what it is, and its settings as values that can be planned, applied and read back.
 *
 * A service for operators: a program that is not given it cannot change the rules that it is under.
 *
 * @since 0.1.0
 */
export * as Tenant from "./operator/Tenant.ts"

/**
 * The tenants of a gateway, for those who run it.
 *
 * @since 0.1.0
 */
export * as TenantDirectory from "./operator/TenantDirectory.ts"

/**
 * Tenants in a gateway's directory.
 *
 * @since 0.1.0
 */
export * as TenantEntry from "./operator/TenantEntry.ts"

/**
 * The name of a tenant.
 *
 * @since 0.1.0
 */
export * as TenantId from "./model/TenantId.ts"

/**
 * What a gateway shows of a tenant.
 *
 * @since 0.1.0
 */
export * as TenantProfile from "./operator/TenantProfile.ts"

/**
 * What a tenant can set: its policy, what happens while something is away, who is told.
 *
 * @since 0.1.0
 */
export * as TenantSettings from "./model/TenantSettings.ts"

/**
 * Proofs that records are in a log, in files that are verified offline: `c2sp.org/tlog-proof@v1`.
 *
 * @since 0.2.0
 */
export * as TlogProof from "./verify/witness/TlogProof.ts"

/**
 * Governed tool calls: ask first, act only on a yes.
 *
 * @since 0.1.0
 */
export * as ToolCalls from "./calls/ToolCalls.ts"

/**
 * What a gateway tells the public.
 *
 * @since 0.1.0
 */
export * as Transparency from "./operator/Transparency.ts"

/**
 * The one way to the gateway: base URL, key, deadlines, size limits. Every service stands on it, and its only
 * requirement is an `HttpClient`: a real one, an embedded gateway in the same process, or a script in a test.
 *
 * What other libraries call errors ends here, in one switch.
 *
 * @since 0.1.0
 */
export * as Transport from "./transport/Transport.ts"

/**
 * What rebuilding the stored Merkle trees from the verified records found, and whether one proof holds.
 *
 * @since 0.1.0
 */
export * as TreesReport from "./verify/TreesReport.ts"

/**
 * What the gateway says about its own Merkle trees.
 *
 * @since 0.1.0
 */
export * as TreesStatus from "./verify/TreesStatus.ts"

/**
 * The entry point: every service over one transport.
 *
 * @since 0.1.0
 */
export * as Vargate from "./Vargate.ts"

/**
 * The whole HTTP interface of the gateway, stated once: the typed client, the embedded gateway, the test client and the
 * OpenAPI page all derive from it.
 *
 * @since 0.1.0
 */
export * as VargateApi from "./VargateApi.ts"

/**
 * Every failure of this package, as a table.
 *
 * | error | what happened | may something have happened? | try again? |
 * | --- | --- | --- | --- |
 * | `Denied` | the policy denied it | no | no: change the call or the policy |
 * | `PendingApproval` | queued for a reviewer | yes: a reviewer may approve it | no: wait for the decision |
 * | `RateLimited` | too many calls in a second | no | after a full second of silence, where `source` is the gateway |
 * | `OpaUnavailable` | no policy engine, the tenant fails closed | no | yes, with growing pauses |
 * | `OutcomeUnknown` | the answer was lost | **yes** | no: look it up |
 * | `DuplicateSubmission` | the same call was submitted before, and its effect is open | yes: by the first one | no: wait for the first one |
 * | `Rejected`, `Expired` | a reviewer rejected it, or none decided in time | no | no: the action has ended |
 * | `ApprovalTimeout` | the wait ended before the decision | yes: it may still be approved | no: wait again by its id |
 * | `ToolFailed` | the gateway executed, and the tool failed | **yes**, in part | no: look at the tool |
 * | `InterruptNotConfirmed` | a session counts as interrupted, its agent may continue | **yes** | no: stop it where it runs |
 * | `NeverQueued` | needs an approval, and the gateway's MCP endpoint queues nothing | no | no: submit it with `ToolCalls` |
 * | `ResultUnusable` | the gateway executed, and its result is lost or malformed | **yes** | no: it was executed |
 * | `ShadowRefused` | pending in shadow mode, and the gateway would execute it on approval | yes: a reviewer may approve it | no: wait for the decision |
 * | `StorageFailed` | checkpoints could not be read or kept | no | as the storage allows |
 * | `SettingNotApplied` | a setting is not as requested after it was applied | yes: others were applied | no: use a value that the gateway knows |
 * | `RotationUnknown` | the answer with the new key was lost | **yes** | with a session opened before |
 * | `WebhookRefused` | a delivery is not the gateway's, or not now | no | no |
 * | `WebhookUnconsumed` | your consumer of webhooks failed | **yes**, in part | the gateway does |
 * | `VargateError` | everything else; see its `reason` | see `sideEffect` | see `isRetryable` |
 *
 * All of them have `sideEffect`, `isRetryable` and `retryAfter`; a `message` that says what to do next; and a `toJSON`
 * that holds no key, no header and no body.
 *
 * @since 0.1.0
 */
export * as VargateError from "./errors/VargateError.ts"

/**
 * The record hashes of a verified log, oldest first: what heads are made of.
 *
 * @since 0.2.0
 */
export * as VerifiedRecords from "./verify/witness/VerifiedRecords.ts"

/**
 * Signs votes with a key of the panel's (Ed25519), so that a vote that was not cast at the panel is told from one that was.
 *
 * @since 0.2.0
 */
export * as VoteSigner from "./reviews/VoteSigner.ts"

/**
 * A channel that posts signed JSON, or an Adaptive Card, to a URL.
 *
 * **Details**
 *
 * Signed as Standard Webhooks says: `webhook-id`, `webhook-timestamp` and `webhook-signature` (`v1,` and the base64
 * HMAC-SHA256 of `{id}.{timestamp}.{body}`). A delivery that is tried again has the same id.
 *
 * @since 0.2.0
 */
export * as WebhookChannel from "./reviews/WebhookChannel.ts"

/**
 * What a gateway tells by webhook.
 *
 * @since 0.1.0
 */
export * as WebhookEvent from "./webhooks/WebhookEvent.ts"

/**
 * Puts `Webhooks` on the network: as a route of an HTTP router, or as a `fetch`-style handler for edge runtimes.
 *
 * | status | body | when |
 * | --- | --- | --- |
 * | 200 | `{"status":"accepted"}` | consumed |
 * | 200 | `{"status":"duplicate"}` | consumed when it came before |
 * | 400, 401, 413 | `{"detail"}` | refused: see the reasons of `WebhookRefused` |
 * | 405, 415 | `{"detail"}` | no POST, no JSON |
 * | 500 | `{"detail"}` | the consumer failed |
 * | 503 | none | the service is closing |
 *
 * The gateway sends again what is not answered with a 2xx.
 *
 * @since 0.1.0
 */
export * as WebhookRoute from "./webhooks/WebhookRoute.ts"

/**
 * Receives what a gateway tells by webhook: only what it signed, only what is new, and each event once.
 *
 * @since 0.1.0
 */
export * as Webhooks from "./webhooks/Webhooks.ts"

/**
 * Asks witnesses to cosign a head (`add-checkpoint` of C2SP's tlog-witness): each of them has seen every earlier head of the
 * log, and signs only one that continues it.
 *
 * @since 0.2.0
 */
export * as WitnessClient from "./verify/witness/WitnessClient.ts"

/**
 * Whose signatures a head needs: the log's, and those of enough witnesses. A policy is a file that is kept by the one who
 * verifies, offline.
 *
 * **Details**
 *
 * Lines are `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|N MEMBER...` and `quorum NAME|none`; `#` begins
 * a comment. A group counts its members, witnesses or earlier groups, of which so many must have cosigned.
 *
 * @since 0.2.0
 */
export * as WitnessPolicy from "./verify/witness/WitnessPolicy.ts"
