#!/usr/bin/env python3
"""Does INT8 pay on real models? The float, the all-INT8 and the chosen engine of each, timed in
turns in one process, scored with the metrics of benchmarks/accuracy. `make bench-precision` runs
it.

    MODELS=DIR benchmarks/precision/precision.py build/release/octile [--models kws] [--threads 2]
    benchmarks/precision/precision.py --markdown    # --json's table as docs/performance.md has it

Prints a table with its bars and writes build/bench/precision.json, with --docs the page's table.
README.md says what is in them.
Needs: pip install -r benchmarks/precision/requirements.txt
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "accuracy"))
try:
    import bars
    import engines
    import snippets
    import tasks
    from trio import Trio
except ImportError as error:
    sys.exit(f"{error}; pip install -r benchmarks/precision/requirements.txt")

SCHEMES = ("static-symmetric", "dynamic-symmetric")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("octile", nargs="?", default="build/release/octile", help="the program")
    parser.add_argument("--models", default="", help=f"of {', '.join(tasks.TASKS)} (default: all)")
    parser.add_argument(
        "--scheme", action="append", help=f"repeatable (default: {', '.join(SCHEMES)})"
    )
    parser.add_argument("--method", default="entropy", help="of calibration, for static schemes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="of measuring, for each engine")
    parser.add_argument(
        "--max-loss",
        type=float,
        default=0.3,
        help="points, of the rows that ask for it; negative: no such rows",
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench/precision.json"))
    parser.add_argument(
        "--markdown", action="store_true", help="measure nothing: print --json's table"
    )
    parser.add_argument("--docs", type=Path, help="the page whose table is written anew")
    args = parser.parse_args()
    args.models = list(filter(None, args.models.split(","))) or list(tasks.TASKS)
    args.scheme = args.scheme or list(SCHEMES)
    unknown = set(args.models) - set(tasks.TASKS)
    if unknown:
        parser.error(
            f"no model is called {', '.join(sorted(unknown))}; there are {', '.join(tasks.TASKS)}"
        )
    return args


def save(made, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(made, indent=1) + "\n")
    partial.rename(path)


def rows_of(name, args):
    """Rows of one model, as they are measured."""
    with tempfile.TemporaryDirectory() as folder:
        trio = Trio(args, tasks.TASKS[name](), Path(folder))
        for scheme in args.scheme:
            yield trio.row(scheme)
        if args.max_loss >= 0 and trio.has_goal():
            yield trio.row(args.scheme[0], max_loss=args.max_loss)


def measure(args):
    """Every row, saved as it comes; and how many models failed."""
    devices = subprocess.check_output([args.octile, "devices", "--json"])
    machine = snippets.machine(json.loads(devices), args.device)
    made, failures = {"machine": machine, "date": snippets.today(), "rows": []}, 0
    print(bars.heading(), flush=True)
    for name in args.models:
        try:
            for row in rows_of(name, args):
                made["rows"].append(row)
                print(bars.line(row), flush=True)
                save(made, args.json)
        except FileNotFoundError as error:
            print(f"{name}: skipped, {error.filename} is missing (MODELS=DIR)", flush=True)
        except engines.Failed as error:
            failures += 1
            print(f"{name}: {error}", flush=True)
    print(bars.summary(made["rows"]))
    print(f"{len(made['rows'])} rows in {args.json}")
    return made, failures


def main():
    args = arguments()
    made, failures = (json.loads(args.json.read_text()), 0) if args.markdown else measure(args)
    if args.markdown:
        print(bars.markdown(made))
    if args.docs and made["rows"]:
        prefix = "" if made["rows"][0]["device"] == "cpu" else "gpu-"
        snippets.put(args.docs, f"{prefix}precision", bars.markdown(made))
    sys.exit(1 if failures or not made["rows"] else 0)


if __name__ == "__main__":
    main()
