/**
 * The name of a tenant.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Id of a tenant, or the slug of its public page: 1 to 256 characters, not `.` or `..`, which could not stand in a URL.
 *
 * @category ids
 * @since 0.1.0
 */
export const TenantId = Schema.String.check(
  Schema.makeFilter((text) => text.length >= 1 && text.length <= 256 && text !== "." && text !== "..", {
    expected: "a tenant id"
  })
)
