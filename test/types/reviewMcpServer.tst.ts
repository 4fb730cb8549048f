import type { Effect, Layer, Stdio } from "effect"
import type { Approvals, Reviews, ToolCalls, VargateError } from "effect-vargate"
import * as ReviewMcpServer from "effect-vargate/mcp/ReviewMcpServer"
import type { McpServer } from "effect/ai"
import { expect, test } from "tstyche"

type Agent = ToolCalls.ToolCalls | Approvals.Approvals | McpServer.McpServer | Stdio.Stdio

test("the tools of a reviewer need what no layer of an agent has", () => {
  expect(ReviewMcpServer.tools()).type.toBe<
    Layer.Layer<never, VargateError.VargateError, McpServer.McpServer | Approvals.Approvals | Reviews.Reviews>
  >()
  expect(ReviewMcpServer.stdio()).type.toBe<
    Effect.Effect<void, VargateError.VargateError, Stdio.Stdio | Approvals.Approvals | Reviews.Reviews>
  >()
  expect(ReviewMcpServer.stdio()).type.not.toBeAssignableTo<Effect.Effect<void, unknown, Agent>>()
  expect(ReviewMcpServer.tools()).type.not.toBeAssignableTo<Layer.Layer<never, unknown, Agent>>()
  expect(ReviewMcpServer.requireReviewer).type.toBe<
    Effect.Effect<void, VargateError.OperationError, Reviews.Reviews>
  >()
})
