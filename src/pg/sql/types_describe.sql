-- Types by oid, as a RELATION message names them, in its column order. $1: oids, $2: typmods, both as text '{...}'. A type that is gone has null kinds.
SELECT c.oid, t.typtype, coalesce(e.oid, 0), e.typtype, CASE WHEN t.oid IS NOT NULL THEN pg_catalog.format_type(t.oid, c.typmod) END
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]), pg_catalog.unnest($2::pg_catalog.int4[])) WITH ORDINALITY AS c(oid, typmod, place)
LEFT JOIN pg_catalog.pg_type AS t ON t.oid = c.oid
LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid
ORDER BY c.place
