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
 * Roots of the audit log on a blockchain.
 *
 * @since 0.1.0
 */
export * as Anchors from "./operator/Anchors.ts"

/**
 * Pending actions, from the agent's side: it can look and wait, never decide.
 *
 * @since 0.1.0
 */
export * as Approvals from "./approvals/Approvals.ts"

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
 * Copies of the gateway's database.
 *
 * @since 0.1.0
 */
export * as Backup from "./operator/Backup.ts"

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
 * A governed call as toolkits and MCP servers make it: submitted, waited for, performed by the handler or taken from the
 * gateway, with the span of a tool call.
 *
 * @since 0.1.0
 */
export * as Clearance from "./governed/Clearance.ts"

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
 * SHA-256 for everything that is verified here. By default Web Crypto computes it, so that verification runs wherever
 * JavaScript does; on Node, `NodeHasher` is several times faster and computes the same.
 *
 * @since 0.1.0
 */
export * as Hasher from "./verify/Hasher.ts"

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
 * What watching a log brings to light.
 *
 * @since 0.1.0
 */
export * as MonitorEvent from "./verify/MonitorEvent.ts"

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
 * Decisions of reviewers over pending actions. A service of its own, so that a program which is not given it cannot
 * approve its own actions.
 *
 * @since 0.1.0
 */
export * as Reviews from "./approvals/Reviews.ts"

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
