#!/usr/bin/env python3
"""Proves that no code compiled for a stronger instruction set leaks out of its leaf file: such an
object may define its rows (data) and nothing weak. A weak (inline) function could be picked by the
linker for everybody, and crash an older CPU.

    tools/check_isa_leaks.py build/release
"""
import re
import subprocess
import sys
from pathlib import Path

LEAF = re.compile(r"_(avx2|avxvnni|avx512vnni|amx|neon|neondot)\.cc\.o$")
WEAK = set("wWvVuiT")         # weak, unique, ifunc, exported code


def main():
    objects = [p for p in Path(sys.argv[1]).rglob("*.o") if LEAF.search(p.name)]
    if not objects:
        sys.exit(f"{sys.argv[1]}: no leaf objects; build first")
    bad = []
    for path in sorted(objects):
        lines = subprocess.run(["nm", "--defined-only", "-C", str(path)], check=True,
                               stdout=subprocess.PIPE, text=True).stdout.splitlines()
        for line in lines:
            kind, name = line.split(" ", 2)[1:]
            starts = "_GLOBAL__sub_I" in name or "__static_init" in name  # would run on every CPU
            if starts or (kind in WEAK and not name.startswith("DW.ref")):
                bad.append(f"{path.name}: defines {kind} {name}")
    print("\n".join(bad) if bad else f"ISA leaks: none in {len(objects)} leaf objects")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
