/**
 * A process of a panel that announces in Slack and takes what is pressed there, to be killed. It says its port in a line.
 *
 * Argument: the file of its ballots, and where the gateway and Slack are, as JSON.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Logger, Redacted } from "effect"
import { ReviewChannel, ReviewPanel, SlackChannel, SlackInteractions, Vargate } from "effect-vargate"
import * as SlackRoute from "effect-vargate/http/SlackRoute"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { botToken, channelId, signingSecret } from "../../support/slack.ts"
import { signer } from "../ballots.ts"
import { rules, users } from "../slack.ts"

const { apiKey, apiUrl, filename, url } = JSON.parse(process.argv[2]!)

const token = Redacted.make(botToken)

const client = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(
    HttpClient.HttpClient,
    HttpClient.mapRequest(HttpClientRequest.setHeader("x-test-process", String(process.pid)))
  )
).pipe(Layer.provide(FetchHttpClient.layer))

const base = Layer.mergeAll(
  Vargate.layerOperator({ apiKey, url }),
  BallotsSql.layerSqlite({ filename }),
  signer,
  users
).pipe(Layer.provideMerge(client))

const panel = ReviewPanel.layer({ rules, every: "200 millis" }).pipe(Layer.provideMerge(base))

const channels = Layer.unwrap(
  Effect.map(
    SlackChannel.make({ name: "chat", token, channel: channelId, apiUrl }),
    (chat) => ReviewChannel.layer({ channels: [chat], every: "200 millis" })
  )
)

const interactions = SlackInteractions.layer({ token, apiUrl, signingSecret: Redacted.make(signingSecret) })

const server = HttpRouter.serve(SlackRoute.layer("/slack"), { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provide(interactions),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
  Layer.tap((context) =>
    Effect.sync(() => {
      const { address } = Effect.runSync(Effect.provide(HttpServer.HttpServer, context))
      console.log(JSON.stringify({ port: "port" in address ? address.port : 0 }))
    })
  )
)

Layer.launch(Layer.mergeAll(channels, server).pipe(Layer.provide(panel))).pipe(
  Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])),
  NodeRuntime.runMain
)
