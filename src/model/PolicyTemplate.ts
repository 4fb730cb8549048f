/**
 * The policy templates that a tenant chooses from, and what each can be tuned with.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Amount = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const Texts = Schema.Array(Schema.NonEmptyString)

/**
 * For agents of any kind.
 *
 * @category parameters
 * @since 0.1.0
 */
export const GeneralParameters = Schema.Struct({
  /** Actions of an agent in 24 hours. Default: 200. */
  dailyActionLimit: Schema.optional(Count),
  /** An anomaly score, 0 to 1. Default: 0.7. */
  anomalyThreshold: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  /** Violations in 24 hours after which an agent rests for an hour. Default: 3. */
  cooldownViolations: Schema.optional(Count),
  /** Whether `delete`, `destroy`, `purge` and `drop` need an approval. Default: true. */
  approveDestructive: Schema.optional(Schema.Boolean)
})

/**
 * For agents that move money. Amounts are in units of the currency.
 *
 * @category parameters
 * @since 0.1.0
 */
export const FinancialParameters = Schema.Struct({
  /** Amounts from here on are denied. Default: 5000. */
  transactionLimit: Schema.optional(Amount),
  /** An ISO 4217 code. Default: `EUR`. */
  currency: Schema.optional(Schema.String.check(Schema.isPattern(/^[A-Z]{3}$/, { expected: "a code like EUR" }))),
  /** Whether amounts from 100 on are denied outside Monday to Friday, 9 to 18 UTC. Default: true. */
  businessHoursOnly: Schema.optional(Schema.Boolean),
  /** Amounts from here on need an approval. Default: 1000. */
  approvalThreshold: Schema.optional(Amount),
  /** Actions of an agent in 24 hours. Default: 100. */
  dailyTransactionCap: Schema.optional(Count)
})

/**
 * For agents that write mail.
 *
 * @category parameters
 * @since 0.1.0
 */
export const EmailParameters = Schema.Struct({
  /** Mails of an agent in 24 hours. Default: 50. */
  dailySendLimit: Schema.optional(Count),
  /** Whether a mail must say that a machine wrote it. Default: true. */
  requireDisclosure: Schema.optional(Schema.Boolean),
  /** Whether the first mail to a recipient needs an approval. Default: true. */
  firstContactApproval: Schema.optional(Schema.Boolean),
  /** Domains to which no mail may be sent. Default: eight of consumers. */
  blockedDomains: Schema.optional(Texts)
})

/**
 * For agents that work on customer records.
 *
 * @category parameters
 * @since 0.1.0
 */
export const CrmParameters = Schema.Struct({
  /** More records at once need an approval; ten times as many are denied. Default: 10. */
  bulkThreshold: Schema.optional(Count),
  /** Default: false. */
  allowDelete: Schema.optional(Schema.Boolean),
  /** Whether exports need an approval. Default: true. */
  exportApproval: Schema.optional(Schema.Boolean),
  /** Fields that no agent may change. Default: `owner`, `revenue`. */
  restrictedFields: Schema.optional(Texts)
})

/**
 * For agents that query data.
 *
 * @category parameters
 * @since 0.1.0
 */
export const DataAccessParameters = Schema.Struct({
  /** Rows of one query. Default: 10,000. */
  maxRowLimit: Schema.optional(Count),
  /** Default: false. */
  piiAllowed: Schema.optional(Schema.Boolean),
  /** Default: `eu-west-1`. */
  allowedRegions: Schema.optional(Texts),
  /** Whether personal data must be masked. Default: true. */
  requireMasking: Schema.optional(Schema.Boolean),
  /** Queries of an agent in 24 hours. Default: 500. */
  dailyQueryLimit: Schema.optional(Count)
})

const chosen = <const Id extends string, Parameters extends Schema.Top>(template: Id, parameters: Parameters) =>
  Schema.Struct({ template: Schema.Literal(template), parameters: Schema.optional(parameters) })

/**
 * A template with the parameters that shall differ from its defaults. Without `parameters`, those of the tenant stay as
 * they are; `{}` takes them all back.
 *
 * @category models
 * @since 0.1.0
 */
export const PolicyChoice = Schema.Union([
  chosen("general", GeneralParameters),
  chosen("financial", FinancialParameters),
  chosen("email", EmailParameters),
  chosen("crm", CrmParameters),
  chosen("data_access", DataAccessParameters)
])

/**
 * The type of {@link PolicyChoice}.
 *
 * @category models
 * @since 0.1.0
 */
export type PolicyChoice = typeof PolicyChoice.Type

/**
 * A template as the gateway lists it (GET /policy/templates). `parameters` are named as in {@link PolicyChoice}.
 *
 * @category models
 * @since 0.1.0
 */
export class PolicyTemplate extends Schema.Class<PolicyTemplate>("effect-vargate/PolicyTemplate")({
  id: Schema.String,
  name: Schema.String,
  description: Schema.String,
  parameters: Schema.Array(Schema.String)
}) {}
