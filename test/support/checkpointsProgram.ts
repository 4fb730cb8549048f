/**
 * A process that keeps checkpoints of one tenant, one after another, and says the count of each once it is kept.
 *
 * Arguments: file, tenant, first count, last count.
 */
import { DateTime, Effect } from "effect"
import { Checkpoint } from "../../src/audit/Checkpoint.ts"
import { RecordHash } from "../../src/model/RecordHash.ts"
import * as FileCheckpoints from "../../src/node/FileCheckpoints.ts"
import { CheckpointStore } from "../../src/verify/Checkpoints.ts"

const [path, tenantId, from, to] = process.argv.slice(2)

const keep = Effect.gen(function*() {
  const store = yield* CheckpointStore
  for (let count = Number(from); count <= Number(to); count++) {
    yield* store.keep(
      new Checkpoint({
        tenantId: tenantId!,
        id: count,
        actionId: `a-${count}`,
        recordHash: RecordHash.make(count.toString(16).padStart(64, "0")),
        count,
        at: DateTime.makeUnsafe(0),
        roots: []
      })
    )
    process.stdout.write(`${count}\n`)
  }
})

await Effect.runPromise(Effect.provide(keep, FileCheckpoints.layer(path!)))
