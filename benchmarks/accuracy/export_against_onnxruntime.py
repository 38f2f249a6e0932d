#!/usr/bin/env python3
"""Models that `octile quantize` wrote, in ONNX Runtime beside Octile's engine.

    MODELS=DIR benchmarks/accuracy/export_against_onnxruntime.py build/release/octile [model …]

Each float model of DIR (../shared/data unless said) is calibrated once and written in both styles.
A row: top-1 of the exported model in ONNX Runtime, of Octile's INT8 engine built from the float
model with the same cache, and of Octile's engine of the exported file (where there are labels; else
how often each names the float model's class, where there are classes); the ratio of signal to
difference between ONNX Runtime and Octile on the exported file, and of ONNX Runtime and of Octile's
engine against the float model; then what ONNX Runtime's optimized model holds: INT8 nodes, float convolutions and
products (0 are wanted), and other float nodes that have a Q/DQ pair on both sides.
Needs: pip install onnx onnxruntime numpy pillow sympy
"""
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import qdq_against_onnxruntime as common
from qdq_against_onnxruntime import MODELS, np, onnx, ort, sqnr

STYLES = {"tensorrt": "static-symmetric", "onnxruntime": "static-affine"}
FLOAT_PRODUCTS = {"Conv", "MatMul", "Gemm", "FusedConv", "FusedMatMul", "FusedGemm"}
INT8 = {"QGemm", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"}


def optimized(path, folder):
    """The graph that ONNX Runtime runs."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimized.onnx").graph


def census(graph):
    """INT8 nodes, float products, and the types of other nodes between DequantizeLinear and
    QuantizeLinear, which ONNX Runtime could not fuse."""
    makers = {t: n.op_type for n in graph.node for t in n.output}
    readers = {}
    for n in graph.node:
        for t in n.input:
            readers.setdefault(t, []).append(n.op_type)
    int8 = sum(n.op_type.startswith("QLinear") or n.op_type in INT8 for n in graph.node)
    products = Counter(n.op_type for n in graph.node if n.op_type in FLOAT_PRODUCTS)
    unfused = Counter(
        n.op_type for n in graph.node
        if any(makers.get(t) == "DequantizeLinear" for t in n.input)
        and any("QuantizeLinear" in readers.get(t, ()) for t in n.output)
        and n.op_type not in FLOAT_PRODUCTS)
    return int8, products, unfused


def score(outputs, labels, reference):
    """Percent of right classes, or of those that the float model names too."""
    if outputs[0].ndim != 2:
        return float("nan")
    best = outputs[0].argmax(1)
    truth = labels if labels is not None else reference[0].argmax(1)
    return 100 * float((best == truth).mean())


def with_octile(octile, model, build, samples, names, shapes, folder):
    np.save(folder / "samples.npy", samples)
    run = lambda *args: subprocess.run([octile, *map(str, args)], check=True, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run("-q", "build", model, "--tactics", "first", "-o", folder / "model.plan", *build)
    run("-q", "run", folder / "model.plan", "--data", folder / "samples.npy", "--batch", 1,
        "-o", folder / "out.npz")
    outputs = np.load(folder / "out.npz")
    return [outputs[n].reshape(s) for n, s in zip(names, shapes)]


def row(task, style, octile, source, cache, samples, labels, folder):
    exported = folder / "exported.onnx"
    subprocess.run([octile, "-q", "quantize", source, "--style", style, "--cache", cache, "-o",
                    exported], check=True, text=True, capture_output=True)
    names = [o.name for o in onnx.load(exported).graph.output]
    reference = common.with_onnxruntime(source, samples)
    theirs = common.with_onnxruntime(exported, samples)
    shapes = [t.shape for t in theirs]
    int8 = ["--int8", "--scheme", STYLES[style], "--cache", cache]
    engine = with_octile(octile, source, int8, samples, names, shapes, folder)
    again = with_octile(octile, exported, [], samples, names, shapes, folder)
    count, products, unfused = census(optimized(exported, folder))
    scores = [score(o, labels, reference) for o in (theirs, engine, again)]
    left = ", ".join(f"{n} {t}" for t, n in sorted(unfused.items())) or "-"
    print(f"{task:13} {style:12} {scores[0]:7.2f} {scores[1]:8.2f} {scores[2]:8.2f} "
          f"{sqnr(theirs, again):8.1f} {sqnr(reference, theirs):7.1f} {sqnr(reference, engine):9.1f} "
          f"{count:5} "
          f"{sum(products.values()):5}  {left}", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    octile = str(Path(sys.argv[1]).absolute())
    wanted = sys.argv[2:] or [t for t in common.TASKS if not t.endswith("-tflite")]
    print(f"ONNX Runtime {ort.__version__}")
    print(f"{'model':13} {'style':12} {'ORT %':>7} {'engine %':>8} {'octile %':>8} {'SQNR dB':>8} "
          f"{'ORT dB':>7} {'engine dB':>9} {'int8':>5} {'float':>5}  float between Q/DQ")
    for task in wanted:
        file, load = common.TASKS[task]
        calibration, samples, labels = load()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            cache = folder / "cache"
            np.save(folder / "calibration.npy", calibration)
            subprocess.run([octile, "-q", "calibrate", MODELS / file, "--calibrate",
                            folder / "calibration.npy", "--cache", cache], check=True)
            for style in STYLES:
                row(task, style, octile, MODELS / file, cache, samples, labels, folder)


if __name__ == "__main__":
    main()
