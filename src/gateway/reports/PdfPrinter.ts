/**
 * Prints exports. The gateway brings no printer of its own: a program that wants PDF provides one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ComplianceExport } from "../../operator/ComplianceExport.ts"

/**
 * Makes a PDF of an export, by whatever library the program has. A failure is answered with 500.
 *
 * @category models
 * @since 0.1.0
 */
export type PrintPdf = (report: ComplianceExport) => Effect.Effect<Uint8Array, unknown>

/**
 * The printer, or undefined where there is none.
 *
 * @category references
 * @since 0.1.0
 */
export const PdfPrinter = Context.Reference<PrintPdf | undefined>("effect-vargate/gateway/PdfPrinter", {
  defaultValue: () => undefined
})
