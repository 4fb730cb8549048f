/**
 * How much a tenant's settings may contain. What is kept here is kept permanently, and some of it is in every record.
 *
 * @since 0.1.0
 */

/**
 * The longest name of a tenant, in characters.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxNameLength = 200

/**
 * The largest `policy_config`, in characters of JSON: 16 KiB. The policy's input holds it, and so does every record.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxPolicyConfigLength = 16_384

/**
 * The longest URL of a webhook, in characters.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxUrlLength = 2048

/**
 * How many names of events, and how many pairs of tool and method, a tenant has.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxListed = 500

/**
 * The longest name of an event, or pair of tool and method, in characters: a tool has 256 and a method 128.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxListedLength = 385

/**
 * Calls in a second that a new tenant can be given by POST /tenants.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxBurst = 100_000

/**
 * How many managed agents a tenant has. A list shows them all.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxAgents = 500

/**
 * The largest managed agent, prompt included, in characters of JSON: 64 KiB.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxAgentLength = 65_536

/**
 * How many credentials a tenant has. Every decision asks for their tools.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxCredentials = 500

/**
 * The longest name of a credential, and of its tool, in characters: as long as a tool's name can be.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxCredentialName = 256

/**
 * The longest value of a credential, in characters: 16 KiB, which holds any key and certificate.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxCredentialValue = 16_384

/**
 * How many tenants requests can make: beyond that, neither POST /tenants nor a confirmed address makes one.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxTenants = 10_000
