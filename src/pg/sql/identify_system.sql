-- The database's oid and name beside what IDENTIFY_SYSTEM tells.
SELECT d.oid, d.datname FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
