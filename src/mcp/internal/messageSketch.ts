/**
 * What can be known of a message that is too long, too deep or not UTF-8, without keeping or parsing it: the text of its id
 * and whether it wants an answer. Fed with its bytes as they pass.
 *
 * @internal
 */
const longest = 300

/**
 * Reads the names of an object's members and the short values of `id` and `method`, however deep the others are.
 *
 * @internal
 */
export class MessageSketch {
  /** The text of its id, where that is a string or a number. */
  id: string | undefined
  hasMethod = false
  private depth = 0
  private inString = false
  private isEscaped = false
  private isKey = false
  private key = ""
  private part = ""

  feed(bytes: Uint8Array): void {
    for (const byte of bytes) this.take(byte)
  }

  private take(byte: number): void {
    if (this.inString) {
      this.gather(byte)
      if (this.isEscaped) this.isEscaped = false
      else if (byte === 0x5c) this.isEscaped = true
      else if (byte === 0x22) this.inString = false
      return
    }
    switch (byte) {
      case 0x22: // "
        this.inString = true
        this.gather(byte)
        return
      case 0x7b: // {
      case 0x5b: // [
        this.depth++
        this.part = ""
        this.isKey = this.depth === 1 && byte === 0x7b
        return
      case 0x3a: // :
        if (this.depth !== 1) return
        if (this.isKey) this.key = this.part
        this.isKey = false
        this.part = ""
        if (this.key === "\"method\"") this.hasMethod = true
        return
      case 0x7d: // }
      case 0x5d: // ]
      case 0x2c: // ,
        if (this.depth === 1 && !this.isKey) this.endValue()
        if (byte === 0x2c) {
          if (this.depth === 1) this.isKey = true
        } else this.depth--
        if (this.depth <= 1) this.part = ""
        return
      case 0x20:
      case 0x09:
      case 0x0a:
      case 0x0d:
        return
      default:
        this.gather(byte)
    }
  }

  private gather(byte: number): void {
    if (this.depth === 1 && this.part.length < longest) this.part += String.fromCharCode(byte)
  }

  private endValue(): void {
    const { key, part } = this
    this.key = ""
    if (key !== "\"id\"" || this.id !== undefined || part.length >= longest) return
    // Beyond ASCII these are bytes, not characters.
    if (/^"[\x20-\x7e]*"$/.test(part) || /^-?\d[\d.eE+-]*$/.test(part)) {
      try {
        JSON.parse(part)
        this.id = part
      } catch {
        // It has no id that can be told.
      }
    }
  }
}
