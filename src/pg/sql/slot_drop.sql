-- Drops a slot of this name; no row when there is none. $1: name.
SELECT pg_catalog.pg_drop_replication_slot(s.slot_name) FROM pg_catalog.pg_replication_slots AS s WHERE s.slot_name = $1
