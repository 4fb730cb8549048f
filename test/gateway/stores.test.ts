import { layerMemory as vaultInMemory } from "../../src/gateway/CredentialVault.ts"
import { layerMemory as managedInMemory } from "../../src/gateway/ManagedStore.ts"
import { layerMemory as tenantsInMemory } from "../../src/gateway/Tenants.ts"
import { managedStoreSuite } from "./suite/managedStore.ts"
import { tenantsSuite } from "./suite/tenants.ts"
import { vaultSuite } from "./suite/vault.ts"

tenantsSuite(tenantsInMemory)
vaultSuite(vaultInMemory)
managedStoreSuite(managedInMemory)
