import { assert, describe, it } from "@effect/vitest"
import type { HttpApiGroup } from "effect/http-api"
import { missingScope, routeScopes } from "../../../src/gateway/http/routeScopes.ts"
import { InboxApi } from "../../../src/gateway/inbox/InboxApi.ts"
import { KeysApi } from "../../../src/gateway/tenants/KeysApi.ts"
import { ApiKey } from "../../../src/transport/wire/ApiKey.ts"
import { VargateApi } from "../../../src/VargateApi.ts"

const groups: ReadonlyArray<HttpApiGroup.Top> = [VargateApi, InboxApi, KeysApi].flatMap(({ groups }) =>
  Object.values(groups as unknown as Readonly<Record<string, HttpApiGroup.Top>>)
)

const keyed = groups.flatMap((group) =>
  Object.values(group.endpoints).flatMap((endpoint) =>
    endpoint.middlewares.has(ApiKey) ? [`${group.identifier}.${endpoint.identifier}`] : []
  )
)

describe("routeScopes", () => {
  it("lists every route that needs a key, and no other", () => {
    const listed = Object.entries(routeScopes).flatMap(([group, routes]) =>
      Object.keys(routes).map((endpoint) => `${group}.${endpoint}`)
    )
    assert.deepStrictEqual(listed.toSorted(), keyed.toSorted())
  })

  it("opens no route that is not listed", () => {
    const all = ["agent", "reviewer", "operator"] as const
    for (const [group, endpoint] of [["toolCalls", "other"], ["other", "call"], ["toString", "call"]] as const) {
      assert.isDefined(missingScope(group, endpoint, all))
    }
    assert.isDefined(missingScope("toolCalls", "constructor", all))
    assert.isUndefined(missingScope("toolCalls", "call", ["agent"]))
    assert.isUndefined(missingScope("audit", "log", []))
  })
})
