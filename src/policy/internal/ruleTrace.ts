/**
 * What a rule reads of a decision document: the values that it saw, and the fields that it asked for in vain.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"

const isText = Predicate.isString
const isNumber = (value: unknown) => Predicate.isNumber(value) && Number.isFinite(value)
const isFlag = Predicate.isBoolean

/** What every document of the embedded gateway has, and how its values look. */
const fields: Readonly<Record<string, (value: unknown) => boolean>> = {
  "tenant.id": isText,
  "tenant.name": isText,
  "tenant.policy_template": isText,
  "tenant.policy_config": Predicate.isObject,
  "agent.id": isText,
  "agent.type": isText,
  "agent.version": isText,
  "action.id": isText,
  "action.tool": isText,
  "action.method": isText,
  "action.params": Predicate.isObject,
  "action.requested_at": isText,
  "context.time_utc": isText,
  "context.hour_of_day": isNumber,
  "context.day_of_week": isNumber,
  "context.is_business_hours": isFlag,
  "data.contains_pii": isFlag,
  "data.pii_types": Array.isArray,
  "data.pii_fields": Array.isArray,
  "data.recipients": Array.isArray,
  "history.anomaly_score": isNumber,
  "history.last_24h.action_count": isNumber,
  "history.last_24h.policy_violations": isNumber,
  "history.last_24h.last_violation_at": (value) => value === null || isText(value),
  "history.known_recipient": isFlag
}

const valueAt = (document: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>(
    (value, step) => Predicate.isObject(value) && Object.hasOwn(value, step) ? Reflect.get(value, step) : undefined,
    document
  )

/**
 * Fields of the decision document that are not there, or not as they should be.
 *
 * @internal
 */
export const lackingIn = (document: unknown): ReadonlyArray<string> =>
  Object.keys(fields).filter((path) => !fields[path]!(valueAt(document, path)))

/** A rule asked for a field that is not known. */
class Lacking extends Error {}

/** What is below is the caller's and the tenant's, where what is absent is not there. */
const isOpen = (path: string) => /^(?:action\.params|tenant\.policy_config)(?:\.|$)/.test(path)

/**
 * A document, or parameters, under the eyes of which a rule is run.
 *
 * @internal
 */
export interface Traced<A extends object> {
  readonly value: A
  /** What was asked for and is not known. */
  readonly missing: ReadonlySet<string>
  /** Texts, numbers, flags and nulls, by their paths, in the order in which they were read. */
  readonly seen: ReadonlyMap<string, unknown>
}

/**
 * Follows what is read of an object. In one that lacks anything, whatever is absent is not known, but for params and
 * parameters.
 *
 * @internal
 */
export const traced = <A extends object>(object: A, lacking: ReadonlySet<string>): Traced<A> => {
  const missing = new Set<string>()
  const seen = new Map<string, unknown>()
  const wrapped = new Map<object, object>()

  const absent = (path: string): never => {
    missing.add(path)
    throw new Lacking(path)
  }

  const wrap = (target: object, path: string): object => {
    const known = wrapped.get(target)
    if (known !== undefined) return known
    const isUnknown = (name: string) =>
      lacking.has(name) || (lacking.size > 0 && !Array.isArray(target) && !isOpen(path))
    const proxy = new Proxy(target, {
      get: (_, key, receiver) => {
        if (typeof key === "symbol") return Reflect.get(target, key, receiver)
        const name = path === "" ? key : `${path}.${key}`
        if (lacking.has(name)) return absent(name)
        if (!Object.hasOwn(target, key)) {
          return !(key in target) && isUnknown(name) ? absent(name) : Reflect.get(target, key, receiver)
        }
        const value = Reflect.get(target, key, receiver)
        if (typeof value === "object" && value !== null) return wrap(value, name)
        if (!(Array.isArray(target) && key === "length")) seen.set(name, value)
        return value
      },
      has: (_, key) => {
        const name = typeof key === "symbol" ? "" : path === "" ? key : `${path}.${key}`
        return !(key in target) && typeof key === "string" && isUnknown(name) ? absent(name) : key in target
      },
      ownKeys: () =>
        lacking.size > 0 && !Array.isArray(target) && !isOpen(path)
          ? absent(path === "" ? "*" : `${path}.*`)
          : Reflect.ownKeys(target)
    })
    wrapped.set(target, proxy)
    return proxy
  }

  // What is frozen may not be shown otherwise than it is.
  return { value: wrap(structuredClone(object), "") as A, missing, seen }
}
