/**
 * Files in a tar archive, as far as bundles of OPA need it.
 *
 * @internal
 */
const block = 512
const decoder = new TextDecoder()

/** Up to the first NUL. */
const field = (header: Uint8Array, from: number, length: number): string => {
  const bytes = header.subarray(from, from + length)
  const end = bytes.indexOf(0)
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end))
}

/**
 * The regular files by their paths, without a leading slash. Undefined where the bytes are no whole archive.
 *
 * @internal
 */
export const filesIn = (archive: Uint8Array): ReadonlyMap<string, Uint8Array> | undefined => {
  const files = new Map<string, Uint8Array>()
  for (let at = 0; at + block <= archive.length;) {
    const header = archive.subarray(at, at + block)
    if (header.every((byte) => byte === 0)) return files
    const octal = field(header, 124, 12).trim()
    if (!/^[0-7]+$/.test(octal)) return undefined
    const size = Number.parseInt(octal, 8)
    const content = archive.subarray(at + block, at + block + size)
    if (content.length < size) return undefined
    const prefix = field(header, 257, 6) === "ustar" ? field(header, 345, 155) : ""
    const kind = header[156]
    if (kind === 0 || kind === 0x30) {
      files.set(`${prefix === "" ? "" : `${prefix}/`}${field(header, 0, 100)}`.replace(/^\.?\//, ""), content)
    }
    at += block + Math.ceil(size / block) * block
  }
  return undefined
}
