# tests/e2e/readers.py — a table of every exact type with a life of its own, what its rows must be, and the programs that read it: shared by test_readers.py and tests/interop.
#
# The source says what is right: a mirror's rows are those of a SELECT, a changelog's those that triggers wrote into audit.log while the changes happened.
import datetime
import decimal
import json
import struct

# readers are imported where they are used: tests/interop/spark_live.py needs the values only, in a Python without the others
# name, PostgreSQL's type. "text:" in front: the lake holds PostgreSQL's text.
COLUMNS = [
    ("id", "uuid"), ("yes", "boolean"), ("i2", "smallint"), ("i4", "integer"), ("i8", "bigint"), ("f4", "real"), ("f8", "double precision"), ("wide", "numeric(38,10)"),
    ("money2", "numeric(5,2)"), ("t", "text"), ("vc", "varchar(10)"), ("ch", "char(5)"), ("raw", "bytea"), ("d", "date"), ("tm", "time"), ("ts", "timestamp"), ("tz", "timestamptz"),
    ("js", "text:json"), ("jb", "text:jsonb"), ("feel", "text:mood"), ("big", "text:numeric"), ("net", "text:inet"), ("span", "text:interval"), ("toast", "text"),
    ("a_bool", "boolean[]"), ("a_i2", "smallint[]"), ("a_i4", "integer[]"), ("a_i8", "bigint[]"), ("a_f4", "real[]"), ("a_f8", "double precision[]"), ("a_num", "numeric(12,2)[]"), ("a_t", "text[]"), ("a_raw", "bytea[]"), ("a_uuid", "uuid[]"),
    ("a_d", "date[]"), ("a_tm", "time[]"), ("a_ts", "timestamp[]"), ("a_tz", "timestamptz[]"),
]
LATER = [("extra", "numeric(20,5)"), ("note", "text")]  # added while running
CHANGE_COLUMNS = [("_op", "text"), ("_commit_lsn", "bigint"), ("_ordinal", "bigint"), ("_commit_ts", "timestamptz"), ("_xid", "bigint")]
TYPES = dict(COLUMNS + LATER + CHANGE_COLUMNS)


def pg_type(kind):
    return kind.removeprefix("text:")


# --- values: one form for all readers ---

def canon(kind, value):
    """A Python value of any reader as one that compares and sorts exactly. kind: PostgreSQL's type."""
    if value is None:
        return None
    if kind.endswith("[]"):
        return tuple(canon(kind[:-2], v) for v in value)
    if kind.startswith("text:") or kind in ("text", "varchar(10)", "char(5)"):
        assert isinstance(value, str), (kind, value)
        return value
    if kind == "real":
        return struct.pack("<f", float(value)).hex() if value == value else "nan"
    if kind == "double precision":
        return struct.pack("<d", float(value)).hex() if value == value else "nan"
    if kind.startswith("numeric"):
        scale = int(kind.rstrip(")").split(",")[1])
        d = decimal.Decimal(value)
        assert d == round_to(d, scale), (kind, value)
        return str(round_to(d, scale))
    if kind == "uuid":
        return str(value)
    if kind == "bytea":
        return bytes(value).hex()
    if kind == "timestamptz":
        return value.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds")
    if kind == "timestamp":
        assert value.tzinfo is None
        return value.isoformat(timespec="microseconds")
    if kind == "time":
        return value.isoformat(timespec="microseconds")
    if kind == "date":
        assert type(value) is datetime.date, value
        return value.isoformat()
    if kind == "boolean":
        assert isinstance(value, bool), value
        return value
    assert kind in ("smallint", "integer", "bigint") and isinstance(value, int) and not isinstance(value, bool), (kind, value)
    return value


def round_to(d, scale):
    with decimal.localcontext() as ctx:
        ctx.prec = 60
        return d.quantize(decimal.Decimal(1).scaleb(-scale))


def from_json(kind, value):
    """A value of `tarn sql --format json` (floats read as Decimal) as the Python value that canon() takes."""
    if value is None:
        return None
    if kind.endswith("[]"):
        return [from_json(kind[:-2], v) for v in value]
    if kind in ("real", "double precision"):
        return float(value)
    if kind == "bytea":
        assert value.startswith("\\x"), value
        return bytes.fromhex(value[2:])
    if kind == "date":
        return datetime.date.fromisoformat(value)
    if kind == "time":
        return datetime.time.fromisoformat(value)
    if kind in ("timestamp", "timestamptz"):
        return datetime.datetime.fromisoformat(value)
    return value


def canon_rows(rows, columns):
    """Dictionaries to sorted tuples. columns: names."""
    return sorted((tuple(canon(TYPES[c], r[c]) for c in columns) for r in rows), key=repr)


def assert_same(what, have, want):
    if have == want:
        return
    extra, missing = [r for r in have if r not in want][:3], [r for r in want if r not in have][:3]
    cells = [(a, b) for x, y in zip(extra[:1], missing[:1]) for a, b in zip(x, y) if a != b]
    raise AssertionError(f"{what}: {len(have)} rows, {len(want)} expected\nfirst difference (read, expected): {str(cells)[:500]}\nonly read: {str(extra)[:1000]}\nonly expected: {str(missing)[:1000]}")


# --- the readers: each (table, snapshot id or None, columns) -> dictionaries ---

class PyicebergRest:
    """Through the catalog of the running tarn, as a user configures it."""
    name = "pyiceberg, REST catalog"

    def __init__(self, tarn):
        from pyiceberg.catalog.rest import RestCatalog

        self.catalog = RestCatalog("tarn", uri=f"http://{tarn.addresses()['catalog']}")

    def rows(self, table, snapshot_id, columns):
        return self.catalog.load_table(f"src.{table}").scan(snapshot_id=snapshot_id, selected_fields=tuple(columns)).to_arrow().to_pylist()


class PyicebergStatic:
    """From the metadata file alone."""
    name = "pyiceberg, metadata file"

    def __init__(self, tarn):
        self.tarn = tarn

    def rows(self, table, snapshot_id, columns):
        from pyiceberg.table import StaticTable

        return StaticTable.from_metadata(self.tarn.metadata_location(table)).scan(snapshot_id=snapshot_id, selected_fields=tuple(columns)).to_arrow().to_pylist()


def duck():
    """DuckDB with its iceberg extension, from packages: no download at run time."""
    import duckdb
    import duckdb_extensions

    con = duckdb.connect(config={"threads": 2, "memory_limit": "512MB"})
    for extension in ("httpfs", "avro", "iceberg"):
        duckdb_extensions.import_extension(extension, con=con)
        con.sql(f"LOAD {extension}")
    con.sql("SET TimeZone = 'UTC'")
    return con


def quoted(columns):
    return ", ".join(f'"{c}"' for c in columns)


class DuckStatic:
    name = "DuckDB, iceberg_scan"

    def __init__(self, tarn):
        self.tarn, self.con = tarn, duck()

    def rows(self, table, snapshot_id, columns):
        at = f", snapshot_from_id = {snapshot_id}" if snapshot_id else ""
        return self.con.sql(f"SELECT {quoted(columns)} FROM iceberg_scan('{self.tarn.metadata_location(table)}'{at})").to_arrow_table().to_pylist()


class DuckRest:
    name = "DuckDB, REST catalog"

    def __init__(self, tarn):
        self.con = duck()
        self.con.sql(f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT 'http://{tarn.addresses()['catalog']}', AUTHORIZATION_TYPE 'none')")

    def rows(self, table, snapshot_id, columns):
        at = f" AT (VERSION => {snapshot_id})" if snapshot_id else ""
        return self.con.sql(f"SELECT {quoted(columns)} FROM lake.src.{table}{at}").to_arrow_table().to_pylist()


class TarnSql:
    name = "tarn sql"

    def __init__(self, tarn):
        self.tarn = tarn

    def rows(self, table, snapshot_id, columns):
        at = f" AT (VERSION => {snapshot_id})" if snapshot_id else ""
        out = self.tarn.command("sql", "--format", "json", f"SELECT {quoted(columns)} FROM src.{table}{at}")
        assert out.returncode == 0, out.stderr
        rows = json.loads(out.stdout, parse_float=decimal.Decimal)
        return [{c: from_json(TYPES[c], r[c]) for c in columns} for r in rows]


READERS = [PyicebergRest, PyicebergStatic, DuckStatic, DuckRest, TarnSql]


# --- the table and its life ---

def create(table, columns):
    return f"CREATE TABLE {table} (" + ", ".join(f"{n} {pg_type(t)}" + (" PRIMARY KEY" if n == "id" else "") for n, t in columns) + ")"


# rows are made in filler.kinds, which has all columns, and taken from there
FILL = """INSERT INTO filler.kinds SELECT key(g), mod(g, 2) = 0, g, g * 1000, g * 10000000000, g / 3.0, g / 7.0, g / 7.0, -g / 100.0, 'täxt "' || g || E'"\\n, \\t\\\\ ' || chr(128512), 'v' || g, 'c', decode(md5(g::text), 'hex'),
    date '1815-12-10' + g * 300, time '00:00:00' + g * interval '7.777777 min', timestamp '1969-12-31 23:59:59.5' + g * interval '1.000001 s', timestamptz '2026-03-29 02:30:00+05:30' + g * interval '1 day',
    ('{"b":1,  "a": [' || g || ']}')::json, '{"z": null, "a": 1.50}'::jsonb, CASE mod(g, 3) WHEN 0 THEN 'sad' WHEN 1 THEN 'ok' END::mood, g + 1e-40, '10.0.0.1', interval '1 mon 3 days' * g, repeat(md5(g::text), 100),
    ARRAY[true, NULL, false], ARRAY[g, NULL, -32768], ARRAY[g, 2147483647], ARRAY[g::int8, -9223372036854775808], ARRAY[g / 3.0, 'NaN', '-Infinity'], ARRAY[1e308, NULL, 'Infinity'], ARRAY[g / 4.0, -9999999999.99], ARRAY['x', '', NULL, '"q" {,}', 'NULL'], ARRAY['\\x00ff'::bytea, ''],
    ARRAY[key(g + 1000)], ARRAY[date '2000-02-29', NULL], ARRAY[time '23:59:59.999999'], ARRAY[timestamp '0001-01-01 00:00:00'], ARRAY[timestamptz '9999-12-31 23:59:59.999999+00'] FROM generate_series(%s::int, %s::int) g"""

EXTREMES = """
INSERT INTO filler.kinds(id) SELECT key(g) FROM generate_series(901, 905) g;
INSERT INTO filler.kinds(id, yes, i2, i4, i8, f4, f8, wide, money2, t, vc, ch, raw, d, tm, ts, tz, big, a_t, a_i4) VALUES
  (key(906), false, -32768, -2147483648, -9223372036854775808, '-Infinity', '-1.7976931348623157e308', -9999999999999999999999999999.9999999999, -999.99, '', '', '', '', '0001-01-01', '00:00:00', '0001-01-01 00:00:00', '0001-01-02 00:00:00+00', 'NaN', '{}', '{}'),
  (key(907), true, 32767, 2147483647, 9223372036854775807, 'NaN', 'NaN', 9999999999999999999999999999.9999999999, 999.99, E'\\x01', 'ten chars!', 'five!', '\\x00', '9999-12-31', '23:59:59.999999', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999+00', '-Infinity', ARRAY[NULL]::text[], ARRAY[NULL]::int[]),
  (key(908), true, 0, 0, 0, '1e-45', '5e-324', 0.0000000001, 0, ' ', ' ', ' ', '\\xffffffff', '1970-01-01', '12:00:00', '1970-01-01 00:00:00', '1969-12-31 23:59:59.999999+00', '1.50', '{a}', '{1}');
"""

AUDIT = """
CREATE SCHEMA audit;
CREATE TABLE audit.log (LIKE kinds);
ALTER TABLE audit.log ALTER COLUMN id DROP NOT NULL, ADD COLUMN seq bigserial, ADD COLUMN op text, ADD COLUMN xid bigint DEFAULT pg_current_xact_id()::text::bigint;
CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE columns text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO audit.log(op) VALUES ('T');
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND NEW.id <> OLD.id) THEN
    INSERT INTO audit.log(op, id) VALUES ('D', OLD.id);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('INSERT INTO audit.log(op, %s) SELECT $1, ($2).*', columns) USING CASE WHEN TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN 'U' ELSE 'I' END, NEW;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON kinds FOR EACH ROW EXECUTE FUNCTION audit.note();
CREATE TRIGGER note_all BEFORE TRUNCATE ON kinds FOR EACH STATEMENT EXECUTE FUNCTION audit.note();
"""


class State:
    """The source at one moment when the lake had caught up, and the versions of the lake's tables then."""

    def __init__(self, lake, name):
        self.name = name
        self.columns = [c for c, _ in lake.all_columns + (LATER if lake.evolved else [])]
        self.want = {"kinds": canon_rows(lake.source_rows("kinds", self.columns), self.columns)}
        self.change_columns = ["_op", "_xid", *self.columns]
        if lake.audited:
            self.want["kinds__changes"] = canon_rows(lake.source_rows("audit.log", self.columns, ", op AS _op, xid & 4294967295 AS _xid"), self.change_columns)
        else:
            self.want["kinds__changes"] = []
        self.snapshots = {t: lake.snapshot_id(t) for t in self.want}

    def columns_of(self, table):
        return self.columns if table == "kinds" else self.change_columns


class Life:
    """Runs the table's life against a tarn; states[-1] is the current one. without: columns that the table shall not have."""

    def __init__(self, tarn, database, without=()):
        self.tarn, self.database = tarn, database
        self.all_columns = [(n, t) for n, t in COLUMNS if n not in without]
        self.evolved = self.audited = False
        self.states = []

    def sql(self, text, *params):
        return self.database.sql(text, *params)

    def fill(self, text, *params):
        columns = ", ".join(n for n, _ in self.all_columns)
        self.sql("TRUNCATE filler.kinds")
        self.sql(text, *params)
        self.sql(f"INSERT INTO kinds({columns}) SELECT {columns} FROM filler.kinds")

    def source_rows(self, table, columns, more=""):
        # the type's output function, which a cast to text is not for all types (inet)
        listed = ", ".join(f"CASE WHEN {c} IS NOT NULL THEN format('%s', {c}) END AS {c}" if TYPES[c].startswith("text:") else c for c in columns)
        with self.database.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            cur = con.execute(f"SELECT {listed}{more} FROM {table}")
            names = [c.name for c in cur.description]
            return [dict(zip(names, r)) for r in cur.fetchall()]

    def snapshot_id(self, table):
        current = self.tarn.iceberg(table).current_snapshot()
        return current.snapshot_id if current else None

    def remember(self, name):
        self.tarn.wait_caught_up(self.database)
        self.states.append(State(self, name))

    def live(self):
        self.sql("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        self.sql("CREATE FUNCTION key(g int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5('k' || g)::uuid $$")
        self.sql("CREATE SCHEMA filler")
        self.sql(create("filler.kinds", COLUMNS))
        self.sql(create("kinds", self.all_columns))
        self.sql("ALTER TABLE kinds ALTER COLUMN toast SET STORAGE EXTERNAL")
        self.fill(FILL, 1, 200)
        self.fill(EXTREMES)
        self.tarn.start().wait_running("kinds")
        self.remember("copied")

        self.sql(AUDIT)
        self.audited = True
        self.sql("UPDATE kinds SET i4 = i4 + 1, a_t = array_append(a_t, 'more') WHERE i2 BETWEEN 1 AND 60")
        self.sql("DELETE FROM kinds WHERE i2 BETWEEN 50 AND 70")
        self.sql("UPDATE kinds SET id = key(i2 + 5000) WHERE i2 BETWEEN 71 AND 75")
        self.fill(FILL, 201, 230)
        self.sql("""BEGIN; UPDATE kinds SET t = 'once' WHERE id = key(80); UPDATE kinds SET t = 'twice' WHERE id = key(80); INSERT INTO kinds(id, t) VALUES (key(301), 'new'); UPDATE kinds SET vc = 'changed' WHERE id = key(301);
                 DELETE FROM kinds WHERE id = key(81); INSERT INTO kinds(id, t) VALUES (key(81), 'again'); INSERT INTO kinds(id) VALUES (key(302)); DELETE FROM kinds WHERE id = key(302);
                 UPDATE kinds SET id = key(6000) WHERE id = key(82); UPDATE kinds SET id = key(82) WHERE id = key(6000); SAVEPOINT s; DELETE FROM kinds; ROLLBACK TO s; COMMIT""")
        self.sql("BEGIN; INSERT INTO kinds(id) VALUES (key(303)); DELETE FROM kinds; ROLLBACK")
        self.remember("changed")
        self.sql("CREATE TABLE audit.changed AS TABLE kinds")

        self.sql("ALTER TABLE kinds " + ", ".join(f"ADD COLUMN {n} {t}" for n, t in LATER))
        self.sql("ALTER TABLE audit.log " + ", ".join(f"ADD COLUMN {n} {t}" for n, t in LATER))
        self.evolved = True
        self.sql("UPDATE kinds SET extra = i2 / 3.0, note = 'noted' WHERE i2 % 10 = 0")
        self.sql("INSERT INTO kinds(id, extra, note) VALUES (key(401), -999999999999999.99999, '')")
        self.remember("with more columns")

        before = self.states[-1]
        self.sql("BEGIN; UPDATE kinds SET note = 'gone' WHERE i2 < 20; TRUNCATE kinds; INSERT INTO kinds(id, note) VALUES (key(1), 'back'), (key(501), 'fresh'); COMMIT")
        self.fill(FILL, 600, 650)
        self.remember("truncated")
        assert len(self.states[-1].want["kinds"]) == 53 < len(before.want["kinds"])

        self.sql("UPDATE kinds SET note = 'last', f8 = 'Infinity' WHERE i2 > 640")
        self.sql("DELETE FROM kinds WHERE id = key(501)")
        self.remember("current")
        return self
