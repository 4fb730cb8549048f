import { Layer } from "effect"
import { layerMemory as vaultInMemory } from "../../src/gateway/CredentialVault.ts"
import * as CredentialVaultSqlite from "../../src/gateway/CredentialVaultSqlite.ts"
import { layerMemory as managedInMemory } from "../../src/gateway/ManagedStore.ts"
import * as ManagedStoreSqlite from "../../src/gateway/ManagedStoreSqlite.ts"
import * as Database from "../../src/gateway/sqlite/Database.ts"
import { layerMemory as tenantsInMemory } from "../../src/gateway/Tenants.ts"
import * as TenantsSqlite from "../../src/gateway/TenantsSqlite.ts"
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
