/** The cases of the gateway by every way into it but the shortest, which is in `Gateway.test.ts`. */
import { gatewaySuite } from "./gatewaySuite.ts"
import { onDisk, overNodeTransport, overSocket } from "./suite/doors.ts"

gatewaySuite(overSocket)
gatewaySuite(overNodeTransport)
gatewaySuite(onDisk)
