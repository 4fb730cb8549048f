/**
 * Makes a reviewer of a user of Slack, whom a checked request of Slack's names by team and id. A display name is never
 * believed.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { FieldIssue, VargateError } from "../errors/VargateError.ts"
import { makeSlackApi, type SlackOptions } from "./internal/slackApi.ts"
import { Reviewer } from "./Reviewer.ts"
import { NotAuthenticated } from "./ReviewError.ts"

/**
 * A user of Slack, as a signed request names it.
 *
 * @category models
 * @since 0.2.0
 */
export interface SlackUser {
  /** Of the user, not of the channel: a shared channel has users of other teams. */
  readonly teamId: string
  readonly userId: string
}

/**
 * Knows reviewers by who they are in Slack.
 *
 * @category services
 * @since 0.2.0
 */
export class SlackAuthenticator extends Context.Service<SlackAuthenticator, {
  readonly authenticate: (user: SlackUser) => Effect.Effect<Reviewer, NotAuthenticated>
}>()("effect-vargate/SlackAuthenticator") {}

const TeamId = Schema.String.check(
  Schema.isPattern(/^[TE][A-Z0-9]{1,30}$/, { expected: "the id of a team, like T0123456789" })
)

/**
 * A reviewer of a table, with who they are in Slack.
 *
 * @category models
 * @since 0.2.0
 */
export const UserEntry = Schema.Struct({
  ...Reviewer.fields,
  userId: Schema.String.check(
    Schema.isPattern(/^[UW][A-Z0-9]{1,30}$/, { expected: "the id of a user, like U0123456789" })
  )
})

/**
 * The type of {@link UserEntry}.
 *
 * @category models
 * @since 0.2.0
 */
export type UserEntry = typeof UserEntry.Type

/**
 * A reviewer of a table, with their e-mail address in Slack.
 *
 * @category models
 * @since 0.2.0
 */
export const EmailEntry = Schema.Struct({
  ...Reviewer.fields,
  email: Schema.String.check(Schema.isPattern(/^[^\s@\p{C}]{1,200}@[^\s@\p{C}]{1,200}$/u, { expected: "an address" }))
})

/**
 * The type of {@link EmailEntry}.
 *
 * @category models
 * @since 0.2.0
 */
export type EmailEntry = typeof EmailEntry.Type

const refused = (detail: string) => new NotAuthenticated({ detail })

/** The reviewers of a table by a key, where no two have the same id or the same key. */
const tableOf = <A extends { readonly id: string; readonly name: string; readonly groups: ReadonlyArray<string> }>(
  entries: ReadonlyArray<A>,
  key: string,
  keyOf: (entry: A) => string
): Result.Result<ReadonlyMap<string, Reviewer>, ReadonlyArray<FieldIssue>> => {
  const table = new Map<string, Reviewer>()
  const ids = new Set<string>()
  for (const [index, entry] of entries.entries()) {
    const same = ids.has(entry.id) ? "id" : table.has(keyOf(entry)) ? key : undefined
    if (same !== undefined) return Result.fail([{ path: [index, same], message: `Another entry has the same ${same}` }])
    ids.add(entry.id)
    table.set(keyOf(entry), new Reviewer({ id: entry.id, name: entry.name, groups: entry.groups }))
  }
  return Result.succeed(table)
}

const decodeTeam = Schema.decodeUnknownResult(TeamId)
const decodeUsers = Schema.decodeUnknownResult(Schema.Array(UserEntry))
const decodeEmails = Schema.decodeUnknownResult(Schema.Array(EmailEntry))

const checked = <A>(
  operation: string,
  at: string,
  result: Result.Result<A, Schema.SchemaError>
): Effect.Effect<A, VargateError> =>
  Result.isSuccess(result)
    ? Effect.succeed(result.success)
    : Effect.fail(invalidRequest(operation, fieldIssues(result.failure.issue, [at])))

const filled = (operation: string, table: ReturnType<typeof tableOf>) =>
  Result.isSuccess(table) ? Effect.succeed(table.success) : Effect.fail(invalidRequest(operation, table.failure))

/**
 * A table of users of one team. Fails with `InvalidRequest` where the table is not valid, and where two entries have the
 * same id or the same user.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerUsers = (
  options: { readonly teamId: string; readonly reviewers: ReadonlyArray<UserEntry> }
): Layer.Layer<SlackAuthenticator, VargateError> =>
  Layer.effect(
    SlackAuthenticator,
    Effect.gen(function*() {
      const operation = "SlackAuthenticator.layerUsers"
      const team = yield* checked(operation, "teamId", decodeTeam(options.teamId))
      const entries = yield* checked(operation, "reviewers", decodeUsers(options.reviewers))
      const table = yield* filled(operation, tableOf(entries, "userId", ({ userId }) => userId))
      return SlackAuthenticator.of({
        authenticate: ({ teamId, userId }) =>
          Effect.suspend(() => {
            const reviewer = teamId === team ? table.get(userId) : undefined
            return reviewer === undefined
              ? Effect.fail(refused("the user of Slack is not in the table"))
              : Effect.succeed(reviewer)
          })
      })
    })
  )

const UserInfo = Schema.Struct({
  user: Schema.Struct({
    id: Schema.String,
    team_id: Schema.String,
    deleted: Schema.optionalKey(Schema.Boolean),
    is_bot: Schema.optionalKey(Schema.Boolean),
    is_email_confirmed: Schema.optionalKey(Schema.Boolean),
    profile: Schema.Struct({ email: Schema.optionalKey(Schema.String) })
  })
})
const decodeInfo = Schema.decodeUnknownEffect(UserInfo)

/**
 * Who reviewers are by e-mail, and of which team.
 *
 * @category options
 * @since 0.2.0
 */
export interface EmailOptions extends SlackOptions {
  readonly teamId: string
  readonly reviewers: ReadonlyArray<EmailEntry>
}

/**
 * Reviewers by the e-mail address that Slack has confirmed of a user: it is asked at every vote (`users.info`; the bot needs
 * the scopes `users:read` and `users:read.email`). Users of other teams, bots and deactivated users are refused, and so
 * are addresses that are not confirmed. Use it where users cannot choose an address of another one, as with single sign-on.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerEmails = (
  { reviewers, teamId, ...slack }: EmailOptions
): Layer.Layer<SlackAuthenticator, VargateError, HttpClient.HttpClient> =>
  Layer.effect(
    SlackAuthenticator,
    Effect.gen(function*() {
      const operation = "SlackAuthenticator.layerEmails"
      const team = yield* checked(operation, "teamId", decodeTeam(teamId))
      const entries = yield* checked(operation, "reviewers", decodeEmails(reviewers))
      const table = yield* filled(operation, tableOf(entries, "email", ({ email }) => email.toLowerCase()))
      const api = yield* makeSlackApi(operation, slack)
      return SlackAuthenticator.of({
        authenticate: Effect.fnUntraced(function*(user) {
          if (user.teamId !== team) return yield* refused("the user of Slack is of another team")
          const answer = yield* api.read("users.info", { user: user.userId }).pipe(
            Effect.mapError(({ detail }) => refused(`Slack does not say who the user is: ${detail}`))
          )
          const { user: info } = yield* decodeInfo(answer).pipe(
            Effect.mapError(() => refused("Slack does not say who the user is"))
          )
          if (info.id !== user.userId || info.team_id !== team || info.deleted === true || info.is_bot === true) {
            return yield* refused("the user of Slack is no member of the team")
          }
          if (info.is_email_confirmed !== true) return yield* refused("the user's address is not confirmed in Slack")
          const reviewer = table.get(info.profile.email?.toLowerCase() ?? "")
          return reviewer ?? (yield* refused("the user's address is not in the table"))
        })
      })
    })
  )
