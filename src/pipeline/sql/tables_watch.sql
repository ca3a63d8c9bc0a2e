-- What became of captured tables. $1: oids as text '{1,2}'. $2: publication.
-- A row for each: its place in $1, whether the table is there, what has it in the publication (0: it is not in it), the end of the log.
-- A table that was taken out and put in again, or got a row filter, has another row in pg_publication_rel than before.
SELECT wanted.place - 1, c.oid IS NOT NULL,
       CASE WHEN published.tablename IS NULL THEN 0 ELSE coalesce(member.oid, publication.oid) END,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn() ELSE pg_catalog.pg_current_wal_insert_lsn() END
FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS wanted(oid, place)
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = wanted.oid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_publication AS publication ON publication.pubname = $2::pg_catalog.text
LEFT JOIN pg_catalog.pg_publication_tables AS published
       ON published.pubname = publication.pubname AND published.schemaname = n.nspname AND published.tablename = c.relname
LEFT JOIN pg_catalog.pg_publication_rel AS member ON member.prpubid = publication.oid AND member.prrelid = c.oid
