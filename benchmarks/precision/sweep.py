#!/usr/bin/env python3
"""When does INT8 pay? Single convolutions and rows of them over input size, channels, kernel and
batch: the four times of each as `octile build` measures them, the balance, and both engines as
wholes. `make sweep-int8` runs it.

    benchmarks/precision/sweep.py build/release/octile [--device cuda:0] [--quick] [--docs PAGE]
    benchmarks/precision/sweep.py build/release/octile --quick --minutes 4    # all over the grid
    benchmarks/precision/sweep.py --plots --docs PAGE         # from --json
    benchmarks/precision/sweep.py build/release/octile --huge    # only the network that stays float

Writes build/bench/int8-sweep.json; with --docs the page's measured parts, and SVG files beside it.
Needs: pip install -r benchmarks/precision/requirements.txt
"""

import argparse
import dataclasses
import json
import math
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import findings
    import networks
    import plots
    import snippets
except ImportError as error:
    sys.exit(f"{error}; pip install -r benchmarks/precision/requirements.txt")

SIZES = (7, 14, 28, 56, 112, 224, 448)
CHANNELS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCHES = (1, 8)
FORMS = ((1, False), (3, False), (5, False), (3, True), (5, True))  # kernel, depthwise
DEPTHS, DEEP_CHANNELS, DEEP_SIZE = (2, 3, 4, 6, 8), (1, 2, 4), 448  # 1 × 1 in a row
MOST_OPERATIONS, MOST_VALUES = 1e9, 16 << 20


def points(quick):
    every = slice(None, None, 2 if quick else 1)
    grid = [
        networks.Point(size, c, kernel, batch, depthwise)
        for batch in BATCHES
        for kernel, depthwise in FORMS
        for c in CHANNELS[every]
        for size in SIZES[every]
        if kernel < 5 or not quick
    ]
    rows = [
        networks.Point(DEEP_SIZE, c, 1, 1, False, depth)
        for c in DEEP_CHANNELS
        for depth in DEPTHS[every]
    ]
    return [p for p in grid + rows if p.operations <= MOST_OPERATIONS and p.values <= MOST_VALUES]


class Octile:
    def __init__(self, args, folder):
        self.program, self.folder, self.device = args.octile, folder, args.device
        self.session = ["--device", args.device, "--threads", str(args.threads)]

    def command(self, *words):
        done = subprocess.run(
            [self.program, *map(str, words), *self.session],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if done.returncode != 0:
            sys.exit(f"octile {' '.join(map(str, words))}:\n{done.stderr.strip()}")
        return done.stdout

    def build(self, model, ranges, name, *flags):
        plan, cache = self.folder / f"{name}.plan", self.folder / "timing.cache"
        int8 = ["--int8", *ranges] if name != "float" else []
        self.command("-q", "build", model, "-o", plan, "--timing-cache", cache, *int8, *flags)
        return plan

    def precision(self, plan):
        return json.loads(self.command("inspect", plan, "--json"))["precision"]

    def machine(self):
        return snippets.machine(json.loads(self.command("devices", "--json")), self.device)

    def milliseconds(self, plans, batch, seconds):
        flags = ["--batch", batch, "--warmup", 0.02, "--duration", seconds, "--json"]
        reports = json.loads(self.command("bench", *plans, *flags))
        return [report["latency_ms"]["p50"] for report in reports]


def quantize_us(precision, group):
    """Of the group's input; 0 where its kernel quantizes itself, which its time holds then."""
    tensor = precision["tensors"][group["inputs"][0]]
    maker = precision["groups"][tensor["producer"]]["label"] if tensor["producer"] >= 0 else None
    return tensor["quantize_us"] if maker == "int8" else group["quantize_us"]


def times_of(precision):
    """Sums over the convolutions, as if all were INT8: microseconds."""
    groups = [g for g in precision["groups"] if g["op"] == "Convolution"]
    tensors = precision["tensors"]
    last = tensors[groups[-1]["output"]]
    times = {
        "float_us": sum(g["float_us"] for g in groups),
        "int8_us": sum(g["int8_us"] for g in groups),
        "quantize_us": quantize_us(precision, groups[0]),
        "dequantize_us": min(groups[-1]["dequantize_us"], last["dequantize_us"]),
        "dequantize_pass_us": last["dequantize_us"],
    }
    times["balance_us"] = (
        times["float_us"] - times["int8_us"] - times["quantize_us"] - times["dequantize_us"]
    )
    return times


def measure(octile, point, seconds):
    model = octile.folder / "network.onnx"
    ranges = networks.write(point, model)
    forced = [flag for i in range(point.depth) for flag in ("--precision", f"conv{i}=int8")]
    plans = [
        octile.build(model, ranges, "chosen"),
        octile.build(model, [], "float"),
        octile.build(model, ranges, "int8", *forced),
    ]
    precision = octile.precision(plans[0])
    chosen, float_ms, int8_ms = octile.milliseconds(plans, point.batch, seconds)
    kept = next(e for e in precision["engines"] if e["kept"])
    return {
        **dataclasses.asdict(point),
        "inputs": point.inputs,
        "operations": point.operations,
        "values": point.values,
        "intensity": point.intensity,
        **times_of(precision),
        "engine_float_ms": float_ms,
        "engine_int8_ms": int8_ms,
        "engine_chosen_ms": chosen,
        "stays_float": kept["int8"] == 0,
    }


def huge(octile, folder):
    """Builds the documentation's network in front of the reader; the command, and what it said."""
    model = folder / "huge.onnx"
    ranges = networks.write_huge(model)
    command = [octile.program, "build", str(model), "--int8", *ranges, *octile.session, "-v"]
    print("\n$ " + " ".join(command), flush=True)
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    steps = re.compile(r"[\w ]+: \d+/\d+$|debug|#|\d+  ")  # progress, and the table of steps
    lines = [line for line in done.stdout.splitlines() if not steps.match(line)]
    print("\n".join(lines), flush=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return {
        "command": " ".join(command),
        "output": [line.rstrip() for line in lines if line.strip()],
    }


def line(row):
    share = 100 * row["balance_us"] / row["float_us"]
    whole = 1e3 * (row["engine_float_ms"] - row["engine_int8_ms"])
    times = [row[f"{name}_us"] for name in ("float", "int8", "quantize", "dequantize", "balance")]
    return (
        f"{findings.form_name(row['kernel'], row['depthwise']):13} {row['size']:4} "
        f"{row['channels']:4} {row['batch']:5} {row['depth']:5} {row['intensity']:8.1f} "
        + " ".join(f"{time:10.2f}" for time in times)
        + f" {share:5.0f} % {whole:10.2f}  {'float' if row['stays_float'] else 'int8'}"
    )


def sweep(octile, args):
    made = {
        "machine": octile.machine(),
        "device": args.device,
        "threads": args.threads,
        "date": snippets.today(),
        "rows": [],
    }
    names = "T_float µs     T_int8    T_quant  T_dequant    balance   share  engines"
    print(f"{'form':13} size chan batch depth ops/byte {names}")
    grid = points(args.quick)
    if args.minutes < math.inf:  # whatever is left out is spread over the grid
        random.Random(0).shuffle(grid)
    end = time.monotonic() + 60 * args.minutes
    for point in grid:
        if time.monotonic() > end:
            print(f"{args.minutes:g} minutes are over: {len(made['rows'])} of {len(grid)} networks")
            break
        row = measure(octile, point, args.seconds)
        made["rows"].append(row)
        print(line(row), flush=True)
        save(made, args.json)
    return made


def save(made, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n")


def write_docs(made, page):
    """The page's measured parts, and the plots in images/ beside it."""
    prefix = "" if made["device"] == "cpu" else "gpu-"
    plots.draw(made, page.parent / "images", prefix)
    text = findings.summary(made)
    if prefix:  # the CPU's are linked where the page speaks of them
        links = [f"![{what}](images/int8-{prefix}{name}.svg)" for name, what in plots.FIGURES]
        text = "\n\n".join([text, *links])
    snippets.put(page, f"{prefix}sweep", text)
    shown = ["```", "$ " + made["huge"]["command"], *made["huge"]["output"], "```"]
    snippets.put(page, f"{prefix}huge", "\n".join(shown))


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("octile", nargs="?", default="build/release/octile", help="the program")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="fewer points")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after so many, wherever that is"
    )
    parser.add_argument(
        "--seconds", type=float, default=0.1, help="of timing whole engines, for each"
    )
    parser.add_argument("--huge", action="store_true", help="only the network that stays float")
    parser.add_argument(
        "--plots", action="store_true", help="measure nothing, write --docs from --json"
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench/int8-sweep.json"))
    parser.add_argument("--docs", type=Path, help="the page whose measured parts are written anew")
    return parser.parse_args()


def main():
    args = arguments()
    if args.plots:
        made = json.loads(args.json.read_text())
    else:
        with tempfile.TemporaryDirectory() as folder:
            octile = Octile(args, Path(folder))
            made = {"device": args.device} if args.huge else sweep(octile, args)
            args.json.parent.mkdir(parents=True, exist_ok=True)
            made["huge"] = huge(octile, args.json.parent)
    if args.huge:
        return
    save(made, args.json)
    print(findings.summary(made))
    if args.docs:
        write_docs(made, args.docs)


if __name__ == "__main__":
    main()
