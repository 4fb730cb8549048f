/**
 * Commands with every service of an agent or of an operator.
 *
 * @internal
 */
import * as Vargate from "../../Vargate.ts"
import { connectedTo } from "./connection.ts"

/**
 * Provides a command that speaks to the gateway as an agent may.
 *
 * @internal
 */
export const connected = connectedTo(Vargate.layer)

/**
 * Provides a command of reviewers.
 *
 * @internal
 */
export const connectedAsOperator = connectedTo(Vargate.layerOperator)
