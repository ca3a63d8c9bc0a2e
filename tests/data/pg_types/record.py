#!/usr/bin/env python3
# tests/data/pg_types/record.py — records values of every type from a real PostgreSQL: python3 record.py 'postgresql://...'
#
# One file per type. A line: type name | oid | typmod | typtype | element oid | element typtype | lake type | text output in hex | binary output in hex ("-": this type is never
# asked for in binary) | expected. Expected is "=" and the value as column_text writes it, "x" and the same in hex, or "!" and words of the error.
# The expectation is computed here by Python's decimal and uuid modules, and for dates by the server's extract(), never by the code under test.
import decimal, os, random, struct, sys, uuid
import psycopg

PINNED = "-c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex -c extra_float_digits=3 -c TimeZone=UTC -c lc_monetary=C -c client_encoding=UTF8"
HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(20260101)
decimal.getcontext().prec = 2000

def expected_year(y):
    y = int(y)
    y = y if y > 0 else y + 1
    return "%s%04d" % ("-" if y < 0 else "", abs(y))  # the sign is not one of ISO 8601's four digits

class Recorder:
    def __init__(self, dsn):
        self.conn = psycopg.connect(dsn, options=PINNED, autocommit=True)
        self.cur = self.conn.cursor()

    def one(self, sql, binary):
        self.cur.execute(sql, binary=binary)
        return self.cur.pgresult.get_value(0, 0)

    def row(self, sql):
        self.cur.execute(sql)
        return [self.cur.pgresult.get_value(0, i).decode() for i in range(self.cur.pgresult.nfields)]

    def type_info(self, type_sql):
        self.cur.execute(f"create temp table if not exists only_type_{abs(hash(type_sql))} (c {type_sql})")
        return self.row(f"""select a.atttypid, a.atttypmod, ascii(t.typtype::text), t.typelem, coalesce(ascii(e.typtype::text), 0)
            from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type e on e.oid = t.typelem
            where a.attrelid = 'pg_temp.only_type_{abs(hash(type_sql))}'::regclass and a.attnum = 1""")

    def file(self, name, groups):
        lines = 0
        with open(os.path.join(HERE, name + ".txt"), "w") as out:
            for type_sql, lake, literals, expect, binary in groups:
                info = self.type_info(type_sql)
                for literal in literals:
                    text = self.one(f"select {literal}::{type_sql}", False)
                    data = self.one(f"select {literal}::{type_sql}", True) if binary else None
                    want = expect(literal, text, type_sql)
                    if want.startswith("=") and not (want.isascii() and want.isprintable() and "|" not in want):
                        want = "x" + want[1:].encode().hex()
                    out.write("|".join([type_sql, *info, lake, text.hex(), "-" if data is None else data.hex(), want]) + "\n")
                    lines += 1
        print(name, lines)

def q(s): return "'" + s.replace("'", "''") + "'"
def same(literal, text, t): return "=" + text.decode()

def ints(bits):
    top = 1 << (bits - 1)
    some = {0, 1, -1, 9, 10, -10, top - 1, -top, top - 2, -top + 1}
    return [q(str(v)) for v in sorted(some | {rng.randrange(-top, top) >> rng.randrange(bits) for _ in range(250)})]

def floats(code, digits, size):
    raw = [0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 123456789.0, 1e-5, 1e-4, 1e22, 1e23, 5e-324 if size == 8 else 1e-45, 2.2250738585072014e-308 if size == 8 else 1.17549435e-38]
    while len(raw) < 300:
        v = struct.unpack(code, rng.randbytes(size))[0]
        if v == v and abs(v) != float("inf"):
            raw.append(v)
        raw.append(struct.unpack(code, struct.pack(code, rng.choice([rng.uniform(-1000, 1000), round(rng.uniform(-1e6, 1e6), 2), rng.randrange(10**6)])))[0])
    def expect(literal, text, t):
        if text in (b"NaN", b"Infinity", b"-Infinity"):
            return "=" + text.decode()
        v = float(text)
        return "=" + "%.*g" % (digits, struct.unpack(code, struct.pack(code, v))[0])
    texts = [repr(v) for v in raw]
    if size == 4:  # a float32 written with nine digits is read back as itself
        texts = ["%.9g" % v for v in raw]
    return [q(t) for t in texts + ["NaN", "Infinity", "-Infinity", "1.7976931348623157e308" if size == 8 else "3.4028235e38"]], expect

def numeric_expect(literal, text, t):
    return "=" + text.decode()

def decimals(p, s):
    out = ["0", "-0.0", str(10 ** (p - s) - 1) if p > s else "0"]
    out += [str(decimal.Decimal(10 ** p - 1).scaleb(-s)), "-" + str(decimal.Decimal(10 ** p - 1).scaleb(-s)), str(decimal.Decimal(1).scaleb(-s))]
    for _ in range(45):
        out.append(str(decimal.Decimal(rng.randrange(10 ** rng.randrange(1, p + 1)) * rng.choice([1, -1])).scaleb(-s)))
    return [q("{:f}".format(decimal.Decimal(v))) for v in out] + ["'NaN'"]

def decimal_expect(s):
    def expect(literal, text, t):
        if text == b"NaN":
            return "!NaN"
        v = decimal.Decimal(literal.strip("'")).quantize(decimal.Decimal(1).scaleb(-s))
        return "=" + "{:f}".format(v if v else abs(v))
    return expect

def free_numerics():
    out = ["0", "0.0", "-0.00000", "1", "10000", "9999", "99999999", "100000000", "0.0001", "0.00010000", "1e-200", "1e500", "-1.5e-1000", "NaN", "Infinity", "-Infinity", "1e5001", "1e-5003", "12345678901234567890123456789012345678901234567890.000000000001",
           "10000.0000", "0.9999", "1000000000000.0001000", "100.00000000000000000000"]
    for _ in range(250):
        digits = rng.randrange(10 ** rng.randrange(1, 60))
        out.append("{:f}".format(decimal.Decimal(digits * rng.choice([1, -1])).scaleb(-rng.randrange(0, 50)) * 10 ** rng.choice([0, 0, 0, 4, 12])))
    return [q(v) for v in out]

def texts():
    alphabet = ["a", "Z", "0", " ", "'", '"', "\\", ",", "{", "}", "\n", "\t", "\x01", "\x7f", "é", "ß", "Ж", "中", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "😀", "\U0010ffff", "|"]
    out = ["", " ", "a", "NULL", "null", "plain ascii text of some length, more than eight bytes"]
    for _ in range(150):
        out.append("".join(rng.choice(alphabet) for _ in range(rng.choice([1, 2, 7, 8, 9, 16, 40]))))
    return out

def main():
    r = Recorder(sys.argv[1])
    r.cur.execute("drop type if exists mood cascade; create type mood as enum ('sad', 'ok', 'happy', 'très bien', 'with, comma', 'with \"quote\"', '中文')")
    r.cur.execute("drop type if exists pair cascade; create type pair as (a int, b text)")

    def floats_group(t, code, digits, size, lake):
        lits, expect = floats(code, digits, size)
        return (t, lake, lits, expect, True)
    r.file("bool", [("bool", "boolean", ["'t'", "'f'"], lambda l, t, s: "=true" if t == b"t" else "=false", True)])
    r.file("ints", [("int2", "int", ints(16), same, True), ("int4", "int", ints(32), same, True), ("int8", "long", ints(64), same, True)])
    r.file("floats", [floats_group("float4", ">f", 9, 4, "float"), floats_group("float8", ">d", 17, 8, "double")])
    r.file("decimal", [(f"numeric({p},{s})", f"decimal({p}, {s})", decimals(p, s), decimal_expect(s), True)
                       for p, s in [(1, 0), (1, 1), (4, 2), (5, 5), (9, 2), (10, 0), (15, 7), (18, 0), (18, 3), (18, 18), (19, 0), (19, 19), (20, 5), (28, 10), (30, 1), (37, 2), (38, 0), (38, 1), (38, 6), (38, 19), (38, 37), (38, 38)]])
    r.file("numeric_text", [("numeric", "string", free_numerics(), numeric_expect, True), ("numeric(39,2)", "string", [q("123.45"), q("-" + "9" * 37 + ".99")], same, True),
                            ("numeric(5,-2)", "string", [q("12345"), q("100"), q("0")], same, True), ("numeric(2,4)", "string", [q("0.0012")], same, True)])
    labels = ["sad", "ok", "happy", "très bien", "with, comma", 'with "quote"', "中文"]
    json_texts = ['{"a": 1}', '[]', 'null', '"\\u00e9 中"', '{"b" : [1,2 ,3], "a":{"x":1.50}}', '1e3']
    r.file("text", [("text", "string", [q(t) for t in texts()], same, True), ("varchar(50)", "string", [q(t) for t in texts()[:60]], same, True), ("bpchar(60)", "string", [q(t) for t in texts()[:20]], same, True),
                    ("name", "string", [q(t) for t in texts()[:20]], same, True), ("\"char\"", "string", [q(t) for t in ["", "a", " ", "\\", "~"]], same, True),
                    ("json", "string", [q(t) for t in json_texts], same, True), ("jsonb", "string", [q(t) for t in json_texts], same, True), ("xml", "string", [q("<a>é</a>"), q('<?xml version="1.0" encoding="UTF-8"?><b/>'), q('<?xml version="1.0" standalone="yes"?><b/>')], same, True),
                    ("mood", "string", [q(t) for t in labels], same, True)])
    def blob_expect(l, t, s): return "=" + t.decode()[2:]
    r.file("bytea", [("bytea", "binary", [q("\\x" + rng.randbytes(n).hex()) for n in [0, 1, 2, 3, 7, 8, 100] + [rng.randrange(40) for _ in range(60)]], blob_expect, True)])
    r.file("uuid", [("uuid", "uuid", [q(str(uuid.UUID(bytes=rng.randbytes(16)))) for _ in range(100)] + [q("0" * 32), q("f" * 32)], lambda l, t, s: "=" + str(uuid.UUID(l.strip("'"))), True)])

    def date_expect(l, t, s):
        if b"infinity" in t:
            return "!infinity"
        y, m, d = r.row(f"select extract(year from {l}::date), extract(month from {l}::date), extract(day from {l}::date)")
        return "=%s-%02d-%02d" % (expected_year(y), int(m), int(d))
    dates = ["1970-01-01", "1969-12-31", "2000-01-01", "2000-02-29", "1900-02-28", "0001-01-01", "0001-12-31 BC", "0005-02-29 BC", "4714-11-24 BC", "5874897-12-31", "9999-12-31", "10000-01-01", "294276-12-31", "infinity", "-infinity", "1582-10-04", "1582-10-15"]
    dates = [q(d) for d in dates] + [f"(date '2000-01-01' + {rng.randrange(-2451000, 3000000)})" for _ in range(250)] + [f"(date '2000-01-01' + {rng.randrange(2145000000)})" for _ in range(30)]
    r.file("date", [("date", "date", dates, date_expect, True)])

    def time_expect(l, t, s):
        h, m, us = r.row(f"select extract(hour from {l}::{s}), extract(minute from {l}::{s}), (extract(second from {l}::{s}) * 1000000)::bigint")
        return "!24:00:00" if int(h) == 24 else "=%02d:%02d:%02d.%06d" % (int(h), int(m), int(us) // 1000000, int(us) % 1000000)
    times = ["00:00:00", "23:59:59.999999", "24:00:00", "12:34:56.7", "00:00:00.000001", "01:02:03.04"]
    r.file("time", [("time", "time", [q(t) for t in times] + [f"('00:00'::time + {rng.randrange(86400 * 10**6)} * interval '1 microsecond')" for _ in range(150)], time_expect, True), ("time(2)", "time", ["'12:34:56.78'"], time_expect, True)])

    def stamp_expect(l, t, s):
        if b"infinity" in t:
            return "!infinity"
        y, mo, d, h, m, us = r.row("select " + ", ".join(f"extract({f} from {l}::{s})" for f in ["year", "month", "day", "hour", "minute"]) + f", (extract(second from {l}::{s}) * 1000000)::bigint")
        if int(y) > 294246 and "4247-01-09" not in l:
            return "!outside the range"
        return "=%s-%02d-%02dT%02d:%02d:%02d.%06d%s" % (expected_year(y), int(mo), int(d), int(h), int(m), int(us) // 10**6, int(us) % 10**6, "Z" if s.startswith("timestamptz") else "")
    stamps = ["1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", "2000-01-01 00:00:00", "2024-02-29 12:34:56.789", "0001-01-01 00:00:00", "0044-03-15 12:00:00 BC", "4714-11-24 00:00:00 BC", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00",
              "294246-12-31 23:59:59.999999", "294247-01-09 23:59:59.999999", "infinity", "-infinity", "2024-01-01 00:00:00.1", "2024-01-01 00:00:00.000001", "1900-03-01 00:00:00"]
    stamps = stamps[:10] + stamps[11:]
    end = ["294276-12-31 23:59:59.999999", "294247-01-11 00:00:00"]
    rand = [f"(timestamp '2000-01-01' + {rng.randrange(-63 * 10**9, 252 * 10**9)} * interval '1 second' + {rng.randrange(10**6)} * interval '1 microsecond')" for _ in range(200)]
    r.file("timestamp", [("timestamp", "timestamp", [q(s) for s in stamps + end] + rand, stamp_expect, True), ("timestamp(3)", "timestamp", [q("2024-05-06 07:08:09.123")], stamp_expect, True)])
    r.file("timestamptz", [("timestamptz", "timestamptz", [q(s.replace(" BC", "+00 BC") if "BC" in s else s + ("+00" if "inf" not in s else "")) for s in stamps + end] + [q("2024-01-01 00:00:00+05:30"), q("1883-11-18 12:00:00-04:56:02")] + [x.replace("timestamp", "timestamptz") for x in rand], stamp_expect, True)])

    arrays(r)
    others = [("interval", "1 year 2 mons -3 days 04:05:06.7"), ("money", "$-1,234.56"), ("timetz", "24:00:00+00"), ("bit(5)", "10110"), ("varbit", "1"), ("inet", "10.0.0.1/8"), ("cidr", "10.0.0.0/8"), ("macaddr", "08:00:2b:01:02:03"),
              ("point", "(1,2)"), ("int4range", "[1,5)"), ("tsvector", "'a':1 'b'"), ("oid", "4294967295"), ("pair", '(1,"a b")'), ("int2vector", "1 2 3"), ("interval[]", '{"1 day","2 days"}'), ("pg_lsn", "16/B374D848"), ("xid8", "5")]
    r.file("others", [(t, "string", [q(v)], same, False) for t, v in others])
    r.cur.execute("drop type mood cascade; drop type pair cascade")

def arrays(r):
    def lst(fn):
        def expect(l, t, s):
            return "=[" + ", ".join("null" if v is None else fn(v) for v in current[l]) + "]"
        return expect
    current = {}
    def group(t, lake, values, fn, to_sql=str, n=20):
        lits = []
        for i in range(n):
            vals = [None if rng.random() < .15 else rng.choice(values) for _ in range([0, 1, 2, 5, 12][i % 5])]
            if i == 1:
                vals = [None]
            lit = "array[" + ",".join("null" if v is None else q(to_sql(v)) for v in vals) + "]"
            current[lit] = vals
            lits.append(lit)
        return (t, f"list<{lake}>", lits, lst(fn), True)
    labels = ["sad", "ok", "happy", "très bien", "with, comma", 'with "quote"', "中文"]
    uu = [str(uuid.UUID(bytes=rng.randbytes(16))) for _ in range(5)]
    blobs = [rng.randbytes(n) for n in [0, 1, 5, 20]]
    r.file("arrays", [
        group("bool[]", "boolean", [True, False], lambda v: "true" if v else "false"),
        group("int2[]", "int", [0, -32768, 32767, 5], str), group("int4[]", "int", [0, -2**31, 2**31 - 1, 42], str), group("int8[]", "long", [0, -2**63, 2**63 - 1, 42], str),
        group("float4[]", "float", [0.5, -2.25, 1e10], lambda v: "%.9g" % v), group("float8[]", "double", [0.1, -2.25, 1e300], lambda v: "%.17g" % v),
        group("numeric(12,3)[]", "decimal(12, 3)", ["0.000", "-1.500", "123456789.999"], str), group("numeric(30,2)[]", "decimal(30, 2)", ["0.00", "-1234567890123456789012345678.99"], str),
        group("numeric[]", "string", ["0", "1.50", "NaN", "-1000000.000"], str),
        group("text[]", "string", texts(), str), group("varchar(50)[]", "string", texts()[:40], str), group("name[]", "string", texts()[:20], str),
        group("\"char\"[]", "string", ["a", "{", ",", '"', "\\", "N"], str), group("bpchar(3)[]", "string", ["a  ", "   ", "xyz"], str),
        group("mood[]", "string", labels, str), group("uuid[]", "uuid", uu, str), group("bytea[]", "binary", blobs, lambda v: v.hex(), lambda v: "\\x" + v.hex()),
        group("json[]", "string", ['{"a": 1}', "[]", "null"], str), group("jsonb[]", "string", ['{"a": 1}', "[]", "null"], str),
        group("date[]", "date", ["2024-02-29", "1969-12-31"], str), group("time[]", "time", ["23:59:59.999999", "00:00:00.000001"], str),
        group("timestamp[]", "timestamp", ["2024-02-29 12:34:56.123456", "1969-12-31 23:59:59.999999"], lambda v: v.replace(" ", "T")),
        group("timestamptz[]", "timestamptz", ["2024-02-29 12:34:56.123456", "1969-12-31 23:59:59.999999"], lambda v: v.replace(" ", "T") + "Z"),
    ])
    refuse = [("int4[]", "int", q("{{1,2},{3,4}}"), "!more than one dimension"), ("int4[]", "int", q("[0:1]={1,2}"), "!lower bound"), ("int4[]", "int", q("[2:3][1:2]={{1,2},{3,4}}"), "!more than one dimension"),
              ("text[]", "string", q("[-5:-4]={a,b}"), "!lower bound"), ("text[]", "string", q("{{a}}"), "!more than one dimension"), ("date[]", "date", q("{infinity}"), "!infinity"), ("numeric(5,2)[]", "decimal(5, 2)", q("{1.00,NaN}"), "!NaN"),
              ("timestamp[]", "timestamp", q("{2024-01-01,-infinity}"), "!infinity"), ("time[]", "time", q("{24:00:00}"), "!24:00:00")]
    r.file("arrays_refused", [(t, f"list<{lake}>", [l], lambda a, b, c, want=want: want, True) for t, lake, l, want in refuse])

main()
