/**
 * Who decides: reviewers by name, with the groups that rules speak of.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"

/**
 * The id of a reviewer, as the source of identities has it: an e-mail address, a subject of OIDC, a user of a chat. At
 * most 256 characters, without blanks and controls.
 *
 * @category ids
 * @since 0.2.0
 */
export const ReviewerId = Schema.String.check(
  Schema.isPattern(/^[^\s\p{C}]{1,256}$/u, { expected: "1 to 256 characters without blanks and controls" })
)

/**
 * The name of a group of reviewers: at most 256 printable characters.
 *
 * @category ids
 * @since 0.2.0
 */
export const Group = Schema.String.check(
  Schema.isPattern(/^\P{C}{1,256}$/u, { expected: "1 to 256 printable characters" })
)

/**
 * An authenticated reviewer. Only an `Authenticator` makes one from what a request carries.
 *
 * @category models
 * @since 0.2.0
 */
export class Reviewer extends Schema.Class<Reviewer>("effect-vargate/Reviewer")({
  id: ReviewerId,
  name: Schema.String,
  groups: Schema.Array(Group)
}) {}
