"""Engines on fixed data in device memory, and how they are timed: runs between two events of one
stream, engines in turns.
"""

import statistics
import time

import torch

import octile

LEAST_SQNR = 5.0  # dB beside fp32: what is wrong has 0 or less


class Graph:
    """A function on fixed data, replayed as a CUDA graph: no time of Python's."""

    def __init__(self, function, *operands, tf32=False, warm_up=3):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.no_grad(), torch.cuda.stream(stream):
            for _ in range(warm_up):
                function(*operands)
        torch.cuda.current_stream().wait_stream(stream)
        self.operands = operands
        self.graph = torch.cuda.CUDAGraph()
        with torch.no_grad(), torch.cuda.graph(self.graph):
            self.y = function(*operands)

    def run(self):
        self.graph.replay()

    def outputs(self):
        return self.y.float()


def compiled(module, x):
    """torch.compile for this very shape, recorded as one CUDA graph. Its own graphs (mode
    reduce-overhead) run the same kernels and add Python's time to every call."""
    torch._dynamo.reset()
    return Graph(torch.compile(module, dynamic=False), x)


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


def random_rows(rows, columns, dtype):
    if dtype == torch.int8:
        return torch.randint(-128, 128, (rows, columns), dtype=dtype, device="cuda")
    return torch.randn(rows, columns, dtype=dtype, device="cuda")


class Products(Graph):
    """One matrix product on several operand sets, together larger than the L2 cache."""

    TYPES = {
        "int8": (torch.int8, 1, 4),  # int32 outputs
        "fp16": (torch.float16, 2, 2),
        "tf32": (torch.float32, 4, 4),
        "fp32": (torch.float32, 4, 4),
    }

    def __init__(self, m, k, n, precision):
        dtype, in_bytes, out_bytes = self.TYPES[precision]
        together = 300 << 20
        self.sets = min(16, max(2, together // (m * k * in_bytes + m * n * out_bytes) + 1))
        weights = random_rows(n, k, dtype).t()
        rows = [random_rows(m, k, dtype) for _ in range(self.sets)]
        multiply = torch._int_mm if precision == "int8" else torch.mm
        super().__init__(
            lambda: [multiply(a, weights) for a in rows], tf32=precision == "tf32", warm_up=1
        )


def sqnr(reference, found):
    noise = (reference - found).double().pow(2).sum()
    return float(10 * torch.log10(reference.double().pow(2).sum() / noise))


def sample(engine, seconds):
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
        times.append(start.elapsed_time(stop) / runs / getattr(engine, "sets", 1))
    return times


def time_in_turns(workload, engines, rounds, seconds):
    """Rows of gpu.json for {(engine, precision): object}."""
    times = {key: [] for key in engines}
    for _ in range(rounds):
        for key, engine in engines.items():
            times[key] += sample(engine, seconds)
    return [
        {
            "workload": workload,
            "engine": engine,
            "precision": precision,
            "median_ms": statistics.median(found),
            "best_ms": min(found),
        }
        for (engine, precision), found in times.items()
    ]
