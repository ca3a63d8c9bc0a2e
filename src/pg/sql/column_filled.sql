-- May rows older than a column hold a value in it? A default kept for them (PostgreSQL 11 and later), a default that rewrote the table, NOT NULL or an identity say so. $1: table oid, $2: column name.
SELECT a.atthasmissing OR a.atthasdef OR a.attnotnull OR a.attidentity <> ''
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = $1::pg_catalog.oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped
