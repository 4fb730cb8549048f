/**
 * Verifies long logs on several threads: `ChainVerifier.verifyFile` and `verifyPages` then produce the same report in a
 * fraction of the time.
 *
 * **Details**
 *
 * The threads scan and hash; what they find sound is put together in the order of the log. A stretch in which they find
 * anything wrong is read again, by the one who asked, so that findings are the same to the letter. Memory does not grow
 * with the length of the log; each thread takes about 25 MB. Logs that come over the network arrive more slowly than
 * one thread reads them, so `ChainVerifier.verify` does not use threads.
 *
 * **Gotchas**
 *
 * A thread loads a module of this package from disk. In a bundle there is none, and the layer fails: leave
 * `effect-vargate` out of the bundle (as an external package), or this layer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { WorkerError, WorkerSpawnError } from "effect/workers/WorkerError"
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import type { VargateError } from "../errors/VargateError.ts"
import { invalid } from "../verify/internal/chain/chainReport.ts"
import type { VerifiedRun } from "../verify/internal/chain/verifiedRun.ts"
import { RunScanner } from "../verify/internal/scan/parallelScan.ts"
import type { ScanRequest } from "./internal/verifierThread.ts"

/**
 * How many threads there are.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** At least 1. Default: as many as the machine runs at a time, at most 8. */
  readonly threads?: number | undefined
}

const maxDefault = 8
/** While one text is scanned, the next one is at hand. */
const textsPerThread = 2

/** What a thread allocates is short-lived: V8 would let much of it pile up. */
const resourceLimits = { maxYoungGenerationSizeMb: 6 }

/** The module of a thread, as source or built: whichever this one is. */
const spawn = () => {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  return new Worker(new URL(`./internal/verifierThread.${extension}`, import.meta.url), { resourceLimits })
}

class Thread {
  readonly worker = spawn()
  /** Who waits for an answer; the answers come in the order of the requests. */
  private readonly waiting: Array<(run: VerifiedRun | undefined) => void> = []
  private isOver = false

  constructor() {
    this.worker.on("message", (run: VerifiedRun | undefined) => this.waiting.shift()?.(run))
    this.worker.on("error", () => this.giveUp())
    this.worker.on("exit", () => this.giveUp())
  }

  get load(): number {
    return this.isOver ? Infinity : this.waiting.length
  }

  readonly scan = (request: ScanRequest): Promise<VerifiedRun | undefined> =>
    new Promise((resolve) => {
      if (this.isOver) return resolve(undefined)
      this.waiting.push(resolve)
      this.worker.postMessage(request)
    })

  /** What a thread leaves undone is read by the one who asked. */
  private giveUp(): void {
    this.isOver = true
    for (const resolve of this.waiting.splice(0)) resolve(undefined)
  }
}

const start: Effect.Effect<Thread, WorkerError, Scope.Scope> = Effect.acquireRelease(
  Effect.flatMap(
    Effect.try({ try: () => new Thread(), catch: (cause) => failed(cause) }),
    (thread) =>
      Effect.callback<Thread, WorkerError>((resume) => {
        // It says that it is ready, or breaks off.
        thread.worker.once("message", () => resume(Effect.succeed(thread)))
        thread.worker.once("error", (cause) => resume(Effect.fail(failed(cause))))
        thread.worker.once("exit", () => resume(Effect.fail(failed())))
      })
  ),
  ({ worker }) => Effect.promise(() => worker.terminate())
)

const failed = (cause?: unknown) =>
  new WorkerError({
    reason: new WorkerSpawnError({
      message: "The threads of the verifier cannot be started: leave effect-vargate out of the bundle, or do without " +
        "VerifierThreads",
      cause
    })
  })

/**
 * Lets `ChainVerifier.verifyFile` and `verifyPages` below scan on several threads, which end with the layer. Fails
 * where they cannot be started.
 *
 * **Example** (A long log)
 *
 * ```ts
 * import { Effect, type Stream } from "effect"
 * import { ChainVerifier } from "effect-vargate"
 * import * as NodeHasher from "effect-vargate/node/NodeHasher"
 * import * as VerifierThreads from "effect-vargate/node/VerifierThreads"
 *
 * const check = (log: Stream.Stream<Uint8Array>) =>
 *   ChainVerifier.verifyFile(log).pipe(
 *     Effect.provide([NodeHasher.layer, VerifierThreads.layer({ threads: 2 })])
 *   )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ threads = Math.min(availableParallelism(), maxDefault) }: Options = {}): Layer.Layer<
  never,
  VargateError | WorkerError
> =>
  Layer.effect(
    RunScanner,
    Effect.gen(function*() {
      if (!Number.isInteger(threads) || threads < 1) {
        return yield* invalid("VerifierThreads.layer", ["threads"], "must be a whole number, at least 1")
      }
      const all = yield* Effect.all(Array.from({ length: threads }, () => start), { concurrency: "unbounded" })
      const leastBusy = () => all.reduce((least, thread) => thread.load < least.load ? thread : least)
      return {
        texts: textsPerThread * threads,
        scan: (text: ScanRequest["text"], withLeaves: boolean) => leastBusy().scan({ text, withLeaves })
      }
    })
  )
