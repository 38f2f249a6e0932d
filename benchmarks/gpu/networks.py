#!/usr/bin/env python3
"""Networks on an NVIDIA GPU: Octile's INT8 beside PyTorch, eager and compiled, in turns.

    PYTHONPATH=build/release/python benchmarks/gpu/networks.py [--workloads resnet50:1,128] …

Each workload is a network with random weights (He's scale) at a batch. PyTorch runs it in fp32,
TF32 and fp16 channels last, each replayed as a CUDA graph, and in fp16 by torch.compile; Octile
runs the INT8 engine that it builds from the same network's ONNX file and random samples. Data lie
on the device; a time is that of one run between two events of one stream, many runs in a row. First
every engine's outputs are held to fp32's (SQNR), then all are timed in turns.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import octile

ROOT = Path(__file__).resolve().parent.parent.parent
WORKLOADS = ("mnist:1,128,1024", "resnet50:1,8,128", "mobilenetv2:1,128")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Mnist(torch.nn.Module):
    """The seed's CNN: two 5×5 convolutions with pooling, two products."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 32, 5, padding=2)
        self.conv2 = torch.nn.Conv2d(32, 64, 5, padding=2)
        self.fc1, self.fc2 = torch.nn.Linear(64 * 7 * 7, 1024), torch.nn.Linear(1024, 10)

    def forward(self, x):
        f = torch.nn.functional
        x = f.max_pool2d(f.relu(self.conv1(x)), 2)
        x = f.max_pool2d(f.relu(self.conv2(x)), 2)
        return self.fc2(f.relu(self.fc1(torch.flatten(x, 1))))


def network(name):
    """(module in evaluation mode, shape of a sample)."""
    torch.manual_seed(1)
    if name == "mnist":
        module, shape = Mnist(), (1, 28, 28)
    else:
        import torchvision.models as zoo

        made = {"resnet50": zoo.resnet50, "mobilenetv2": zoo.mobilenet_v2}[name]
        module, shape = made(weights=None), (3, 224, 224)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return module.eval(), shape


def settle(module, shape):
    """Batch normalization learns its statistics from samples, so that activations stay near one."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the average of all batches
    module.train()
    with torch.no_grad():
        for _ in range(2):
            module(torch.randn(16, *shape, device=next(module.parameters()).device))
    return module.eval()


class Graph:
    """A module on fixed data, replayed as a CUDA graph."""

    def __init__(self, module, x, tf32=False):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.no_grad(), torch.cuda.stream(stream):
            for _ in range(3):
                module(x)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.no_grad(), torch.cuda.graph(self.graph):
            self.y = module(x)

    def run(self):
        self.graph.replay()

    def outputs(self):
        return self.y.float()


class Compiled:
    """torch.compile, with CUDA graphs where it can."""

    def __init__(self, module, x):
        self.module, self.x = torch.compile(module, mode="reduce-overhead"), x
        with torch.no_grad():
            for _ in range(3):
                self.y = self.module(x)

    def run(self):
        with torch.no_grad():
            self.y = self.module(self.x)

    def outputs(self):
        return self.y.float()


class Octile:
    """An INT8 engine on device memory of PyTorch."""

    def __init__(self, plan, x, classes):
        self.engine = octile.Engine(plan, device="cuda:0")
        self.context = self.engine.create_context()
        first, last = self.engine.bindings[0], self.engine.bindings[-1]
        self.context.set_input_shape(first.name, tuple(x.shape))
        self.x, self.y = x.contiguous(), torch.zeros(x.shape[0], classes, device=x.device)
        self.context.bind_input(first.name, self.x.data_ptr())
        self.context.bind_output(last.name, self.y.data_ptr())
        for _ in range(3):
            self.run()

    def run(self):
        self.context.run_on(torch.cuda.current_stream().cuda_stream)

    def outputs(self):
        return self.y


def plan_of(name, module, shape, batch, folder, table):
    """The INT8 plan of one batch; `table` is kept between batches."""
    file = folder / f"{name}.onnx"
    if not file.exists():
        torch.onnx.export(
            module.cpu(),
            torch.randn(1, *shape),
            str(file),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )
        module.cuda()
    net = octile.import_onnx(str(file))
    if name not in table:
        rng = np.random.default_rng(3)
        samples = [rng.standard_normal((1, *shape), dtype=np.float32) for _ in range(8)]
        table[name] = octile.collect(net, samples).table("mse")
    bounds = (batch, *shape)
    return octile.build(
        net, table[name], int8=True, device="cuda:0", profiles={"x": (bounds, bounds, bounds)}
    )


def sqnr(reference, found):
    noise = (reference - found).double().pow(2).sum()
    return float(10 * torch.log10(reference.double().pow(2).sum() / noise))


def timed(engine, seconds):
    """Milliseconds a run: some runs between two events, several times."""
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    engine.run()
    torch.cuda.synchronize()
    begin = time.monotonic()
    engine.run()
    torch.cuda.synchronize()
    runs = max(1, min(200, int(seconds / 8 / max(1e-6, time.monotonic() - begin))))
    times = []
    while time.monotonic() - begin < seconds or len(times) < 3:
        start.record()
        for _ in range(runs):
            engine.run()
        stop.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(stop) / runs)
    return times


def engines_of(name, module, shape, batch, folder, table):
    """{(engine, precision): engine}; one that fails is told and left out."""
    x = torch.randn(batch, *shape, device="cuda")
    half = x.half().contiguous(memory_format=torch.channels_last)
    halved = network(name)[0]
    halved.load_state_dict(module.state_dict())
    halved = halved.cuda().half().to(memory_format=torch.channels_last)
    reference = Graph(module, x)
    classes = reference.y.shape[1]
    makers = {
        ("octile", "int8"): lambda: Octile(
            plan_of(name, module, shape, batch, folder, table), x, classes
        ),
        ("torch", "fp32"): lambda: reference,
        ("torch", "tf32"): lambda: Graph(module, x, tf32=True),
        ("torch", "fp16"): lambda: Graph(halved, half),
        ("torch.compile", "fp16"): lambda: Compiled(halved, half),
    }
    made = {}
    for key, make in makers.items():
        begin = time.monotonic()
        try:
            made[key] = make()
        except Exception as error:
            say(f"{name} b{batch}: {' '.join(key)} failed: {str(error).splitlines()[0][:200]}")
            continue
        say(f"{name} b{batch}: {' '.join(key)} ready in {time.monotonic() - begin:.1f} s")
    reference.run()
    expected = reference.outputs().clone()
    for key, engine in made.items():
        engine.run()
        torch.cuda.synchronize()
        say(f"{name} b{batch}: {' '.join(key)}: SQNR {sqnr(expected, engine.outputs()):.1f} dB")
    return made


def measure(name, batches, args, folder, rows, table):
    module, shape = network(name)
    module = settle(module.cuda(), shape)
    for batch in batches:
        engines = engines_of(name, module, shape, batch, folder, table)
        times = {key: [] for key in engines}
        for _ in range(args.rounds):
            for key, engine in engines.items():
                times[key] += timed(engine, args.seconds)
        print(f"\n{name}, batch {batch}: median / best ms, samples a second")
        for (engine, precision), found in times.items():
            middle, best = statistics.median(found), min(found)
            rows.append(
                {
                    "workload": f"{name} b{batch}",
                    "engine": engine,
                    "precision": precision,
                    "median_ms": middle,
                    "best_ms": best,
                }
            )
            print(
                f"  {engine:14} {precision:5} {middle:9.4f} {best:9.4f} "
                f"{batch / middle * 1e3:10.0f}"
            )
        ratio_to_compiled(rows, f"{name} b{batch}")
        del engines
        torch.cuda.empty_cache()


def ratio_to_compiled(rows, workload):
    of = {(r["engine"], r["precision"]): r for r in rows if r["workload"] == workload}
    ours, theirs = of.get(("octile", "int8")), of.get(("torch.compile", "fp16"))
    if ours and theirs:
        print(
            f"  octile int8 over torch.compile fp16: {ours['median_ms'] / theirs['median_ms']:.2f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="*", default=WORKLOADS, metavar="NETWORK:BATCH,…")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench/gpu-networks.json")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU: nothing is measured")
    rows, table = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for workload in args.workloads:
            name, batches = workload.split(":")
            measure(name, map(int, batches.split(",")), args, Path(folder), rows, table)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    made = {
        "device": torch.cuda.get_device_name(0),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": rows,
    }
    partial = args.json.with_suffix(".partial")
    partial.write_text(json.dumps(made, indent=1) + "\n")
    partial.rename(args.json)
    print(f"\n{len(rows)} rows in {args.json}")


if __name__ == "__main__":
    main()
