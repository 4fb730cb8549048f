/**
 * What a sink sends of an event, in the form that it was told to.
 *
 * @internal
 */
import type { ExportEvent } from "../ExportEvent.ts"
import type { Format } from "../ExportSink.ts"
import * as Ocsf from "../Ocsf.ts"
import { payloadOf } from "./payload.ts"

/** @internal */
export const formatted = (event: ExportEvent, format: Format, now: number): Readonly<Record<string, unknown>> =>
  format === "ocsf" ? Ocsf.eventOf(event, now) : payloadOf(event)
