#!/usr/bin/env python3
"""How many of a byte's 256 levels each scheme and calibration method really uses, tensor by tensor,
on the models of benchmarks/accuracy. `make bench-levels` runs it.

    MODELS=DIR benchmarks/precision/levels.py build/release/octile [--models kws] [--docs PAGE]
    benchmarks/precision/levels.py --plots --docs PAGE    # from --json

Levels are counted by `octile report --json` on the histograms of the calibration samples. Writes
build/bench/int8-levels.json, with --docs the page's table, and an SVG file beside it.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "accuracy"))
try:
    import engines
    import numpy as np
    import plots
    import snippets
    import tasks
except ImportError as error:
    sys.exit(f"{error}; pip install -r benchmarks/precision/requirements.txt")

SCHEMES, METHODS = ("static-symmetric", "static-affine"), ("entropy", "minmax", "percentile", "mse")


def rows_of(octile, name, folder):
    """A row for each tensor that INT8 layers read, scheme and method."""
    for scheme in SCHEMES:
        recipe = ("--scheme", scheme, "--method", "minmax")
        plan = octile.int8(*recipe, "--timing-cache", folder / "timing.cache")
        data = ("--model", octile.task.model, "--calibrate", folder / "calibration.npy")
        report = json.loads(octile.command("-q", "report", plan, *data, "--json"))
        for tensor in report["tensors"]:
            histogram = tensor.get("histogram")
            if tensor["precision"] not in ("int8", "both") or not histogram:
                continue
            for threshold in tensor["thresholds"]:
                yield {
                    "model": name,
                    "tensor": tensor["name"],
                    "scheme": scheme,
                    "method": threshold["method"],
                    "levels": threshold["levels_used"],
                    "clipped": threshold["clipped"],
                    "one_sided": histogram["lo"] >= 0,
                }


def table(rows):
    """Median levels by model, scheme and method; the last lines are over all tensors."""
    columns = [(scheme, method) for scheme in SCHEMES for method in METHODS]
    names = [f"{scheme.removeprefix('static-')} {method}" for scheme, method in columns]
    lines = ["| | tensors | " + " | ".join(names) + " |", "|---" * (2 + len(columns)) + "|"]

    def add(text, some):
        cells = []
        for column in columns:
            found = [r["levels"] for r in some if (r["scheme"], r["method"]) == column]
            cells.append(f"{np.median(found):.0f}" if found else "")
        count = len({(r["model"], r["tensor"]) for r in some})
        lines.append(f"| {text} | {count} | " + " | ".join(cells) + " |")

    for model in dict.fromkeys(r["model"] for r in rows):
        add(model, [r for r in rows if r["model"] == model])
    add("all without negative values", [r for r in rows if r["one_sided"]])
    add("all others", [r for r in rows if not r["one_sided"]])
    return "\n".join(lines)


def measure(args):
    rows = []
    for name in args.models:
        try:
            task = tasks.TASKS[name]()
        except FileNotFoundError as error:
            print(f"{name}: skipped, {error.filename} is missing (MODELS=DIR)", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            octile = engines.Octile(args.octile, task, folder, "timed", ("--threads", "1"))
            rows += rows_of(octile, name, Path(folder))
        print(f"{name}: {sum(r['model'] == name for r in rows)} rows", flush=True)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("octile", nargs="?", default="build/release/octile", help="the program")
    parser.add_argument("--models", default="", help=f"of {', '.join(tasks.TASKS)} (default: all)")
    parser.add_argument(
        "--plots", action="store_true", help="measure nothing, write --docs from --json"
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench/int8-levels.json"))
    parser.add_argument("--docs", type=Path, help="the page whose table is written anew")
    args = parser.parse_args()
    args.models = list(filter(None, args.models.split(","))) or list(tasks.TASKS)
    rows = json.loads(args.json.read_text())["rows"] if args.plots else measure(args)
    print(table(rows))
    if args.docs:
        plots.levels(rows, SCHEMES, METHODS, args.docs.parent / "images/int8-levels.svg")
        snippets.put(args.docs, "levels", table(rows))


if __name__ == "__main__":
    main()
