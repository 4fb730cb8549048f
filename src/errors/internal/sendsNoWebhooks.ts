/**
 * What an embedded gateway that can send no webhooks says in the `message` of POST /webhooks/test. The answer has the
 * measured form, so that these words are all that tells it from the failure of a receiver.
 *
 * @internal
 */
export const sendsNoWebhooks = "Webhook delivery failed: this gateway sends no webhooks"
