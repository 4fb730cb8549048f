/**
 * @title One story for all
 *
 * The head of a log is signed and cosigned; a proof of a record is verified offline, by a policy. When the log is rewritten,
 * nothing more is signed.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect } from "effect"
import { HeadStore, LogHead, Note, TlogProof, ToolCalls, VerifiedRecords, WitnessPolicy } from "effect-vargate"
import * as NodeHasher from "effect-vargate/node/NodeHasher"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const program = Effect.gen(function*() {
  const gateway = yield* GatewayMemory.GatewayMemory
  const heads = yield* HeadStore.HeadStore
  yield* Effect.forEach([1, 2, 3, 4, 5], (page) => ToolCalls.call({ tool: "files", method: "read", params: { page } }))

  const log = yield* Note.makeKey("log.example/1")
  // A real witness has its key for itself and is asked by `WitnessClient.cosign`.
  const witness = yield* Note.makeKey("witness.example/1", "witness")
  const policy = yield* WitnessPolicy.parse(
    `log ${Note.formatVerifier(log.verifier)}\nwitness w1 ${Note.formatVerifier(witness.verifier)}\nquorum w1\n`
  )

  const { recordHashes } = yield* VerifiedRecords.read()
  const kept = yield* heads.advance(log.verifier.name, recordHashes)
  const text = LogHead.format(new LogHead.LogHead({ ...kept, extensions: [] }))
  const seconds = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const sign = (key: Note.SignerKey) => Note.sign(text, key, seconds)
  const note = Note.format({ text, signatures: [yield* sign(log), yield* sign(witness)] })
  yield* Console.log(
    `a head of ${kept.size} records is valid: ${(yield* WitnessPolicy.verifyHead(note, policy)).valid}`
  )

  const [path] = yield* LogHead.proveRecords(recordHashes, [2])
  const proof = TlogProof.format({ index: 2, path: path!, head: note })
  const verdict = yield* TlogProof.verify(proof, recordHashes[2]!, policy)
  yield* Console.log(`record 2 is in it: ${verdict.valid}`)
  const other = yield* TlogProof.verify(proof, recordHashes[3]!, policy)
  yield* Console.log(`record 3 is not at its place: ${other.reason}`)

  yield* gateway.tamperWithLedger({ edit: (records) => records.slice(1), rehash: true })
  const rewritten = yield* VerifiedRecords.read()
  const refusal = yield* Effect.flip(heads.advance(log.verifier.name, rewritten.recordHashes))
  yield* Console.log(refusal.message)
}).pipe(Effect.provide([GatewayMemory.layer(), HeadStore.layerMemory, NodeHasher.layer]))

NodeRuntime.runMain(program)
