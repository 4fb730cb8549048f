/**
 * URLs to which a path is added.
 *
 * @internal
 */

/**
 * The same without the slashes at its end. A pattern would look for its end from each of them.
 *
 * @internal
 */
export const withoutTrailingSlashes = (url: string): string => {
  let end = url.length
  while (url[end - 1] === "/") end--
  return url.slice(0, end)
}
