"""One engine with one model, loaded once: answers requests on its standard input until that ends.

bench.py starts it with a JSON spec as its argument: engine, precision, file (the engine's own form
of the model), folder, rows (extent of axis 0), threads, cores, and what differs by engine. A
request is a line of JSON, so is the answer: {"seconds": s} → {"times": sorted nanoseconds,
thinned out}; {"outputs": path} → {}.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path[:0] = [p for p in os.environ.get("PEERS_PATH", "").split(os.pathsep) if p]


class Octile:
    def __init__(self, spec):
        import numpy as np

        import octile

        plan = Path(spec["file"])
        if not plan.exists():
            made = plan.with_suffix(".partial")
            self.build(octile, spec).save(str(made))
            os.replace(made, plan)
        self.engine = octile.Engine(str(plan), threads=spec["threads"])
        self.context = self.engine.create_context()
        first, last = self.engine.bindings[0], self.engine.bindings[-1]
        self.input = np.zeros((spec["rows"], *first.shape[1:]), np.float32)
        self.context.set_input_shape(first.name, self.input.shape)
        self.output = np.zeros(self.context.shape(last.name), np.float32)
        self.context.bind_input(first.name, self.input)
        self.context.bind_output(last.name, self.output)
        self.once = self.context.run
        self.isa = self.engine.isa

    def build(self, octile, spec):
        network = octile.import_onnx(spec["folder"] + "/float.onnx")
        shape = (spec["rows"], *network.inputs[0].shape[1:])
        options = {
            "profiles": {network.inputs[0].name: (shape, shape, shape)},
            "threads": spec["threads"],
            "timing_cache": spec["timing_cache"],
        }
        if spec["precision"] == "float":
            return octile.build(network, **options)
        scheme = "static-affine" if spec["precision"] == "int8_affine" else "static-symmetric"
        table = octile.CalibrationTable.load(spec["table"])
        return octile.build(network, table, int8=True, int8_layers="all", scheme=scheme, **options)

    def run(self, batch):
        self.input[:] = batch
        self.once()
        return self.output


class OnnxRuntime:
    def __init__(self, spec):
        import numpy as np
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads, options.inter_op_num_threads = spec["threads"], 1
        options.add_free_dimension_override_by_name("batch", spec["rows"])
        self.session = ort.InferenceSession(
            spec["file"], options, providers=["CPUExecutionProvider"]
        )
        source, result = self.session.get_inputs()[0], self.session.get_outputs()[0]
        self.input = np.zeros((spec["rows"], *source.shape[1:]), np.float32)
        shape = self.session.run(None, {source.name: self.input})[0].shape
        self.output = np.zeros(shape, np.float32)
        self.binding = self.session.io_binding()
        self.binding.bind_ortvalue_input(source.name, ort.OrtValue.ortvalue_from_numpy(self.input))
        self.result = ort.OrtValue.ortvalue_from_numpy(self.output)
        self.binding.bind_ortvalue_output(result.name, self.result)
        self.name = source.name
        self.once = lambda: self.session.run_with_iobinding(self.binding)
        self.isa = ""

    def run(self, batch):
        return self.session.run(None, {self.name: batch})[0]


class OpenVino:
    """Of its two ways to run, whichever is quicker here: the call, or to start and to wait."""

    def __init__(self, spec):
        import numpy as np
        import openvino as ov

        core = ov.Core()
        model = core.read_model(spec["file"])
        shape = model.inputs[0].get_partial_shape()
        shape[0] = spec["rows"]
        model.reshape({model.inputs[0]: shape})
        self.compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": spec["hint"],
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": "1",
                "INFERENCE_NUM_THREADS": str(spec["threads"]),
            },
        )
        self.request = self.compiled.create_infer_request()
        self.input = np.zeros(shape.to_shape(), np.float32)
        self.request.set_input_tensor(ov.Tensor(self.input, shared_memory=True))
        self.isa = ""
        ways = (lambda: self.request.infer(share_outputs=True), self.start_and_wait)
        for way in ways:
            way()
        self.once = min(ways, key=lambda way: min(timed(way) for _ in range(5)))

    def start_and_wait(self):
        self.request.start_async()
        self.request.wait()

    def run(self, batch):
        self.input[:] = batch
        self.request.infer()
        return self.request.get_output_tensor(0).data


class Ncnn:
    """Knows no batches: one sample after the other."""

    def __init__(self, spec):
        import ncnn

        self.ncnn, self.net = ncnn, ncnn.Net()
        self.net.opt.num_threads = spec["threads"]
        for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(self.net.opt, f"use_{kind}", False)
        if self.net.load_param(spec["file"]) or self.net.load_model(
            spec["file"].replace(".param", ".bin")
        ):
            raise RuntimeError("ncnn cannot load what pnnx wrote (its log names the layer)")
        self.whole, self.samples, self.isa = spec["gemm"], [], ""
        self.once = lambda: [self.infer(sample) for sample in self.samples]

    def infer(self, sample):
        extractor = self.net.create_extractor()
        extractor.input("in0", sample)
        code, out = extractor.extract("out0")
        if code:
            raise RuntimeError(f"ncnn's extract() returns {code}")
        return out

    def run(self, batch):
        import numpy as np

        parts = [batch] if self.whole else batch
        self.samples = [self.ncnn.Mat(np.ascontiguousarray(part)).clone() for part in parts]
        found = [np.array(self.infer(sample)) for sample in self.samples]
        return found[0] if self.whole else np.stack(found)


ENGINES = {"octile": Octile, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn}


def timed(once):
    begin = time.perf_counter_ns()
    once()
    return time.perf_counter_ns() - begin


def measure(once, seconds, most=1000):
    """Sorted times of as many runs as fit; thinned out evenly, both ends kept."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        times.append(timed(once))
    times.sort()
    if len(times) <= most:
        return times
    return [times[i * (len(times) - 1) // (most - 1)] for i in range(most)]


def outputs(engine, spec):
    """What is held out, in batches; what does not fill the last one is left out."""
    import numpy as np

    samples, rows = np.load(spec["folder"] + "/held_out.npy"), spec["rows"]
    whole = len(samples) // rows * rows
    return np.concatenate(
        [np.array(engine.run(samples[i : i + rows])) for i in range(0, whole, rows)]
    )


def answer(engine, spec, request):
    if "outputs" in request:
        import numpy as np

        np.save(request["outputs"], outputs(engine, spec))
        return {}
    return {"times": measure(engine.once, request["seconds"])}


def main():
    ctypes.CDLL(None).prctl(
        1, signal.SIGKILL
    )  # PR_SET_PDEATHSIG: gone with the driver, stopped or not
    spec = json.loads(sys.argv[1])
    os.sched_setaffinity(0, spec["cores"])
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what engines print is no answer

    def tell(value):
        return print(json.dumps(value), file=channel, flush=True)

    try:
        engine = ENGINES[spec["engine"].split("-")[0]](spec)
        tell({"isa": engine.isa})
        for line in sys.stdin:
            tell(answer(engine, spec, json.loads(line)))
    except Exception as error:
        tell({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    channel.flush()
    os._exit(0)  # engines' threads are not waited for


if __name__ == "__main__":
    main()
