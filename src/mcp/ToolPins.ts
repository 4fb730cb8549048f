/**
 * Tools as they were approved. A server can change what a tool says of itself at any time, after it has been looked at: a
 * changed tool is hidden and refused until an operator accepts it. `effect-vargate mcp-pins` shows what has changed in a
 * file of pins, and accepts it.
 *
 * **Example** (Pins in a file)
 *
 * ```ts
 * import { Effect } from "effect"
 * import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
 * import * as ToolPins from "effect-vargate/mcp/ToolPins"
 *
 * const program = Effect.gen(function*() {
 *   const pins = yield* ToolPins.fromFile("pins.json")
 *   yield* GovernedMcpProxy.stdio({ command: "npx", args: ["some-server"], tool: "notes", pins })
 * })
 * ```
 *
 * @since 0.2.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { StorageFailed } from "../errors/VargateError.ts"

/**
 * What a server says of one of its tools: `name` with the server's name for policies before it (`files/read_file`). A
 * prompt is `files#prompts/review`, and what a server says of itself `files#instructions`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Listed {
  readonly name: string
  /** SHA-256 of the definition without `_meta`. */
  readonly digest: string
  /** The definition, as JSON, for those who are to accept it; at most 65,536 characters of it are kept. */
  readonly definition: string
}

/**
 * What was approved, and what it has become.
 *
 * @category models
 * @since 0.2.0
 */
export const Pin = Schema.Struct({
  /** Digest of what was approved. */
  approved: Schema.String,
  definition: Schema.optionalKey(Schema.String),
  /** As it was listed last, where that is not what is approved. */
  changed: Schema.optionalKey(Schema.Struct({ digest: Schema.String, definition: Schema.optionalKey(Schema.String) }))
})

/**
 * The type of {@link Pin}.
 *
 * @category models
 * @since 0.2.0
 */
export type Pin = typeof Pin.Type

/**
 * Remembers tools as they were approved.
 *
 * @category models
 * @since 0.2.0
 */
export interface ToolPins {
  /** Which of these tools have changed. One that is listed for the first time is approved as it is. */
  readonly look: (tools: ReadonlyArray<Listed>) => Effect.Effect<ReadonlySet<string>, StorageFailed>
  /** Whether a tool has changed, as far as it was listed since. */
  readonly hasChanged: (name: string) => Effect.Effect<boolean, StorageFailed>
  /**
   * Approves a tool as it was listed last; where `digest` is given, only if that is what was looked at. Returns whether it
   * had changed, and is approved now.
   */
  readonly accept: (name: string, digest?: string) => Effect.Effect<boolean, StorageFailed>
  /** Everything that is remembered, by its name. */
  readonly pins: Effect.Effect<ReadonlyMap<string, Pin>, StorageFailed>
}

type Known = { readonly [name: string]: Pin }

const decodeKnown = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Record(Schema.String, Pin)))

/** A server must not fill the disk with what it lists. */
const maxPins = 10_000
const maxDefinition = 65_536

const kept = ({ definition }: Listed) => definition.length > maxDefinition ? {} : { definition }

type Changing<A> = Effect.Effect<readonly [A, Known], StorageFailed>

/** Over what holds the pins: `change` reads them, and writes them where they have changed. */
const make = (
  change: <A>(by: (known: Known) => Changing<A>) => Effect.Effect<A, StorageFailed>
): ToolPins => ({
  look: (tools) =>
    change((known) => {
      const next = new Map(Object.entries(known))
      const changed = new Set<string>()
      for (const tool of tools) {
        const { digest, name } = tool
        const pin = next.get(name)
        if (pin === undefined || pin.approved === digest) next.set(name, { approved: digest, ...kept(tool) })
        else {
          changed.add(name)
          next.set(name, {
            approved: pin.approved,
            ...(pin.definition === undefined ? {} : { definition: pin.definition }),
            changed: { digest, ...kept(tool) }
          })
        }
      }
      const detail = `there would be more than ${maxPins} pins`
      return next.size > maxPins && next.size > Object.keys(known).length
        ? Effect.fail(new StorageFailed({ operation: "ToolPins", detail }))
        : Effect.succeed([changed, Object.fromEntries(next)] as const)
    }),
  hasChanged: (name) =>
    change((known) => Effect.succeed([Object.hasOwn(known, name) && known[name]!.changed !== undefined, known])),
  accept: (name, digest) =>
    change<boolean>((known) => {
      const changed = Object.hasOwn(known, name) ? known[name]!.changed : undefined
      if (changed === undefined || (digest !== undefined && digest !== changed.digest)) {
        return Effect.succeed([false, known])
      }
      const { definition } = changed
      const pin: Pin = { approved: changed.digest, ...(definition === undefined ? {} : { definition }) }
      return Effect.succeed([true, { ...known, [name]: pin }])
    }),
  pins: change((known) => Effect.succeed([new Map(Object.entries(known)), known]))
})

/**
 * Pins in memory, for tests and for what is looked at anew at each start.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeMemory = (): ToolPins => {
  let known: Known = {}
  return make((by) =>
    Effect.suspend(() =>
      Effect.map(by(known), ([result, next]) => {
        known = next
        return result
      })
    )
  )
}

/** Longer than a write takes: a lock that is older belongs to a process that was killed. */
const staleAfter = Duration.toMillis("10 seconds")

/**
 * Pins in a file of JSON, which is made where it is missing, and which several processes may share. To accept a change, call
 * `accept` (as `effect-vargate mcp-pins` does), or delete the tool from the file: then it is approved as it is listed next.
 * A file that cannot be read is an error, and no tool is listed.
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromFile = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<ToolPins, never, FileSystem.FileSystem> {
  const files = yield* FileSystem.FileSystem
  const one = yield* Semaphore.make(1)
  const failed = (detail: string) => new StorageFailed({ operation: "ToolPins", detail })
  const broken = Effect.mapError((error: { readonly message: string }) => failed(error.message.split("\n")[0]!))
  const read = Effect.gen(function*() {
    if (!(yield* broken(files.exists(path)))) return {}
    const decoded = decodeKnown(yield* broken(files.readFileString(path)))
    return Result.isSuccess(decoded) ? decoded.success : yield* failed(`${path} holds no pins`)
  })
  const write = Effect.fnUntraced(function*(known: Known) {
    const temporary = `${path}.${crypto.randomUUID()}.tmp`
    const sorted = Object.fromEntries(Object.entries(known).sort(([a], [b]) => a < b ? -1 : 1))
    yield* files.writeFileString(temporary, `${JSON.stringify(sorted, null, 2)}\n`, { mode: 0o600 })
    yield* files.rename(temporary, path)
  }, broken)
  /** One process alone can make it. */
  const lock = `${path}.lock`
  const locking = files.writeFileString(lock, "", { flag: "wx", mode: 0o600 }).pipe(
    Effect.tapError(() =>
      Effect.gen(function*() {
        const { mtime } = yield* files.stat(lock)
        const now = (yield* DateTime.now).epochMilliseconds
        if (Option.isSome(mtime) && now - mtime.value.getTime() > staleAfter) yield* files.remove(lock)
      }).pipe(Effect.ignore)
    ),
    Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "15 seconds" }))),
    broken
  )
  const locked = <A>(change: Effect.Effect<A, StorageFailed>) =>
    Effect.acquireUseRelease(locking, () => change, () => Effect.ignore(files.remove(lock)))
  return make((by) =>
    one.withPermit(Effect.gen(function*() {
      const apply = Effect.gen(function*() {
        const known: Known = yield* read
        const [result, next] = yield* by(known)
        return { result, next, isSame: JSON.stringify(next) === JSON.stringify(known) }
      })
      const { isSame, result } = yield* apply
      if (isSame) return result
      // Another process may have changed it meanwhile.
      return yield* locked(Effect.flatMap(
        apply,
        (now) => now.isSame ? Effect.succeed(now.result) : Effect.as(write(now.next), now.result)
      ))
    }))
  )
})
