"""Quantizes one model by one engine's own tool, in a process of its own (subject.py starts it).

    prepare.py TOOL FOLDER TARGET OPTIONS-JSON

FOLDER is models.make()'s; every tool sees the same calibration samples. TARGET appears when it is
complete.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [p for p in os.environ.get("PEERS_PATH", "").split(os.pathsep) if p]
sys.path.append(str(HERE.parent / "accuracy"))


class Task:
    """What engines.py of benchmarks/accuracy wants of a task."""

    def __init__(self, folder, options):
        import numpy as np

        self.model = folder / "float.onnx"
        rows = options["rows"]  # of a sample on axis 0
        samples = np.load(folder / "calibration.npy")
        self.calibration = samples if rows == 1 else samples.reshape(-1, rows, *samples.shape[1:])
        self.stacked = rows == 1  # a sample gets a batch axis


def batches(task):
    return [s[None] if task.stacked else s for s in task.calibration]


def onnxruntime(folder, target, options):
    """u8 activations, s8 weights per channel; reduce_range where vpmaddubsw would saturate."""
    import engines
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    task = Task(folder, options)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source = engines.prepared(task.model, Path(scratch))
        name = onnx.load(source).graph.input[0].name

        class Reader(CalibrationDataReader):
            def __init__(self):
                self.left = iter(batches(task))

            def get_next(self):
                batch = next(self.left, None)
                return None if batch is None else {name: batch}

        made = Path(scratch) / "int8.onnx"
        quantize_static(
            str(source),
            str(made),
            Reader(),
            per_channel=True,
            reduce_range=options["avx2"],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        os.replace(made, target)


def openvino_float(folder, target, options):
    import openvino as ov

    model = ov.Core().read_model(str(folder / "float.onnx"))
    shape = model.inputs[0].get_partial_shape()
    shape[0] = options["rows"]
    model.reshape({model.inputs[0]: shape})
    return model


def openvino(folder, target, options):
    """NNCF's default quantization, with its overflow fix where vpmaddubsw would saturate."""
    sys.modules["torch"] = None  # NNCF would use whichever happens to lie there
    import nncf
    import openvino as ov
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    data = batches(Task(folder, options))
    fix = OverflowFix.ENABLE if options["avx2"] else OverflowFix.DISABLE
    kind = nncf.ModelType.TRANSFORMER if options["transformer"] else None
    model = nncf.quantize(
        openvino_float(folder, target, options),
        nncf.Dataset(data),
        model_type=kind,
        subset_size=len(data),
        target_device=nncf.TargetDevice.CPU,
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=fix),
    )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / "model.xml"
        ov.save_model(model, made, compress_to_fp16=False)
        os.replace(made.with_suffix(".bin"), target.with_suffix(".bin"))
        os.replace(made, target)


def octile(folder, target, options):
    """The calibration table; plans are built by the workers that run them, for threads and ISA."""
    import octile

    task = Task(folder, options)
    network = octile.import_onnx(str(task.model))
    data = octile.collect(network, batches(task), threads=options["threads"])
    table = data.table(options["method"], threads=options["threads"])
    made = target.with_suffix(".partial")
    table.save(str(made))
    os.replace(made, target)


def reference(folder, target, options):
    """ONNX Runtime's float outputs for what is held out: every engine is held against them."""
    import numpy as np
    import onnxruntime as ort

    session = ort.InferenceSession(str(folder / "float.onnx"), providers=["CPUExecutionProvider"])
    samples, name = np.load(folder / "held_out.npy"), session.get_inputs()[0].name
    rows = options["rows"]
    parts = [
        session.run(None, {name: samples[i : i + rows]})[0] for i in range(0, len(samples), rows)
    ]
    made = target.with_suffix(".partial")
    with open(made, "wb") as file:
        np.save(file, np.concatenate(parts))
    os.replace(made, target)


def ncnn(folder, target, options):
    """pnnx's float form. The tools that make INT8 (ncnn2table, ncnn2int8) are in no wheel."""
    import importlib.util

    binary = Path(importlib.util.find_spec("pnnx").origin).parent / "pnnx"
    shape = [options["rows"], *options["shape"]]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        for source in (binary, folder / "float.onnx"):
            shutil.copy(source, scratch)
        (scratch / "pnnx").chmod(0o755)  # unpacked wheels lose the bit
        subprocess.run(
            ["./pnnx", "float.onnx", f"inputshape={shape}f32".replace(" ", ""), "fp16=0"],
            cwd=scratch,
            check=True,
        )
        os.replace(scratch / "float.ncnn.bin", target.with_suffix(".bin"))
        os.replace(scratch / "float.ncnn.param", target)


TOOLS = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "octile": octile,
    "ncnn": ncnn,
    "reference": reference,
}


def main():
    tool, folder, target, options = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    TOOLS[tool](Path(folder), Path(target), json.loads(options))


if __name__ == "__main__":
    main()
