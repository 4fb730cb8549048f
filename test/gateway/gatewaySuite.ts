/** One set of cases for every way into the embedded gateway: all must behave as one. */
import { describe } from "@effect/vitest"
import { access } from "./suite/access.ts"
import { accounts } from "./suite/accounts.ts"
import { anchorsOf } from "./suite/anchors.ts"
import { approvals } from "./suite/approvals.ts"
import { audit } from "./suite/audit.ts"
import { compliance } from "./suite/compliance.ts"
import { credentials } from "./suite/credentials.ts"
import type { Door } from "./suite/doors.ts"
import { limits } from "./suite/limits.ts"
import { managedAgents } from "./suite/managedAgents.ts"
import { merkle } from "./suite/merkle.ts"
import { replays } from "./suite/replay.ts"
import { requests } from "./suite/requests.ts"
import { scopedKeys } from "./suite/scopes.ts"
import { settings } from "./suite/settings.ts"
import { shapesOf } from "./suite/shapes.ts"
import { systems } from "./suite/system.ts"
import { toolCalls } from "./suite/toolCalls.ts"

export const gatewaySuite = (door: Door) =>
  describe(door.name, () => {
    toolCalls(door)
    limits(door)
    approvals(door)
    audit(door)
    merkle(door)
    managedAgents(door)
    anchorsOf(door)
    compliance(door)
    systems(door)
    replays(door)
    access(door)
    requests(door)
    settings(door)
    credentials(door)
    accounts(door)
    scopedKeys(door)
    shapesOf(door)
  })
