#!/usr/bin/env python3
"""Octile beside its peers on this GPU: matrix products, convolutions, networks.

    make bench-gpu [ARGS="--quick --workloads mnist:1 resnet50:128"]
    PYTHONPATH=build/release/python benchmarks/gpu/gpu.py …

Checks first, then times: octile_gpu_kernels (our kernels beside cuBLASLt and cuDNN), then networks
beside PyTorch. Writes build/bench/gpu.json and gpu-steps.txt and prints a table with the bars.
README.md says what each engine is. The exit code is 0 if all rows of ours are there.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bars
import steps

ROOT = Path(__file__).resolve().parent.parent.parent
BEGIN = time.monotonic()
WORKLOADS = ("mnist:1,128,1024", "resnet50:1,8,128", "mobilenetv2:1,128")
QUICK = ("mnist:1,1024", "resnet50:1,128", "mobilenetv2:128")
PROFILED = ("resnet50 b128", "resnet50 b1")


def say(text):
    print(f"[{time.monotonic() - BEGIN:4.0f} s] {text}", flush=True)


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


class Bench:
    """What was measured so far, in the file after every workload."""

    def __init__(self, args):
        self.args = args
        self.made = {
            "device": "",
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "rows": [],
            "ceilings": {},
            "failures": [],
        }
        self.floors, self.wanted = {}, []

    def add(self, rows):
        bars.add_shares(rows, self.floors)
        self.made["rows"] += rows
        partial = self.args.json.with_suffix(".partial")
        partial.write_text(json.dumps(self.made, indent=1, ensure_ascii=False) + "\n")
        partial.rename(self.args.json)

    def fail(self, what, error):
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        self.made["failures"].append(f"{what}: {text}")
        say(f"{what}: left out: {text}")


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


def engines_of(name, module, shape, batch, plan):
    """{(engine, precision): engine}, makers that are called in turn."""
    import torch
    from engines import Graph, Octile, compiled
    from networks import network

    x = torch.randn(batch, *shape, device="cuda")
    half = x.half().contiguous(memory_format=torch.channels_last)
    halved = network(name)[0]
    halved.load_state_dict(module.state_dict())
    halved = halved.cuda().half().to(memory_format=torch.channels_last)
    with torch.no_grad():
        classes = module(x[:1]).shape[1]
    return {
        ("torch", "fp32"): lambda: Graph(module, x),
        ("torch", "tf32"): lambda: Graph(module, x, tf32=True),
        ("torch", "fp16"): lambda: Graph(halved, half),
        ("octile", "int8"): lambda: Octile(plan, x, classes),
        ("torch.compile", "fp16"): lambda: compiled(halved, half),
    }


def start(bench, workload, makers):
    """The engines that can be made and whose outputs are right."""
    import torch
    from engines import LEAST_SQNR, sqnr

    made, told = {}, []
    for key, make in makers.items():
        what = f"{workload}, {' '.join(key)}"
        begin = time.monotonic()
        try:
            engine = make()
            engine.run()
            torch.cuda.synchronize()
            made[key] = engine
            reference = made.get(("torch", "fp32"))
            if reference and engine is not reference:
                found = sqnr(reference.outputs(), engine.outputs())
                if not found > LEAST_SQNR:
                    del made[key]
                    raise ArithmeticError(f"SQNR {found:.1f} dB beside fp32")
                told.append(f"{' '.join(key)} {found:.1f} dB in {time.monotonic() - begin:.0f} s")
        except Exception as error:  # whatever a peer does, the others are measured
            bench.fail(what, error)
    say(f"{workload}: {', '.join(told)}")
    return made


def run_network(bench, name, batches, folder, table):
    import torch
    from engines import time_in_turns
    from networks import network, plan_of, settle

    args = bench.args
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    module, shape = network(name)
    module = settle(module.cuda(), shape)
    for batch in batches:
        workload = f"{name} b{batch}"
        begin = time.monotonic()
        plan = plan_of(name, module, shape, batch, folder, table)
        say(f"{workload}: plan built in {time.monotonic() - begin:.0f} s")
        engines = start(bench, workload, engines_of(name, module, shape, batch, plan))
        bench.add(time_in_turns(workload, engines, args.rounds, args.seconds))
        del engines
        torch.cuda.empty_cache()
        if workload in PROFILED:
            profile(bench, workload, batch, plan, folder)


def profile(bench, workload, batch, plan, folder):
    file = folder / "profiled.plan"
    plan.save(str(file))
    try:
        found = steps.profile(bench.args.build / "octile", file, batch)
    except (OSError, RuntimeError, ValueError) as error:
        bench.fail(f"{workload} step by step", error)
        return
    with open(bench.args.json.with_name("gpu-steps.txt"), "a") as stream:
        stream.write(steps.all_steps(workload, found) + "\n\n")
    print(steps.summary(workload, found), flush=True)


def run_networks(bench):
    args = bench.args
    pairs = [workload.split(":") for workload in args.workloads]
    pairs = [(name, [int(batch) for batch in batches.split(",")]) for name, batches in pairs]
    bench.wanted += [f"{name} b{batch}" for name, batches in pairs for batch in batches]
    try:
        import torch
        import torchvision  # noqa: F401

        import octile  # noqa: F401
    except ImportError as error:
        bench.fail("networks and torch._int_mm", error)
        return
    if not torch.cuda.is_available():
        bench.fail("networks and torch._int_mm", "PyTorch sees no GPU")
        return
    bench.made["device"] = bench.made["device"] or torch.cuda.get_device_name(0)
    torch.backends.cudnn.benchmark = True  # cuDNN's fastest algorithms for eager PyTorch
    args.json.with_name("gpu-steps.txt").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
            os.environ[cache] = folder + "/" + cache
        table = {}
        for name, batches in pairs:
            try:
                run_network(bench, name, batches, Path(folder), table)
            except Exception as error:
                bench.fail(name, error)
    products = [r["workload"] for r in bench.made["rows"] if r["workload"].startswith("gemm ")]
    for workload in dict.fromkeys(products):
        run_product(bench, workload)


def run_product(bench, workload):
    """torch._int_mm on one product."""
    from engines import Products, time_in_turns

    extents = workload.split()[1:]
    if len(extents) > 1:  # one row of ours alone
        return
    try:
        product = Products(*map(int, extents[0].split("x")), "int8")
        bench.add(time_in_turns(workload, {("torch", "int8"): product}, bench.args.rounds, 0.05))
    except Exception as error:
        bench.fail(f"{workload}, torch int8", error)


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
    missing = [w for w in bench.wanted if not bars.find(rows, w, "octile", "int8")]
    if missing:
        print(f"rows of ours that are missing: {', '.join(missing)}")
    print(f"{len(rows)} rows in {args.json}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
