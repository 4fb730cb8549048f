/**
 * What durable calls run on: an engine, a journal, and the reconciler that tells them what reviewers decided. One line
 * each.
 *
 * | layer | where | survives |
 * | --- | --- | --- |
 * | {@link layerMemory} | this process, for tests | nothing |
 * | `EngineSqlite.layer` | one machine | the process, by a file |
 * | `EnginePostgres.layer` | many machines | any of them, by a database |
 *
 * All three stand on the services of `Vargate.layer`.
 *
 * @since 0.1.0
 */
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import type * as MessageStorage from "effect/cluster/MessageStorage"
import type * as Sharding from "effect/cluster/Sharding"
import * as Layer from "effect/Layer"
import type { SqlClient } from "effect/sql/SqlClient"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import type { Approvals } from "../approvals/Approvals.ts"
import type { StorageFailed } from "../errors/VargateError.ts"
import * as ApprovalReconciler from "./ApprovalReconciler.ts"
import * as Journal from "./Journal.ts"
import * as JournalSql from "./JournalSql.ts"

/**
 * What a durable call runs on.
 *
 * @category models
 * @since 0.1.0
 */
export type Engine = WorkflowEngine.WorkflowEngine | Journal.Journal

/**
 * Everything in this process, and gone with it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (
  options: ApprovalReconciler.Options = {}
): Layer.Layer<Engine, never, Approvals> =>
  Layer.provideMerge(
    ApprovalReconciler.layer(options),
    Layer.merge(WorkflowEngine.layerMemory, Journal.layerMemory)
  )

/**
 * An engine on the cluster and the database in context, with its journal in the same database.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerCluster = (
  options: ApprovalReconciler.Options & JournalSql.Options = {}
): Layer.Layer<
  Engine,
  StorageFailed,
  Approvals | Sharding.Sharding | MessageStorage.MessageStorage | SqlClient
> =>
  Layer.provideMerge(
    ApprovalReconciler.layerSingleton(options),
    Layer.merge(ClusterWorkflowEngine.layer, JournalSql.layerWith(options))
  )
