#!/usr/bin/env python3
"""tools/embed.py — makes a C source and header out of files: embed.py PREFIX OUT.c OUT.h FILE...

Each FILE (one SQL query) becomes `const char PREFIX_NAME[]`, NAME being the file's name without its ending.
Comment lines (--) and blank lines at the head are dropped, so the server's log shows the query alone.
"""
import os
import re
import sys


def literal(line):
    out = line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?").replace("\t", "\\t")
    return '"' + out + '\\n"'


def main():
    prefix, out_c, out_h, files = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    guard = "TARN_" + re.sub(r"\W", "_", os.path.basename(out_h)).upper()
    with open(out_c, "w", encoding="utf-8") as c, open(out_h, "w", encoding="utf-8") as h:
        h.write(f"/* Made by tools/embed.py from one file a query. */\n#ifndef {guard}\n#define {guard}\n\n")
        c.write(f'/* Made by tools/embed.py from one file a query. */\n#include "{os.path.basename(out_h)}"\n')
        for path in files:
            name = os.path.splitext(os.path.basename(path))[0]
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                sys.exit(f"{path}: the file's name must be a C identifier in lower case")
            with open(path, encoding="utf-8") as f:
                lines = [x.rstrip("\n") for x in f]
            while lines and (not lines[0].strip() or lines[0].lstrip().startswith("--")):
                lines.pop(0)
            if not lines:
                sys.exit(f"{path}: no query in it")
            h.write(f"extern const char {prefix}_{name}[];\n")
            c.write(f"\nconst char {prefix}_{name}[] =\n\t" + "\n\t".join(literal(x) for x in lines) + ";\n")
        h.write("\n#endif\n")


main()
