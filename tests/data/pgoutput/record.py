#!/usr/bin/env python3
# tests/data/pgoutput/record.py — records real pgoutput streams: python3 record.py 'host=... port=... user=... password=... dbname=...'
#
# NAME.bin holds frames (u32 little-endian length, CopyData body), NAME.txt one expected line a frame. Lines of relations and rows are typed here, beside the SQL that causes
# them; positions, times and counters are read from the bytes with struct. Values over 40 bytes are written as length and CRC-32.
import hashlib, os, struct, sys, time, zlib
import psycopg
from psycopg import pq

HERE = os.path.dirname(os.path.abspath(__file__))
DSN = sys.argv[1]

def t(value):
    data = value.encode() if isinstance(value, str) else value
    return "t(%d,%08x)" % (len(data), zlib.crc32(data)) if len(data) > 40 else "t'%s'" % data.decode()

def b(data):
    return "b(%d,%08x)" % (len(data), zlib.crc32(data)) if len(data) > 40 else "b'%s'" % data.hex()

def noise(seed, n):
    """n hexadecimal characters that do not compress away"""
    out = "".join(hashlib.sha256(f"{seed}:{i}".encode()).hexdigest() for i in range(n // 64 + 1))
    return out[:n]

class Recording:
    def __init__(self, name, binary=False):
        self.name, self.binary, self.lines = name, binary, []
        self.sql = psycopg.connect(DSN, autocommit=True)
        for q in ["drop publication if exists rec", "drop schema if exists rec cascade", "create schema rec", "set search_path = rec"]:
            self.sql.execute(q)

    def run(self, sql, *lines):
        self.sql.execute(sql)
        self.lines += lines

    def start(self):
        self.sql.execute("create publication rec for all tables with (publish_via_partition_root = true)")
        self.sql.execute("select pg_create_logical_replication_slot('rec_slot', 'pgoutput')")

    def finish(self):
        end = self.sql.execute("select pg_current_wal_insert_lsn()").fetchone()[0]
        high, low = end.split("/")
        end = int(high, 16) << 32 | int(low, 16)
        conn = pq.PGconn.connect((DSN + " replication=database options='-c DateStyle=ISO -c bytea_output=hex -c extra_float_digits=3 -c TimeZone=UTC'").encode())
        extra = ", binary 'true'" if self.binary else ""
        res = conn.exec_(f"START_REPLICATION SLOT rec_slot LOGICAL 0/0 (proto_version '1', publication_names '\"rec\"', messages 'true'{extra})".encode())
        assert res.status == pq.ExecStatus.COPY_BOTH, res.error_message
        frames, deadline, typed = [], time.time() + 10, list(self.lines)
        out = []
        while time.time() < deadline:
            n, data = conn.get_copy_data(1)
            if n == 0:
                time.sleep(0.01)
                conn.consume_input()
                continue
            assert n > 0
            data = bytes(data)
            frames.append(data)
            out.append(self.line(data, typed))
            if data[:1] == b"k" and struct.unpack(">Q", data[1:9])[0] >= end:
                break
        assert not typed, typed[:3]
        with open(os.path.join(HERE, self.name + ".bin"), "wb") as f:
            for data in frames:
                f.write(struct.pack("<I", len(data)) + data)
        with open(os.path.join(HERE, self.name + ".txt"), "w") as f:
            f.write("\n".join(out) + "\n")
        conn.finish()
        time.sleep(0.3)
        self.sql.execute("select pg_drop_replication_slot('rec_slot')")
        self.sql.execute("drop publication rec; drop schema rec cascade")
        print(self.name, len(frames), "frames")

    def line(self, data, typed):
        if data[:1] == b"k":
            end, _, reply = struct.unpack(">QQB", data[1:])
            return "keepalive %d %d" % (end, reply)
        tag, body = data[25:26], data[26:]
        if tag == b"B":
            lsn, when, xid = struct.unpack(">QqI", body)
            return "begin %d %d %d" % (lsn, when + 946684800 * 10**6, xid)
        if tag == b"C":
            _, lsn, end, when = struct.unpack(">BQQq", body)
            return "commit %d %d %d" % (lsn, end, when + 946684800 * 10**6)
        return typed.pop(0)

def everything():
    r = Recording("text")
    r.run("create type rec.mood as enum ('sad', 'ok')")
    r.run("create table users (id int primary key, name varchar(20), balance numeric(10,2), feeling rec.mood, born date, tags text[])")
    r.run("create table docs (id bigint primary key, body text, note text)")
    r.run("alter table docs alter body set storage external")
    r.run("create table pairs (a int, b text, v int, primary key (b, a))")
    r.run("create table whole (id int, body text); alter table whole replica identity full; alter table whole alter body set storage external")
    r.run("create table empty_row ()")
    r.start()
    users = "relation rec.users d id*:23:-1 name:1043:24 balance:1700:655366 feeling:user:-1 born:1082:-1 tags:1009:-1"
    r.run("insert into users values (1, 'ann', 12.5, 'ok', '2000-02-29', '{a,\"b c\",NULL}')", "ignored", users, "insert rec.users t'1' t'ann' t'12.50' t'ok' t'2000-02-29' t'{a,\"b c\",NULL}'")
    r.run("insert into users (id, name) values (2, 'zoë')", "insert rec.users t'2' t'zoë' null null null null")
    r.run("update users set balance = -1 where id = 1", "update rec.users new t'1' t'ann' t'-1.00' t'ok' t'2000-02-29' t'{a,\"b c\",NULL}'")
    r.run("update users set id = 3 where id = 2", "update rec.users old t'2' null null null null null new t'3' t'zoë' null null null null")
    r.run("delete from users where id = 3", "delete rec.users old t'3' null null null null null")
    body = noise("doc", 5000)
    r.run(f"insert into docs values (9000000000, '{body}', 'first')", "relation rec.docs d id*:20:-1 body:25:-1 note:25:-1", f"insert rec.docs t'9000000000' {t(body)} t'first'")
    r.run("update docs set note = 'second'", "update rec.docs new t'9000000000' unchanged t'second'")
    r.run("update docs set id = id + 1", "update rec.docs old t'9000000000' null null new t'9000000001' unchanged t'second'")
    r.run("update docs set body = NULL", "update rec.docs new t'9000000001' null t'second'")
    r.run("insert into pairs values (1, 'x', 10)", "relation rec.pairs d a*:23:-1 b*:25:-1 v:23:-1", "insert rec.pairs t'1' t'x' t'10'")
    r.run("update pairs set b = 'y'", "update rec.pairs old t'1' t'x' null new t'1' t'y' t'10'")
    r.run(f"insert into whole values (1, '{body}')", "relation rec.whole f id*:23:-1 body*:25:-1", f"insert rec.whole t'1' {t(body)}")
    r.run("update whole set id = 2", f"update rec.whole old t'1' {t(body)} new t'2' unchanged")
    r.run("delete from whole", f"delete rec.whole old t'2' {t(body)}")
    r.run("insert into empty_row default values", "relation rec.empty_row d", "insert rec.empty_row")
    r.run("begin; insert into users (id) values (10); savepoint s; insert into users (id) values (11); rollback to s; insert into users (id) values (12); commit",
          "insert rec.users t'10' null null null null null", "insert rec.users t'12' null null null null null")
    r.run("alter table users add column extra int default 7", )
    r.run("update users set name = 'bob' where id = 10", "ignored", users + " extra:23:-1", "update rec.users new t'10' t'bob' null null null null t'7'")
    r.run("alter table users drop column tags; alter table users rename column name to full_name")
    r.run("insert into users (id, full_name) values (13, '')", "ignored", "relation rec.users d id*:23:-1 full_name:1043:24 balance:1700:655366 feeling:user:-1 born:1082:-1 extra:23:-1", "insert rec.users t'13' t'' null null null t'7'")
    r.run("truncate users, docs", "ignored", "relation rec.users d id*:23:-1 full_name:1043:24 balance:1700:655366 feeling:user:-1 born:1082:-1 extra:23:-1", "relation rec.docs d id*:20:-1 body:25:-1 note:25:-1", "truncate rec.users rec.docs")
    r.run("truncate pairs restart identity cascade", "relation rec.pairs d a*:23:-1 b*:25:-1 v:23:-1", "truncate rec.pairs")
    r.run("select pg_logical_emit_message(true, 'prefix', 'inside'), pg_logical_emit_message(false, 'prefix', 'out\\000side'::bytea)", "ignored", "ignored")
    big = [f"insert rec.pairs t'{i}' t'row {i}' t'{i * 7}'" for i in range(300)]
    r.run("insert into pairs select i, 'row ' || i, i * 7 from generate_series(0, 299) i", "relation rec.pairs d a*:23:-1 b*:25:-1 v:23:-1", *big)
    # messages outside of a transaction come first when the message is not transactional
    r.lines = r.lines
    r.finish()

def partitions():
    r = Recording("partitions")
    r.run("create table sales (id int, region text, amount int, primary key (id, region)) partition by list (region)")
    r.run("create table sales_north (amount int, region text not null, id int not null, primary key (id, region)); alter table sales attach partition sales_north for values in ('north')")
    r.run("create table sales_south partition of sales for values in ('south')")
    r.start()
    root, north, south = "relation rec.sales d id*:23:-1 region*:25:-1 amount:23:-1", "relation rec.sales_north d amount:23:-1 region*:25:-1 id*:23:-1", "relation rec.sales_south d id*:23:-1 region*:25:-1 amount:23:-1"
    r.run("insert into sales values (1, 'north', 5)", root, north, "insert rec.sales t'1' t'north' t'5'")
    r.run("update sales set region = 'south' where id = 1", "delete rec.sales old t'1' t'north' null", root, south, "insert rec.sales t'1' t'south' t'5'")
    r.finish()

def binary():
    r = Recording("binary", binary=True)
    r.run("create type rec.mood as enum ('sad', 'ok')")
    r.run("create table kinds (id int8 primary key, s text, n numeric(10,2), m rec.mood, at timestamptz, arr int4[], blob bytea, f float8, u uuid)")
    r.run("alter table kinds alter s set storage external")
    r.start()
    rel = "relation rec.kinds d id*:20:-1 s:25:-1 n:1700:655366 m:user:-1 at:1184:-1 arr:1007:-1 blob:17:-1 f:701:-1 u:2950:-1"
    one = b(struct.pack(">q", 1))
    n = b(struct.pack(">hhHHhh", 2, 0, 0x4000, 2, 12, 5000))
    at = b(struct.pack(">q", 86400 * 10**6 + 250000))
    arr = b(struct.pack(">iiiii", 1, 1, 23, 2, 1) + struct.pack(">ii", 4, 7) + struct.pack(">i", -1))
    u = b(bytes.fromhex("a0eebc999c0b4ef8bb6d6bb9bd380a11"))
    s = noise("bin", 4000)
    r.run(f"insert into kinds values (1, '{s}', -12.5, 'sad', '2000-01-02 00:00:00.25+00', '{{7,NULL}}', '\\x00ff', 0.1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')", "ignored", rel,
          f"insert rec.kinds {one} {b(s.encode())} {n} {b(b'sad')} {at} {arr} {b(bytes([0, 255]))} {b(struct.pack('>d', 0.1))} {u}")
    r.run("update kinds set f = null", f"update rec.kinds new {one} unchanged {n} {b(b'sad')} {at} {arr} {b(bytes([0, 255]))} null {u}")
    r.run("update kinds set id = -1", f"update rec.kinds old {one} null null null null null null null null new {b(struct.pack('>q', -1))} unchanged {n} {b(b'sad')} {at} {arr} {b(bytes([0, 255]))} null {u}")
    r.run("delete from kinds", f"delete rec.kinds old {b(struct.pack('>q', -1))} null null null null null null null null")
    r.finish()

everything()
partitions()
binary()
