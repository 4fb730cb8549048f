/**
 * Signs transactions where the gateway runs, for a node that has no key. Needs `micro-eth-signer`, which is not among the
 * dependencies.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { AnchorFailed } from "./Anchoring.ts"

/**
 * A transaction of EIP-1559. It is good on its chain alone.
 *
 * @category models
 * @since 0.2.0
 */
export interface Transaction {
  readonly chainId: number
  readonly nonce: number
  readonly to: string
  /** The call, in hex. */
  readonly data: string
  readonly gasLimit: bigint
  /** In wei. */
  readonly maxFeePerGas: bigint
  /** In wei. */
  readonly maxPriorityFeePerGas: bigint
}

/**
 * A signed transaction as it is sent, and the hash by which the chain knows it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Signed {
  readonly raw: string
  readonly hash: string
}

/**
 * Signs for one account: by a key in memory ({@link fromKey}), or by a service of yours that keeps it.
 *
 * @category models
 * @since 0.2.0
 */
export interface EvmSigner {
  /** In lower case. */
  readonly address: string
  readonly sign: (transaction: Transaction) => Effect.Effect<Signed, AnchorFailed>
}

/**
 * What is used of `micro-eth-signer`.
 *
 * @category models
 * @since 0.2.0
 */
export interface SigningLibrary {
  readonly addr: { readonly fromPrivateKey: (key: string) => string }
  readonly Transaction: {
    readonly prepare: (
      transaction: {
        readonly chainId: bigint
        readonly nonce: bigint
        readonly to: string
        readonly data: string
        readonly value: bigint
        readonly gasLimit: bigint
        readonly maxFeePerGas: bigint
        readonly maxPriorityFeePerGas: bigint
      },
      strict: boolean
    ) => {
      readonly signBy: (key: string, extraEntropy: boolean) => { readonly hash: string; readonly toHex: () => string }
    }
  }
}

/**
 * How to sign.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** The module `micro-eth-signer`. Default: the one that is installed. */
  readonly library?: SigningLibrary | undefined
}

const packageName = "micro-eth-signer"
const keyPattern = /^(?:0x)?[0-9a-fA-F]{64}$/

const refused = (field: string, message: string) => invalidRequest("EvmSigner.fromKey", [{ path: [field], message }])

/**
 * Signs by a key in memory: 64 hex digits. Fails with `InvalidRequest` where it is none, or where the library is missing. The
 * key is in no error, log or span.
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromKey = Effect.fnUntraced(function*(
  key: Redacted.Redacted,
  options: Options = {}
): Effect.fn.Return<EvmSigner, VargateError> {
  const library = options.library ?? (yield* Effect.tryPromise({
    try: () => import(packageName) as Promise<SigningLibrary>,
    catch: () => refused("library", `${packageName} is not installed here: npm install ${packageName}`)
  }))
  const plain = Redacted.isRedacted(key) ? Redacted.value(key) : undefined
  if (typeof plain !== "string" || !keyPattern.test(plain)) {
    return yield* refused("key", "must be a private key: 64 hex digits, Redacted")
  }
  // What the library says of a key may show it.
  const address = yield* Effect.try({
    try: () => library.addr.fromPrivateKey(plain).toLowerCase(),
    catch: () => refused("key", "is no private key of an account")
  })
  const sign = ({ chainId, data, gasLimit, maxFeePerGas, maxPriorityFeePerGas, nonce, to }: Transaction) =>
    Effect.try({
      try: () => {
        const fields = { data, gasLimit, maxFeePerGas, maxPriorityFeePerGas, to: to.toLowerCase(), value: 0n }
        // Its own bounds are for forms; those of the anchorer are narrower.
        const transaction = library.Transaction.prepare(
          { ...fields, chainId: BigInt(chainId), nonce: BigInt(nonce) },
          false
        )
        // Deterministic (RFC 6979): what an ended process has signed is signed again as the same transaction.
        const signed = transaction.signBy(plain, false)
        return { raw: hexOf(signed.toHex()), hash: hexOf(signed.hash) }
      },
      catch: () => new AnchorFailed({ detail: "its transaction could not be signed" })
    })
  return { address, sign }
})

const hexOf = (text: string) => text.startsWith("0x") ? text : `0x${text}`
