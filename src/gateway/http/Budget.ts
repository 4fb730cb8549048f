/**
 * Divides a scarce amount among its owners.
 *
 * @since 0.1.0
 */

/**
 * An amount of something (bytes, requests) that owners take and give back. An owner may always take something while it has
 * nothing, so that one that wants more than its share is served alone.
 *
 * @category models
 * @since 0.1.0
 */
export class Budget {
  private readonly owners = new Map<string, number>()
  private readonly perOwner: number
  private readonly inAll: number
  private total = 0

  constructor({ inAll = Infinity, perOwner }: { readonly perOwner: number; readonly inAll?: number | undefined }) {
    this.perOwner = perOwner
    this.inAll = inAll
  }

  /**
   * False where it is not to be had, save for what is owed. An unknown owner has no share of its own to keep to.
   */
  take(owner: string | undefined, amount: number, isOwed = false): boolean {
    const own = owner === undefined ? 0 : this.owners.get(owner) ?? 0
    const isTooMuch = (own > 0 && own + amount > this.perOwner) || (this.total > 0 && this.total + amount > this.inAll)
    if (isTooMuch && !isOwed) return false
    this.total += amount
    if (owner !== undefined) this.owners.set(owner, own + amount)
    return true
  }

  /** Returns what was taken. */
  give(owner: string | undefined, amount: number): void {
    this.total -= amount
    if (owner === undefined) return
    const left = (this.owners.get(owner) ?? 0) - amount
    if (left > 0) this.owners.set(owner, left)
    else this.owners.delete(owner)
  }
}
