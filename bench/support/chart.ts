/** Bar charts as one SVG, on a ground of its own, so that it is legible on any page. */
import { format } from "./markdown.ts"
import type { Chart } from "./report.ts"

const width = 900
const margin = 28
const nameWidth = 340
const valueWidth = 90
const barHeight = 18
const step = 26
const titleHeight = 40
const gap = 22

const style = `
  .ground { fill: #ffffff; stroke: #d0d7de }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .hint { font-size: 13px; font-weight: 400 }
  .bar { fill: #afb8c1 }
  .ours { fill: #0969da }
  text.ours { fill: #0550ae; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #30363d }
    text { fill: #e6edf3 }
    .bar { fill: #57606a }
    .ours { fill: #2f81f7 }
    text.ours { fill: #79c0ff }
  }
`

const escape = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

const heightOf = ({ bars }: Chart) => titleHeight + bars.length * step

const draw = ({ bars, title }: Chart, top: number): string => {
  const longest = Math.max(...bars.map(({ value }) => value))
  const space = width - 2 * margin - nameWidth - valueWidth
  const rows = bars.map(({ isOurs, name, value }, i) => {
    const y = top + titleHeight + i * step
    const length = Math.max(1, value / longest * space)
    const left = margin + nameWidth
    const ours = isOurs ? " class=\"ours\"" : ""
    return `
  <text x="${left - 10}" y="${y + 13.5}" text-anchor="end"${ours}>${escape(name)}</text>
  <rect class="${isOurs ? "ours" : "bar"}" x="${left}" y="${y}" width="${
      length.toFixed(1)
    }" height="${barHeight}" rx="2"/>
  <text x="${(left + length + 8).toFixed(1)}" y="${y + 13.5}"${ours}>${format(value)}</text>`
  })
  return `
  <text class="title" x="${margin}" y="${top + 20}">${escape(title)}
    <tspan class="hint">(more is better)</tspan></text>${rows.join("")}`
}

/** The charts beneath each other, longer bars being better ones. */
export const drawCharts = (charts: ReadonlyArray<Chart>, title: string): string => {
  const tops = charts.map((_, i) =>
    margin + charts.slice(0, i).reduce((height, chart) => height + heightOf(chart) + gap, 0)
  )
  const height = margin + charts.reduce((sum, chart) => sum + heightOf(chart) + gap, 0)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
  <title>${escape(title)}</title>
  <style>${style}</style>
  <rect class="ground" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>${
    charts.map((chart, i) => draw(chart, tops[i]!)).join("")
  }
</svg>
`
}
