import { Layer } from "effect"
import { layerMemory as managedInMemory } from "../../src/gateway/managed/ManagedStore.ts"
import * as CredentialVaultSqlite from "../../src/gateway/sqlite/CredentialVaultSqlite.ts"
import * as Database from "../../src/gateway/sqlite/Database.ts"
import * as ManagedStoreSqlite from "../../src/gateway/sqlite/ManagedStoreSqlite.ts"
import * as TenantsSqlite from "../../src/gateway/sqlite/TenantsSqlite.ts"
import { layerMemory as vaultInMemory } from "../../src/gateway/tenants/CredentialVault.ts"
import { layerMemory as tenantsInMemory } from "../../src/gateway/tenants/Tenants.ts"
import { managedStoreSuite } from "./suite/managedStore.ts"
import { tenantsSuite } from "./suite/tenants.ts"
import { vaultSuite } from "./suite/vault.ts"

const database = Layer.fresh(Layer.orDie(Database.layer({ filename: ":memory:" })))

tenantsSuite("in memory", tenantsInMemory)
tenantsSuite("in SQLite", (initial) => Layer.provide(TenantsSqlite.layer(initial), database))
vaultSuite("in memory", vaultInMemory)
vaultSuite("in SQLite", Layer.provide(CredentialVaultSqlite.layer, database))
managedStoreSuite("in memory", managedInMemory)
managedStoreSuite("in SQLite", Layer.provide(ManagedStoreSqlite.layer, database))
