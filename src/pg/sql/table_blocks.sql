-- Blocks of a table that can be read in ranges of ctid: one stored as a heap; no row or null for any other. $1: its oid.
SELECT CASE WHEN c.relkind = 'r' AND a.amname = 'heap'
            THEN pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8 END
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_am AS a ON a.oid = c.relam
WHERE c.oid = $1::pg_catalog.oid
