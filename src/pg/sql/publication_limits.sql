-- Tables of a publication with a row filter or a column list (15 and later have them). $1: name.
SELECT r.prrelid, pg_catalog.to_jsonb(r) ->> 'prqual' IS NOT NULL AS filtered, pg_catalog.to_jsonb(r) ->> 'prattrs' IS NOT NULL AS listed
FROM pg_catalog.pg_publication_rel AS r
JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
WHERE p.pubname = $1
  AND (pg_catalog.to_jsonb(r) ->> 'prqual' IS NOT NULL OR pg_catalog.to_jsonb(r) ->> 'prattrs' IS NOT NULL)
