/**
 * What the proxy changes in answers of the server that tell what there is: the tools that are offered, and the revisions of
 * the protocol.
 *
 * @internal
 */
import * as Result from "effect/Result"
import { readParamsText } from "../../calls/internal/paramsText.ts"
import { sha256 } from "../../internal/sha256.ts"
import * as JsonRpc from "../JsonRpc.ts"
import type { Listed } from "../ToolPins.ts"
import { type Era, knownVersions } from "./era.ts"
import { misread, namesOf } from "./memberNames.ts"
import { objectAt, type ObjectText } from "./rawMessage.ts"

/**
 * What a server lists that can be pinned.
 *
 * @internal
 */
export type Kind = "tools" | "prompts"

/**
 * What is listed.
 *
 * @internal
 */
export interface Offer {
  readonly isListed: (name: string) => boolean
  /** The tool to ask after an approval, as JSON, where there is one. */
  readonly checkTool?: string | undefined
}

/**
 * The result of `tools/list` or `prompts/list` as the client gets it, undefined where that is as it came, or why it cannot be
 * passed on.
 *
 * @internal
 */
export const listed = (
  era: Era,
  kind: Kind,
  result: ObjectText,
  value: JsonRpc.Message,
  { checkTool, isListed }: Offer
): Result.Result<string | undefined, string> => {
  const wrong = result.repeated === undefined
    ? misread(value, namesOf.list)
    : `${JSON.stringify(result.repeated)} stands twice`
  if (wrong !== undefined) return Result.fail(wrong)
  const all = result.elements(kind) ?? []
  const kept = all.filter((text) => {
    const one = objectAt(text)
    if (one === undefined || one.repeated !== undefined) return false
    const read = JSON.parse(text) as JsonRpc.Message
    return misread(read, namesOf.tool) === undefined && typeof read["name"] === "string" && isListed(read["name"])
  })
  const isLast = value["nextCursor"] === undefined
  const more = checkTool !== undefined && isLast ? [checkTool] : []
  if (kept.length === all.length && more.length === 0 && (kind === "prompts" || result.raw(kind) !== undefined)) {
    return Result.succeed(undefined)
  }
  return Result.succeed(result.with({
    [kind]: `[${[...kept, ...more].join(",")}]`,
    // What is left out here is the proxy's choice, not the server's.
    ...(era._tag === "Modern" ? { cacheScope: `"private"` } : {})
  }))
}

/**
 * What a server lists, as pins know it: with digests of what each says of itself, not of its spelling and `_meta`, unless a
 * name stands twice, which readers understand in different ways.
 *
 * @internal
 */
export const pinnedIn = (server: string, kind: Kind, result: ObjectText): ReadonlyArray<Listed> =>
  (result.elements(kind) ?? []).flatMap((text) => {
    const one = JSON.parse(text) as unknown
    if (!JsonRpc.isRecord(one) || typeof one["name"] !== "string") return []
    const { _meta: _, ...said } = one
    const definition = Result.isSuccess(readParamsText(text)) ? JSON.stringify(said, inOrder) : text
    return [{ name: pinOf(server, kind, one["name"]), digest: sha256(definition), definition }]
  })

/**
 * What a server says of itself, as pins know it; nothing where it says nothing.
 *
 * @internal
 */
export const instructionsIn = (server: string, result: JsonRpc.Message): ReadonlyArray<Listed> => {
  const { instructions } = result
  if (instructions === undefined) return []
  const definition = JSON.stringify(instructions, inOrder)
  return [{ name: `${server}#instructions`, digest: sha256(definition), definition }]
}

/**
 * Why the instructions of a result cannot be told: readers may take others for them.
 *
 * @internal
 */
export const misreadInstructions = (result: ObjectText, value: JsonRpc.Message): string | undefined =>
  result.repeated === undefined
    ? misread(value, namesOf.instructions)
    : `${JSON.stringify(result.repeated)} stands twice`

const inOrder = (_: string, value: unknown): unknown =>
  JsonRpc.isRecord(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)) : value

/**
 * An answer that names the revisions that the server speaks, with those that the proxy knows.
 *
 * @internal
 */
export const withKnownVersions = (answer: ObjectText, value: JsonRpc.Message): string => {
  const cut = (object: ObjectText, name: string, versions: unknown) =>
    Array.isArray(versions)
      ? object.with({ [name]: JSON.stringify(versions.filter((version) => knownVersions.includes(version as string))) })
      : undefined
  const result = answer.object("result")
  const error = answer.object("error")
  if (result !== undefined) {
    const text = cut(result, "supportedVersions", JsonRpc.member(value, "result")["supportedVersions"])
    return text === undefined ? answer.text : answer.with({ result: text })
  }
  const data = error?.object("data")
  const supported = JsonRpc.member(JsonRpc.member(value, "error"), "data")["supported"]
  const text = data && cut(data, "supported", supported)
  return text === undefined ? answer.text : answer.with({ error: error!.with({ data: text }) })
}

/**
 * The tool with which a client asks after a pending action, as JSON.
 *
 * @internal
 */
export const checkToolText = (name: string): string =>
  JSON.stringify({
    name,
    description:
      "Asks whether a tool call that waits for a reviewer's approval was approved. Once it is, this performs the \
call and returns its result; it is performed only once, however often this is asked.",
    inputSchema: {
      type: "object",
      properties: { action_id: { type: "string", description: "The id that the call was answered with" } },
      required: ["action_id"]
    },
    annotations: { title: "Check an approval" }
  })

/**
 * Under which a tool or a prompt is remembered. No server's name for policies has a `#`.
 *
 * @internal
 */
export const pinOf = (server: string, kind: Kind, name: string): string =>
  kind === "tools" ? `${server}/${name}` : `${server}#${kind}/${name}`
