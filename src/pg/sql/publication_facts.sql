-- One publication. $1: name.
SELECT p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, coalesce((pg_catalog.to_jsonb(p) ->> 'pubtruncate')::pg_catalog.bool, false),
       pg_catalog.pg_has_role(p.pubowner, 'USAGE')
FROM pg_catalog.pg_publication AS p
WHERE p.pubname = $1
