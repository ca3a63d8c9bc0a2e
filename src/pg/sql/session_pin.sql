-- Settings that change the bytes of values, pinned for this session whatever role, database or connection string say;
-- and role or database time-outs that would cut a long copy or the wait for a slot (one set in the connection string itself stays).
-- One SELECT, because walsenders before version 15 take a single statement.
SELECT pg_catalog.set_config(pin.name, pin.value, false)
FROM (VALUES ('DateStyle', 'ISO'), ('IntervalStyle', 'postgres'), ('bytea_output', 'hex'), ('extra_float_digits', '3'),
             ('TimeZone', 'UTC'), ('lc_monetary', 'C'), ('search_path', ''), ('standard_conforming_strings', 'on'),
             ('row_security', 'off')) AS pin(name, value)
UNION ALL
SELECT pg_catalog.set_config(s.name, '0', false)
FROM pg_catalog.pg_settings AS s
WHERE s.name IN ('statement_timeout', 'transaction_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')
  AND s.source <> 'client' AND s.setting <> '0'
