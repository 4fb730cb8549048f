/**
 * Starts a WebAssembly module.
 *
 * @internal
 */

/**
 * What a module exports, from its base64. Returns `undefined` where there is no WebAssembly, or none with SIMD, or a
 * policy forbids it. Compiling does not wait: a module has less than the 4 kB that every browser takes at once.
 *
 * @internal
 */
export const wasmExports = <Exports>(base64: string): Exports | undefined => {
  try {
    const binary = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
    return new WebAssembly.Instance(new WebAssembly.Module(binary)).exports as unknown as Exports
  } catch {
    return undefined
  }
}
