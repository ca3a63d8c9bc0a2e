#!/usr/bin/env python3
"""tests/data/journal/make_segment.py — a journal segment made from the table in src/journal/segment.h, without Tarn's code.

Usage: make_segment.py FOLDER. Used by tests/unit/journal/test_journal.c; the file is kept so that later versions must still read it."""
import struct
import sys


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


BASE = 5000
RELATION, BEGIN, CHANGES, COMMIT, MARK = 1, 2, 3, 4, 5


def text(s):
    return struct.pack('<H', len(s)) + s.encode()


def column(name, kind, oid, type_name, flags):
    return text(name) + bytes([kind, 0, 0, 0]) + struct.pack('<Ii', oid, -1) + text(type_name) + bytes([flags])


def tuple_(*values):
    out = struct.pack('<H', len(values))
    for v in values:
        out += b'n' if v is None else b't' + struct.pack('<I', len(v)) + v
    return out


def main():
    type_long, type_string = TYPES
    header = struct.pack('<8sIIQQQQIIQIIQ64s', b'TARNJRNL', 1, 256, 3, BASE, 0x1000, 0x1010, 5, 2, 7312345678901234567, 16400, 0, 1764000000000000, b'shop')
    header = header.ljust(252, b'\0')
    out = bytearray(header + struct.pack('<I', crc32c(header)))
    crcs = []

    def record(kind, payload):
        body = struct.pack('<IB', len(payload), kind) + payload
        crc = crc32c(body, crc32c(struct.pack('<Q', BASE + len(out))))
        crcs.append(crc)
        out.extend(struct.pack('<I', crc) + body)

    rel = struct.pack('<II', 16385, 4) + text('public') + text('users') + b'\0' + struct.pack('<H', 2)
    rel += column('id', type_long, 20, 'bigint', 3) + column('name', type_string, 25, 'text', 0)
    rel += struct.pack('<HH', 1, 0)
    record(RELATION, struct.pack('<I', 4) + rel)
    del crcs[:]
    record(BEGIN, struct.pack('<QqIQ', 0x2000, 1764000001000000, 731, BASE + 256))
    insert = b'I' + bytes([2]) + struct.pack('<I', 4) + tuple_(b'42', None)
    delete = b'D' + bytes([1]) + struct.pack('<I', 4) + tuple_(b'41', None)
    record(CHANGES, struct.pack('<I', 2) + insert + delete)
    chain = 0
    for crc in crcs:
        chain = crc32c(struct.pack('<I', crc), chain)
    record(COMMIT, struct.pack('<QQqIQI', 0x2000, 0x2030, 1764000001000000, 731, 2, chain))
    record(MARK, struct.pack('<Q', BASE + len(out)))
    with open('%s/%020d.seg' % (sys.argv[1], BASE), 'wb') as f:
        f.write(out)


TYPES = (3, 7)  # enum type_kind: int64, string
main()
