/**
 * Heads of public logs with the tiles that lead to them, and the block in which a tree was anchored.
 *
 * @since 0.2.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.2.0
 */
export const heads: ReadonlyArray<string> = [
  `CREATE TABLE signed_heads (
    tenant_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    root TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (tenant_id, origin)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE log_tiles (
    tenant_id TEXT NOT NULL,
    level INTEGER NOT NULL,
    tile_index INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (tenant_id, level, tile_index)
  ) STRICT`,
  `ALTER TABLE merkle_trees ADD COLUMN anchor_block INTEGER`
]
