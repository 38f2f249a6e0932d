#!/usr/bin/env python3
"""Who may include whom (docs/architecture.md): the rule as a table, checked on every #include.

    tools/check_includes.py [--self-test]
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Direct permissions between rooms; the rule is their transitive closure.
MAY = {
    "base": [],
    "arithmetic": ["base"],
    "ops": ["arithmetic"],
    "graph": ["ops"],
    "formats": ["graph"],
    "plan": ["ops"],
    "backend": ["plan"],
    "kernels": ["backend"],
    "compile": ["graph", "backend"],
    "runtime": ["backend"],
    "calibrate": ["compile", "runtime"],
    "tune": ["compile", "runtime", "calibrate"],
    "report": ["tune"],
}
# Public headers a room may use besides the value headers, transitively with its permissions.
VALUES = {"types.h", "tensor.h", "ops.h"}
PUBLIC = {
    "graph": {"network.h"},
    "formats": {"calibration.h", "data.h", "onnx.h"},
    "plan": {"plan.h"},
    "backend": {"engine.h"},
    "compile": {"builder.h", "calibration.h", "data.h"},
    "runtime": {"engine.h"},
    "calibrate": {"calibration.h", "data.h"},
    "tune": {"builder.h"},
    "report": {"report.h", "detection.h"},
}
SUBROOMS = ("portable", "cpu", "onednn", "cuda")
LEAF = re.compile(r"_(avx2|avxvnni|avx512vnni|amx|neon|neondot)\.cc$|_leaf\.h$")
LEAF_MAY = re.compile(r"^(immintrin\.h|arm_neon\.h|cstdint|cstddef|kernels/cpu/\w+_(kernel|leaf)\.h)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def closure(room):
    seen, todo = set(), [room]
    while todo:
        for other in MAY[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def public_of(room):
    return VALUES.union(*(PUBLIC.get(r, set()) for r in closure(room) | {room}))


def breaches_of(path, text):
    """Messages about one file; `path` is relative to the repository."""
    parts = Path(path).parts
    found = []
    for target in INCLUDE.findall(text):
        head = target.split("/")[0]
        if parts[0] == "include":
            if head in MAY:
                found.append(f"{path}: a public header includes {target}")
            continue
        room = parts[1]
        if LEAF.search(path) and not LEAF_MAY.match(target):
            found.append(f"{path}: a leaf file includes {target}")
        if head == "octile":
            if Path(target).name not in public_of(room):
                found.append(f"{path}: {room} includes {target}, which is not its own")
        elif head in MAY and head != room and head not in closure(room):
            found.append(f"{path}: {room} includes {target}")
        elif head == "..":
            found.append(f"{path}: a relative include, {target}")
        elif head == "kernels" and room == "kernels":
            mine, theirs = parts[2], target.split("/")[1]
            if theirs in SUBROOMS and mine not in (theirs, "backends.cc"):
                found.append(f"{path}: kernels/{mine} includes {target}")
    return found


def self_test():
    cases = {
        ("src/runtime/x.cc", '#include "graph/validate.h"'): 1,
        ("src/compile/x.cc", '#include "kernels/cpu/tactics.h"'): 1,
        ("src/plan/x.cc", '#include "octile/network.h"'): 1,
        ("include/octile/x.h", '#include "base/error.h"'): 1,
        ("src/kernels/cpu/x.cc", '#include "kernels/portable/rows.h"'): 1,
        ("src/kernels/cpu/x_avx2.cc", "#include <vector>"): 1,
        ("src/kernels/cpu/x_avx2.cc", "#include <immintrin.h>"): 0,
        ("src/compile/x.cc", '#include "ops/ops.h"\n#include "octile/builder.h"'): 0,
        ("src/kernels/x.h", '#include "kernels/cpu/tactics.h"'): 1,
        ("src/ops/x.cc", '#include "../graph/validate.h"'): 1,
        ("src/kernels/backends.cc", '#include "kernels/portable/tactics.h"'): 0,
    }
    for (path, text), expected in cases.items():
        got = breaches_of(path, text)
        if len(got) != expected:
            sys.exit(f"self-test: {path} {text!r}: expected {expected} breaches, got {got}")
    for room in MAY:
        if room in closure(room):
            sys.exit(f"the table has a circle through {room}")


def main():
    if "--self-test" in sys.argv[1:]:
        return self_test()
    breaches, count = [], 0
    for folder in ("include", "src"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".h", ".cc") or path.name == "empty.cc":
                continue
            count += 1
            breaches += breaches_of(str(path.relative_to(ROOT)), path.read_text())
    print("\n".join(breaches) if breaches else f"include rule: {count} files keep it")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
