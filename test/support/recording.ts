/** A tracer that keeps its spans. */
import { Layer, Tracer } from "effect"

export const recording = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, layer: Layer.succeed(Tracer.Tracer, tracer) }
}

/** What a span is called and says. */
export const told = ({ attributes, kind, name }: Tracer.NativeSpan): Readonly<Record<string, unknown>> => ({
  name,
  kind,
  ...Object.fromEntries(attributes)
})
