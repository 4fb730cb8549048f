/**
 * GET /inbox/events: what the inbox page needs beyond the contract. Only the embedded gateway has it.
 *
 * @since 0.1.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { TooManyRequests429 } from "../../transport/wire/ErrorBodies.ts"
import { FeedEvent } from "./FeedEvent.ts"

/**
 * The stream is alive. Comes first, and then every 15 seconds, so that a listener notices a connection that broke
 * silently.
 *
 * @category events
 * @since 0.1.0
 */
export class Alive extends Schema.TaggedClass<Alive>("effect-vargate/gateway/Alive")("Alive", {}) {}

/**
 * The key's tenant's news as server-sent events, until the client leaves or the server closes. Nothing that happens
 * after the first `Alive` is missed, save by a listener that falls far behind: it misses the oldest.
 *
 * @category api
 * @since 0.1.0
 */
export class InboxApi extends HttpApi.make("inbox").add(
  HttpApiGroup.make("inbox")
    .add(
      HttpApiEndpoint.get("events", "/inbox/events", {
        success: HttpApiSchema.StreamSse({ data: Schema.Union([...FeedEvent.members, Alive]) }),
        error: TooManyRequests429
      })
    )
    .middleware(ApiKey)
) {}
