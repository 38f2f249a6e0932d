"""Networks, and products by torch._int_mm, in PyTorch's process."""

import os
import tempfile
import time
from pathlib import Path

import steps
import torch
from engines import LEAST_SQNR, Graph, Octile, Products, compiled, sqnr, time_in_turns
from networks import network, plan_of, settle
from record import say

PROFILED = ("resnet50 b128", "resnet50 b1", "mnist b1024")


def engines_of(name, module, shape, batch, plan):
    """{(engine, precision): engine}, makers that are called in turn."""
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


def run(bench, workloads):
    """workloads: (network, batches) of each."""
    bench.made["device"] = bench.made["device"] or torch.cuda.get_device_name(0)
    torch.backends.cudnn.benchmark = True  # cuDNN's fastest algorithms for eager PyTorch
    products = [r["workload"] for r in bench.made["rows"] if r["workload"].startswith("gemm ")]
    for workload in dict.fromkeys(products):
        run_product(bench, workload)
    bench.args.json.with_name("gpu-steps.txt").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for cache in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
            os.environ[cache] = f"{folder}/{cache}"  # every run compiles anew
        table = {}
        for name, batches in workloads:
            try:
                run_network(bench, name, batches, Path(folder), table)
            except Exception as error:
                bench.fail(name, error)


def run_product(bench, workload):
    """torch._int_mm on one product."""
    extents = workload.split()[1:]
    if len(extents) > 1:  # one row of ours alone
        return
    try:
        product = Products(*map(int, extents[0].split("x")), "int8")
        bench.add(time_in_turns(workload, {("torch", "int8"): product}, bench.args.rounds, 0.05))
    except Exception as error:
        bench.fail(f"{workload}, torch int8", error)
