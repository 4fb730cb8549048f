/**
 * What the server and the command line need of `@effect/platform-node`. In the published package a build step replaces
 * this module by a bundle, so that an install brings neither that package nor its peers (Redis).
 *
 * @internal
 */
/** @internal */
export * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"

/** @internal */
export * as NodeRuntime from "@effect/platform-node/NodeRuntime"

/** @internal */
export * as NodeServices from "@effect/platform-node/NodeServices"
