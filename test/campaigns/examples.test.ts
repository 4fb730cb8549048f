import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../../examples/", import.meta.url))

const run = (file: string) =>
  new Promise<{ readonly code: number | string; readonly output: string }>((resolve) => {
    const { VARGATE_API_KEY: _, ...env } = process.env
    execFile(
      process.execPath,
      ["--conditions=effect-vargate-source", `${folder}${file}`],
      { env: { ...env, NO_COLOR: "1" } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, output: stdout + stderr })
    )
  })

/** What each program must say, besides ending well. */
const expectations: Record<string, ReadonlyArray<RegExp>> = {
  "00_quickstart.ts": [
    /charge {2}50 EUR {2}allowed, and executed/,
    /denied \(high\): currency_mismatch, transaction_exceeds_limit/,
    /pending as [0-9a-f-]{36}: a reviewer must decide/,
    /approved; the gateway then: Executed/,
    /RateLimited: /,
    /charge {3}1 EUR {2}allowed/,
    /OpaUnavailable: /,
    /charge {3}2 EUR {2}allowed/,
    /audit chain: valid, \d+ records/,
    /recomputed from the bytes: valid, \d+ records/,
    /Merkle proof: leaf 0, 2 steps, holds/,
    /replay: consistent \(allow\)/,
    /the gateway's report: {4}valid/,
    /against our checkpoint: {2}RewrittenSince/,
    /\nNext: npm test, .*\nnpm run vargate -- init --project \.\.\/my-agent\n$/
  ],
  "10_governed-call.ts": [/action [0-9a-f-]{36} is allowed/, /the agent fetches/],
  "20_errors.ts": [
    /50 EUR: allowed/,
    /9000 EUR: denied, transaction_exceeds_limit/,
    /1500 EUR: a reviewer must decide/,
    /60 EUR: no policy engine/,
    /NaN EUR: InvalidRequest/,
    /80 EUR: too fast, wait 1s/
  ],
  "30_retry.ts": [
    /met OpaUnavailable/,
    /the call went through/,
    /the door is open again/,
    /PendingApproval is not repeated/
  ],
  "40_test-your-agent.ts": [
    /before the second is over: 1/,
    /the agent exported, with 2 requests/,
    /the agent asked a reviewer/,
    /recorded: pending_approval/
  ],
  "50_approval.ts": [
    /refunding 20 of ch_1/,
    /refunding 2000 of ch_2\n {2}executed by the agent/,
    /Rejected: .*not without a ticket/,
    /meanwhile: Waiting\n {2}refunding 1500/
  ],
  "51_fan-out.ts": [/36 done, 4 denied/, /other failures: 0/],
  "52_reviewer.ts": [
    /reviewer: effect-agent asks to transfer 4000/,
    /agent: transferring 1200/,
    /agent: transferring 1500/,
    /rejected by a reviewer \(ask your manager\)/
  ],
  "53_panel.ts": [
    /ann: refused: Requester/,
    /bob: 2 of finance: approved by bob\./,
    /cid: Approved by bob and cid\./,
    /log: review-panel\/1 approve sha256:\.\.\. bob, cid/,
    /agent: transferring 4000/
  ],
  "54_grants.ts": [
    /refunding 1500\nrefunding 1800/,
    /log: review-panel\/1 approve sha256:\.\.\. ann \(grant \.\.\.\)/,
    /uses: 1/,
    /after the revocation: a reviewer is asked again/
  ],
  "55_shadow.ts": [
    /bank has paid 9000, and the policy says: denied/,
    /payroll was denied 9000: transaction_exceeds_limit/,
    /of 4 calls 1 would be allowed, 2 denied, 1 pending/,
    /pending 1 bank \(no rule named\)\na pending call of bank: closed/
  ],
  "60_verify.ts": [
    /An honest ledger\n.*valid\n.*valid, 4 records\n.*valid, 4 records/,
    /One amount changed\n.*broken at (\S+)\n.*HashMismatch at \1\n.*HashMismatch at \1/,
    /computed anew\n.*says: +valid\n.*valid, 4 records\n.*checkpoint: RewrittenSince at/,
    /cut off\n.*says: +valid\n.*valid, 2 records\n.*checkpoint: TruncatedSince at/
  ],
  "61_anchors.ts": [/the log: {2}valid, 3 records\nanchors: {2}not checked\n {2}node mine could not be reached/],
  "62_witness.ts": [
    /a head of 5 records is valid: true\nrecord 2 is in it: true\nrecord 3 is not at its place: NotIncluded/,
    /a head of 5 records was signed, and now there are 4/
  ],
  "63_export.ts": [
    /2 new records are on the disk\n1 new records are on the disk/,
    /3 stripe \{ amount: 30, email: '<redacted>' \}/
  ],
  "65_ledger-on-disk.ts": [
    /first life:\n1 records, the newest after GENESIS; recomputed: true/,
    /second life:\n2 records, the newest after [0-9a-f]{8}; recomputed: true/
  ],
  "70_settings.ts": [
    /policyTemplate: "general" -> "financial"/,
    /charge 500 EUR: Allowed\n {2}applied and read back: policyTemplate, policyParameters, failureModes, autoApproveTools/,
    /charge 500 EUR: PendingApproval\n {2}charge 5000 EUR: Denied\n {2}left to do: 0/,
    /SettingNotApplied: .*anchorChain should be "bitcoin" and is "polygon"/,
    /the gateway used stripe\/api_key for effect-agent/,
    /the new key: <redacted>/,
    /calls that went through: 10/
  ],
  "71_webhooks.ts": [
    /50 EUR: ActionAllowed\n9000 EUR: ActionDenied\n1500 EUR: ActionPending/,
    /tomorrow's gateway: 200\nthe same again, not consumed: 200\nsigned with the old secret: 200/,
    /one letter changed: 401\nfrom long ago: 400/
  ],
  "72_managed-agents.ts": [
    /simulated: false\n(?:.*\n)*operator: the agent has stopped \(too many denials\)\ninterrupted: [789] records, [567] decisions/,
    /agent: 400 EUR, allow\n(?:.*\n)*agent: 1600 EUR, deny/,
    /operator: [567] calls, [234] denied\n/,
    /simulated: true\n(?:.*\n)*operator: .*may continue to act.*\ninterrupted: 2 records, 0 decisions/
  ],
  "75_policy-trial.ts": [
    /^7 decisions: 2 newly denied, 1 newly pending, 0 newly allowed, 4 the same, 0 undecided, 0 failed\n/,
    /buyer with stripe: pending, would be denied by transaction_exceeds_limit\n/,
    /shop with stripe: allowed, would be pending by financial\n/,
    /too many newly denied: 2, and at most 1\.4 may be\n/
  ],
  "80_toolkit.ts": [
    /the handler refunds 20 of ch_0\n {2}the handler refunds 2000 of ch_1\nthe model was told/,
    /call_1: \{"refunded":2000\}\n {2}call_2: \{"type":"execution-denied","reason":"NOT PERFORMED: the policy denied/
  ],
  "81_mcp-proxy.ts": [
    /will reject\n {2}the model reads: .*NOT PERFORMED: a reviewer rejected this action \(hm\)/,
    /will approve\n {2}the server wipes all notes\n {2}the model reads: .*wiped/
  ],
  "82_pipeline.ts": [
    /acme\n {2}reviewer: the payer may\n {2}payer: 2400 back to acme\n {2}mailer: told acme/,
    /bolt\n {2}payer: 60 back to bolt\n {2}mailer: left to a reviewer\nan analyst who pays: Denied/
  ],
  "85_durable.ts": [
    /waits for a reviewer\nthe process ends.*\nanother process starts\n {2}refunding 2000 of ch_1/,
    /executed by the agent: refunded/
  ],
  "86_http-service.ts": [
    /50: [0-9a-f-]{36} was executed by the agent/,
    /2000: wait for [0-9a-f-]{36}/,
    /9000: refused by the policy, transaction_exceeds_limit/
  ],
  "90_telemetry.ts": [
    / {2}agent\n/,
    / {4}Governed.run\n {6}ToolCalls.decide: PendingApproval\n/,
    / {6}Approvals.await: Approved\n {6}Governed.act\n/,
    /names the action: [0-9a-f-]{36}/,
    /vargate_approval_wait_seconds, vargate_decisions/
  ]
}

describe("examples", () => {
  it("are all expected to say something", () => {
    assert.deepStrictEqual(readdirSync(folder).filter((file) => file.endsWith(".ts")), Object.keys(expectations))
  })

  for (const [file, phrases] of Object.entries(expectations)) {
    it(file, async () => {
      const { code, output } = await run(file)
      assert.strictEqual(code, 0, output)
      for (const phrase of phrases) assert.match(output, phrase)
    })
  }
})
