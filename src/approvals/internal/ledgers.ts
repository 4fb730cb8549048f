/**
 * Which ledger an action id belongs to. The ids of gateways are random, so that all of them are one ledger here, whichever
 * services, layers and addresses reach it. A scripted wire makes its ids up, and is one of its own.
 *
 * @internal
 */
import * as Context from "effect/Context"

/**
 * What names a ledger: itself.
 *
 * @internal
 */
export interface Ledger {
  readonly name: string
}

/**
 * That of all gateways.
 *
 * @internal
 */
export const gateways: Ledger = { name: "gateways" }

/**
 * The ledger that a wire reaches.
 *
 * @internal
 */
export const CurrentLedger = Context.Reference<Ledger>("effect-vargate/internal/CurrentLedger", {
  defaultValue: () => gateways
})

const byService = new WeakMap<object, Ledger>()

/**
 * Remembers the ledger of a service.
 *
 * @internal
 */
export const reaches = <S extends object>(service: S, ledger: Ledger): S => {
  byService.set(service, ledger)
  return service
}

/**
 * The ledger of a service that {@link reaches} one.
 *
 * @internal
 */
export const ledgerOf = (service: object): Ledger | undefined => byService.get(service)
