#!/usr/bin/env python3
"""Octile beside its peers on this GPU: matrix products, convolutions, networks.

    make bench-gpu [ARGS="--quick --workloads mnist:1 resnet50:128"]
    PYTHONPATH=build/release/python benchmarks/gpu/gpu.py …

Checks first, then times: octile_gpu_kernels (our kernels beside cuBLASLt and cuDNN), then networks
beside PyTorch. Writes build/bench/gpu.json and gpu-steps.txt and prints a table with the bars.
README.md says what each engine is. The exit code is 0 if all rows of ours are there.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import bars
from record import Bench, say

ROOT = Path(__file__).resolve().parent.parent.parent
WORKLOADS = ("mnist:1,128,1024", "resnet50:1,8,128", "mobilenetv2:1,128")
QUICK = ("mnist:1,1024", "resnet50:1,128", "mobilenetv2:128")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer workloads and rounds")
    parser.add_argument("--workloads", nargs="+", metavar="NETWORK:BATCH,…", help="these networks")
    parser.add_argument("--only", choices=("kernels", "networks"), help="one half")
    parser.add_argument("--rounds", type=int, help="turns of every engine (default: 5, quick 2)")
    parser.add_argument("--seconds", type=float, help="of one turn (default: 0.2, quick 0.1)")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench/gpu.json")
    parser.add_argument("--markdown", action="store_true", help="print --json's tables, no more")
    args = parser.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 5)
    args.seconds = args.seconds or (0.1 if args.quick else 0.2)
    args.workloads = args.workloads or (QUICK if args.quick else WORKLOADS)
    return args


def check(args):
    """Ends the program unless the kernels' tests pass: wrong results are not timed."""
    program = args.build / "tests/octile_kernels_test"
    if not program.exists():
        sys.exit(f"{program} is missing: `make bench-gpu` builds it")
    say("checking our kernels against the portable ones")
    command = [program, "--gtest_filter=*Conv*:*Cuda*", "--gtest_brief=1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout[-4000:])
        sys.exit("the kernels' tests failed: nothing is timed")
    say(done.stdout.strip().splitlines()[-1])


def run_kernels(bench):
    """Products and convolutions, by the C++ program, whose text is passed on."""
    args = bench.args
    bench.wanted += [bar[0] for bar in bars.BARS if bar[0].startswith("gemm ")]
    file = args.json.with_name("gpu-kernels.json")
    file.unlink(missing_ok=True)
    say("products and convolutions, beside cuBLASLt and cuDNN")
    command = [args.build / "benchmarks/gpu/octile_gpu_kernels", "--json", file]
    try:
        subprocess.run(command + ["--quick"] * args.quick, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        bench.fail("octile_gpu_kernels", error)
    if not file.exists():
        return
    found = json.loads(file.read_text())
    bench.floors = found["floor_ms"]
    bench.made["device"] = found["device"]
    bench.made["ceilings"] = {key: v for key, v in found.items() if key.endswith("_per_s")}
    bench.add(found["rows"])


def run_networks(bench):
    """Networks and torch._int_mm, as far as PyTorch and the Python module are there."""
    pairs = [workload.split(":") for workload in bench.args.workloads]
    pairs = [(name, [int(batch) for batch in batches.split(",")]) for name, batches in pairs]
    bench.wanted += [f"{name} b{batch}" for name, batches in pairs for batch in batches]
    try:
        import pytorch_side
        import torchvision  # noqa: F401

        gpu = pytorch_side.torch.cuda.is_available()
    except ImportError as error:
        bench.fail("networks and torch._int_mm", error)
        return
    if gpu:
        pytorch_side.run(bench, pairs)
    else:
        bench.fail("networks and torch._int_mm", "PyTorch sees no GPU")


def main():
    args = arguments()
    if args.markdown:
        print(bars.markdown(json.loads(args.json.read_text())))
        return 0
    args.json.parent.mkdir(parents=True, exist_ok=True)
    bench = Bench(args)
    check(args)
    if args.only != "networks":
        run_kernels(bench)
    if args.only != "kernels":
        run_networks(bench)
    rows = bench.made["rows"]
    bench.add([])
    say(f"{bench.made['device']}: everything")
    print(bars.text(rows))
    print("TensorRT is not measured: it is not part of CUDA, and no machine of ours has it.")
    for failure in bench.made["failures"]:
        print(f"left out: {failure}")
    wanted = dict.fromkeys(bench.wanted)
    missing = [w for w in wanted if not bars.find(rows, w, "octile", "int8")]
    if missing:
        print(f"rows of ours that are missing: {', '.join(missing)}")
    print(f"{len(rows)} rows in {args.json}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
