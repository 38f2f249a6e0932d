#!/usr/bin/env python3
"""Octile side by side with ONNX Runtime, OpenVINO and ncnn on this CPU, float and INT8, in turns.

    make bench-cpu [ARGS="--models resnet50,kws --quick --isa avx2"]
    PYTHONPATH=build/release/python benchmarks/peers/peers.py …

Prints a table a model, batch and thread count and a summary beside the bars, and writes
build/bench/cpu.json. README.md says how models are made, how each engine quantizes them, and what
is timed.
"""

import argparse
import os
import sys
from pathlib import Path

import bars

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def listed(kind, allowed=None):
        def parse(text):
            parts = [kind(part) for part in text.split(",") if part]
            unknown = [part for part in parts if allowed and part not in allowed]
            if unknown:
                there = ", ".join(allowed)
                raise argparse.ArgumentTypeError(f"unknown: {unknown[0]}; there are {there}")
            return parts

        return parse

    parser.add_argument(
        "--models",
        type=listed(str, bars.BARS["amx"]),
        default=[],
        help="some of them (default: all)",
    )
    parser.add_argument(
        "--engines",
        type=listed(str, ENGINES),
        default=list(ENGINES),
        help="such as octile,openvino",
    )
    parser.add_argument("--batches", type=listed(int), default=[1, 8])
    parser.add_argument("--threads", type=listed(int), default=[1, 2])
    parser.add_argument(
        "--rounds", type=int, default=0, help="turns of every engine (default: 7, quick 3)"
    )
    parser.add_argument(
        "--seconds", type=float, default=0, help="of one turn (default: 0.5, quick 0.15)"
    )
    parser.add_argument("--quick", action="store_true", help="short turns, no build time")
    parser.add_argument("--isa", choices=bars.CLASSES, help="hold engines to this")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench/cpu.json")
    parser.add_argument("--cache", type=Path, default=ROOT / "build/bench/models")
    parser.add_argument(
        "--peers-path",
        action="append",
        default=[],
        metavar="DIR",
        help="unpacked wheels, repeatable",
    )
    parser.add_argument(
        "--prepare", action="store_true", help="make and quantize models, time nothing"
    )
    parser.add_argument(
        "--program",
        type=Path,
        default=ROOT / "build/release/octile",
        help="octile of a build directory: the build's time, layers beside it",
    )
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 7)
    args.seconds = args.seconds or (0.15 if args.quick else 0.5)
    args.peers_path = [os.path.abspath(p) for p in args.peers_path]
    return args


ENGINES = ("octile", "onnxruntime", "openvino", "ncnn")
ARGS = arguments()
sys.path[:0] = ARGS.peers_path
sys.path.append(str(HERE.parent / "accuracy"))  # engines.py, tasks.py

try:
    import build_time
    import layers
    import models
    import onnx  # noqa: F401  (models.py needs it)
    from bench import Bench
    from machine import Machine
    from subject import Subject, say
except ImportError as error:
    sys.exit(
        f"{error}; `make bench-cpu` makes an environment with what is needed, "
        "--peers-path DIR names unpacked wheels"
    )


def prepared(names, machine):
    subjects = []
    for name in names:
        say(f"{name}: model and samples")
        try:
            subject = Subject(name, machine, ARGS.cache, ARGS.engines)
        except Exception as error:
            say(f"{name}: left out: {type(error).__name__}: {error}")
            continue
        for tool in ("reference", *subject.engines):
            subject.prepare(tool)
        if "reference" not in subject.failures:
            subjects.append(subject)
    return subjects


def main():
    machine = Machine(ARGS.isa, ARGS.peers_path)
    say(
        f"{machine.name}, class {machine.own}"
        + (f", held to {machine.isa}" if machine.forced else "")
    )
    subjects = prepared(ARGS.models or list(models.SPECS), machine)
    if ARGS.prepare:
        return
    peak = layers.peaks(ARGS.program, machine, ARGS.threads, say)
    bench = Bench(machine, peak, ARGS.rounds, ARGS.seconds, ARGS.json)
    for subject in subjects:
        for batch in ARGS.batches if not subject.spec.gemm else [1]:
            for threads in ARGS.threads:
                bench.group(subject, batch, threads)
    resnet50 = next((s for s in subjects if s.name == "resnet50"), None)
    if not ARGS.quick:
        bench.layers = layers.shares(ARGS.program, machine, say)
        if resnet50 and ARGS.program.exists():
            bench.build = build_time.measure(ARGS.program, resnet50.folder, machine, say)
    bench.save()
    print("\n" + "\n".join(bars.summary(bench.rows, machine.isa)))
    if bench.build:
        print(build_time.text_of(bench.build))
    print(f"\n{len(bench.rows)} rows in {ARGS.json}; {len(bench.failures)} failures")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
