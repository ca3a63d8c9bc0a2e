-- What the table itself is. $1: oids as text '{1,2}'. $2: publication or null.
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, c.relispartition,
       c.reltuples::pg_catalog.int8,
       pg_catalog.pg_table_size(c.oid),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS can_select,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS is_owner,
       pg_catalog.row_security_active(c.oid) AS rows_hidden,
       EXISTS (SELECT FROM pg_catalog.pg_publication_tables AS p
               WHERE p.pubname = $2::pg_catalog.text AND p.schemaname = n.nspname AND p.tablename = c.relname) AS published
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::pg_catalog.oid[])
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
