-- One slot, in server versions that have all its columns and in those that have fewer. $1: name.
WITH wal AS (
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
)
SELECT s.active, coalesce((pg_catalog.to_jsonb(s) ->> 'two_phase')::pg_catalog.bool, false), s.temporary,
       coalesce(s.plugin, ''), coalesce(s.database, ''), coalesce(pg_catalog.to_jsonb(s) ->> 'wal_status', ''), coalesce(s.active_pid, 0),
       s.restart_lsn, s.confirmed_flush_lsn,
       coalesce(greatest(pg_catalog.pg_wal_lsn_diff(wal.lsn, s.restart_lsn), 0), 0)::pg_catalog.int8,
       coalesce((pg_catalog.to_jsonb(s) ->> 'safe_wal_size')::pg_catalog.int8, -1)
FROM pg_catalog.pg_replication_slots AS s, wal
WHERE s.slot_name = $1
