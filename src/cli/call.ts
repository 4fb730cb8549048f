/**
 * `call`: asks for one tool call, and says what became of it.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Reconcile from "../calls/Reconcile.ts"
import * as ToolCalls from "../calls/ToolCalls.ts"
import type { OutcomeUnknown } from "../errors/VargateError.ts"
import { version } from "../internal/version.ts"
import type { ToolCallRequest } from "../model/ToolCall.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import { connected } from "./core/connected.ts"
import { duration } from "./core/flags.ts"
import { conclude, screen } from "./core/outcome.ts"
import { readParams } from "./core/params.ts"
import { waitFor, wholeTime } from "./core/waiting.ts"
import { CallResult, ExitCode } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { dim } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const flags = {
  tool: Argument.String("tool").pipe(Argument.withDescription("Which tool, like stripe")),
  method: Argument.String("method").pipe(Argument.withDescription("Which of its methods, like create_refund")),
  params: Flag.String("params").pipe(
    Flag.withAlias("p"),
    Flag.withMetavar("<json>"),
    Flag.withDescription("A JSON object, @file, or - for stdin"),
    Flag.withDefault("{}")
  ),
  wait: duration("wait").pipe(
    Flag.withOptionalValue(wholeTime),
    Flag.withDescription(`If it is pending, wait for the decision (${wholeTime})`),
    Flag.optional
  ),
  retry: Flag.Boolean("retry").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Retry where nothing can have happened")
  ),
  agent: Flag.String("agent").pipe(
    Flag.withMetavar("<id>"),
    Flag.withDescription("The agent's id (vargate-cli)"),
    Flag.withDefault("vargate-cli")
  ),
  agentType: Flag.String("agent-type").pipe(
    Flag.withMetavar("<type>"),
    Flag.withDescription("The agent's type (cli)"),
    Flag.withDefault("cli")
  ),
  agentVersion: Flag.String("agent-version").pipe(
    Flag.withMetavar("<semver>"),
    Flag.withDescription(`The agent's version (${version})`),
    Flag.withDefault(version)
  ),
  businessHours: Flag.Boolean("business-hours").pipe(
    Flag.withDescription("What the policy takes the time for"),
    Flag.optional
  ),
  reference: Flag.Boolean("reference").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Add a random vargate_reference to the params")
  )
}

/** Once, or again where that is safe; and when the answer is lost, the log is asked instead of the gateway. */
const submit = Effect.fnUntraced(function*(request: ToolCallRequest, isPatient: boolean) {
  const printer = yield* Printer
  const once = ToolCalls.decide(request)
  let why = ""
  const sending = isPatient
    ? once.pipe(
      Effect.tapError((error) => Effect.sync(() => why = error.message)),
      Effect.retry(Schedule.modifyDelay(RetryPolicy.standard, ({ attempt, duration }) => {
        const pause = Words.stretch(Duration.toMillis(duration))
        const message = `${why} Nothing was done; trying again in ${pause} (attempt ${attempt + 1}).`
        return Effect.as(printer.isJson ? printer.warn(message) : printer.note(dim(message)), duration)
      }))
    )
    : once
  return yield* sending.pipe(
    Effect.catchTag("OutcomeUnknown", lookUp),
    Effect.onInterrupt(() =>
      printer.fail({
        error: "Interrupted",
        message: `Interrupted. The call may have been sent, and may have been executed: see \
effect-vargate audit --tool ${request.tool} --limit 5`,
        exitCode: ExitCode.interrupted,
        sideEffect: "possible"
      })
    )
  )
})

const lookUp = Effect.fnUntraced(function*(lost: OutcomeUnknown) {
  const printer = yield* Printer
  yield* printer.note(`The answer was lost: ${lost.cause.message}`)
  printer.progress("looking for the call in the audit log ...")
  return yield* Reconcile.lookUp(lost)
})

const run = Effect.fnUntraced(function*(
  request: ToolCallRequest,
  isPatient: boolean,
  wait: Option.Option<Duration.Duration>
) {
  const printer = yield* Printer
  const decision = yield* submit(request, isPatient)
  const isAwaited = decision._tag === "PendingApproval" && Option.isSome(wait)
  const decided = isAwaited ? yield* waitFor(decision.actionId, wait.value) : decision
  if (decided._tag === "ApprovalTimeout") {
    if (decided.lastFailure !== undefined) yield* printer.warn(decided.lastFailure)
    yield* printer.note(decided.message)
  }
  const outcome = decided._tag === "ApprovalTimeout" ? decision : decided
  yield* printer.print(CallResult, outcome, (width) => screen(outcome, width))
  yield* conclude(outcome)
})

/** @internal */
export const command = Command.make(
  "call",
  flags,
  Effect.fnUntraced(
    function*({ agent, agentType, agentVersion, businessHours, method, params, reference, retry, tool, wait }) {
      const request: ToolCallRequest = {
        tool,
        method,
        params: yield* readParams(params),
        agent: { id: agent, type: agentType, version: agentVersion },
        isBusinessHours: Option.getOrUndefined(businessHours),
        reference: reference ? "params" : undefined
      }
      yield* connected(run(request, retry, wait))
    }
  )
).pipe(
  Command.withDescription("Submit one tool call; it is never sent twice unless nothing can have happened"),
  Command.withShortDescription("Ask for one tool call"),
  Command.withExamples([
    { command: `effect-vargate call stripe create_refund -p '{"amount": 50}' --wait` },
    { command: "effect-vargate call http GET -p @request.json --agent research-bot --retry" }
  ])
)
