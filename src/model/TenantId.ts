/**
 * The name of a tenant.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Id of a tenant, or the slug of its public page: 1 to 256 characters without a slash, not `.` or `..`, which could not
 * stand in a URL.
 *
 * @category ids
 * @since 0.1.0
 */
export const TenantId = Schema.String.check(
  Schema.isPattern(/^(?!\.{1,2}$)[^/\p{Cc}\p{Cs}]{1,256}$/u, { expected: "a tenant id" })
)
