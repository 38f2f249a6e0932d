"""Octile, ONNX Runtime and OpenVINO on the same arrays: model file and samples in, outputs by name out."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np


def sqnr(reference, outputs):
    """10 · log10 of signal over difference, over lists of arrays."""
    signal = noise = 0.0
    for r, o in zip(reference, outputs):
        r = r.astype(np.float64)
        signal += float((r ** 2).sum())
        noise += float(((r - o.reshape(r.shape)) ** 2).sum())
    return 10 * np.log10(signal / noise) if noise > 0 else float("inf")


def weighted_steps(layers):
    """(weighted steps in int8, weighted steps) of `octile inspect --json`'s layers."""
    weighted = [l for l in layers if l["step"] in ("Conv", "Deconv", "MatMul")]
    return sum(1 for l in weighted if l["precision"].startswith("int8")), len(weighted)


class Failed(Exception):
    """An engine refused or failed: its own words."""


# --- Octile, through the command line that users have ---------------------------------------------

class Octile:
    """`session` are flags of every command: --device, --threads."""

    def __init__(self, program, task, folder, tactics="first", session=()):
        self.program, self.task, self.folder = os.path.abspath(program), task, Path(folder)
        self.tactics, self.session = tactics, session
        np.save(self.folder / "calibration.npy", task.calibration)
        np.save(self.folder / "samples.npy", task.samples)
        self.model_flags = ["--dynamic-batch"] if task.dynamic_batch else []

    def command(self, *args):
        done = subprocess.run([self.program, *map(str, args), *self.session], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise Failed(done.stderr.strip().splitlines()[-1])
        return done.stdout

    def build(self, *flags, name="model"):
        plan = self.folder / f"{name}.plan"
        self.command("-q", "build", self.task.model, *self.model_flags, "--tactics", self.tactics,
                     "-o", plan, *flags)
        return plan

    def run(self, plan, *flags, data="samples.npy"):
        out = self.folder / "out.npz"
        self.command("-q", "run", plan, "--data", self.folder / data, "-o", out, *flags)
        with np.load(out) as arrays:
            return dict(arrays)

    def steps(self, plan):
        return weighted_steps(json.loads(self.command("inspect", plan, "--json"))["layers"])

    def floats(self):
        return self.run(self.build())

    def int8(self, *flags, name="model"):
        """Recipes that share ranges share a cache: collected once."""
        method = flags[flags.index("--method") + 1] if "--method" in flags else None
        equalized = any("equalize" in str(f) for f in flags)
        cache = [] if method is None else ["--cache", self.folder / f"{method}{'.equalized' * equalized}.json"]
        return self.build("--int8", "--calibrate", self.folder / "calibration.npy", *cache, *flags,
                          name=name)


# --- ONNX Runtime -----------------------------------------------------------------------------------

def ort_run(path, samples, optimized=True):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    runs = [session.run(None, {name: s[None]}) for s in samples]
    names = [o.name for o in session.get_outputs()]
    return {n: np.concatenate([r[i] for r in runs]) for i, n in enumerate(names)}


def prepared(path, folder):
    """The float model as quantize_static wants it: operator set 13, inputs that are no weights."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process
    model = onnx.load(path)
    names = {t.name for t in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name not in names]
    if max(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")) < 13:
        model.ir_version = 7
        model = onnx.version_converter.convert_version(model, 13)
    del model.graph.input[:]
    model.graph.input.extend(kept)
    onnx.save(model, folder / "float.onnx")
    quant_pre_process(str(folder / "float.onnx"), str(folder / "prepared.onnx"), skip_symbolic_shape=True)
    return folder / "prepared.onnx"


def reader(name, samples):
    """The samples as onnxruntime.quantization wants them, one a batch."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter([{name: s[None]} for s in samples])

        def get_next(self):
            return next(self.batches, None)

    return Reader()


def ort_quantized(task, folder, **options):
    """quantize_static with its defaults but for `options`; the quantized file."""
    import onnx
    from onnxruntime.quantization import quantize_static
    source = prepared(task.model, Path(folder))
    name = onnx.load(source).graph.input[0].name
    target = Path(folder) / "quantized.onnx"
    quantize_static(str(source), str(target), reader(name, task.calibration), **options)
    return target


# --- OpenVINO, quantized by NNCF -----------------------------------------------------------------------

def openvino_model(task):
    import openvino as ov
    model = ov.Core().read_model(str(task.model))
    shape = model.inputs[0].get_partial_shape()
    shape[0] = 1
    model.reshape({model.inputs[0]: shape})
    return model


def openvino_run(model, samples):
    import openvino as ov
    # Float stays float: on CPUs with AMX the default would be bfloat16.
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    runs = [compiled(s[None]) for s in samples]
    return {o.get_any_name(): np.concatenate([r[o] for r in runs]) for o in compiled.outputs}


def nncf_quantized(task):
    import nncf
    data = nncf.Dataset([s[None] for s in task.calibration])
    return nncf.quantize(openvino_model(task), data)
