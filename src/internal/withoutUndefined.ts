/**
 * Leaves out what is undefined: an encoder of JSON would write it as null, which not every route takes for absent.
 *
 * @internal
 */

/** @internal */
export const withoutUndefined = <A extends object>(
  record: A
): { readonly [Key in keyof A]?: Exclude<A[Key], undefined> } =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    readonly [Key in keyof A]?: Exclude<A[Key], undefined>
  }
