/**
 * Copies of the gateway's database.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A copy that the gateway made of its database, on its own disk (POST /backup/trigger).
 *
 * @category models
 * @since 0.1.0
 */
export class Backup extends Schema.Class<Backup>("effect-vargate/Backup")({
  /** On the gateway's machine. */
  path: Schema.String,
  sizeBytes: Schema.Int,
  durationMs: Schema.optional(Schema.Finite),
  /** As the gateway writes it into the file's name: `20261123T004027Z`. */
  timestamp: Schema.optional(Schema.String)
}) {}
