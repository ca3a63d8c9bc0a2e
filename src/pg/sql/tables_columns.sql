-- Columns of tables in table order, with what the type map needs and the place in the primary key (null: none). $1: oids as text '{1,2}'.
-- An array is the type that its element names as its array; int2vector and the like are none.
-- The columns go through a json function so that servers without attgenerated (before 12) answer too.
SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod,
       pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull,
       coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> '' AS generated,
       t.typtype, coalesce(e.oid, 0), e.typtype,
       (SELECT k.place
        FROM pg_catalog.pg_index AS i, LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
        WHERE i.indrelid = a.attrelid AND i.indisprimary AND i.indimmediate AND i.indisvalid AND k.attnum = a.attnum) AS key_place
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid
WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
