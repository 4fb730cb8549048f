/**
 * The record that is meant: by its number, its action, or how the action's id begins.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { AuditLog } from "../../audit/AuditLog.ts"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { NotFound, VargateError } from "../../errors/VargateError.ts"
import { shortId } from "../core/outcome.ts"
import { Printer } from "../screen/Printer.ts"
import * as Words from "../screen/words.ts"

const isNumber = (text: string) => /^\d{1,15}$/.test(text)

const shortest = 8

/** The beginning of an action's id may be all digits too. */
const isMeant = (text: string) => ({ actionId, id, recordHash }: AuditRecord): boolean =>
  (isNumber(text) && id === Number(text)) || actionId === text || recordHash === text ||
  (text.length >= shortest && shortId(actionId) === text)

/**
 * Reads the log from the newest record on, since the gateway has no route for it.
 *
 * @internal
 */
export const findRecord = Effect.fnUntraced(function*(text: string) {
  const auditLog = yield* AuditLog
  const printer = yield* Printer
  const found = yield* progressing(auditLog.records()).pipe(Stream.filter(isMeant(text)), Stream.runHead)
  printer.progress()
  return Option.isSome(found) ? found.value : yield* new VargateError({
    operation: "AuditLog.record",
    reason: new NotFound({ detail: `the log has no record ${text}` })
  })
})

/**
 * Says meanwhile how far the reading is.
 *
 * @internal
 */
export const progressing = <E, R>(
  records: Stream.Stream<AuditRecord, E, R>
): Stream.Stream<AuditRecord, E, R | Printer> =>
  Stream.unwrap(Effect.map(Printer, ({ progress }) => {
    let read = 0
    return Stream.tap(records, () =>
      Effect.sync(() => {
        if (++read % 1000 === 0) progress(`${Words.count(read, "record")} read ...`)
      }))
  }))
