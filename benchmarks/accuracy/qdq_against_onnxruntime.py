#!/usr/bin/env python3
"""Quantized ONNX models in Octile beside ONNX Runtime: the same file, the same samples.

    MODELS=DIR benchmarks/accuracy/qdq_against_onnxruntime.py build/release/octile [model …]

Each float model of DIR (../shared/data unless said) is quantized by onnxruntime.quantization in both
forms (QDQ, QOperator); models that are quantized already run as they are. A row: top-1 of both, how
often both name the same class (where there are classes), the ratio of signal to difference of all
outputs, the same ratio between ONNX Runtime with and without its own optimizations, the share of
output values that are equal bit for bit, and how many weighted steps of Octile's plan run in int8.
Needs: pip install onnx onnxruntime numpy pillow sympy
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    import tasks
    from engines import ort_run, prepared, reader, sqnr, weighted_steps
    from tasks import MODELS
except ImportError as error:
    sys.exit(f"{error}; pip install onnx onnxruntime numpy pillow sympy")

MODELS = Path(os.environ.get("MODELS", "../shared/data"))
U8, S8 = QuantType.QUInt8, QuantType.QInt8
FORMS = [  # name, format, activations, weights, per channel
    ("QDQ u8/s8 channel", QuantFormat.QDQ, U8, S8, True),
    ("QDQ u8/s8 tensor", QuantFormat.QDQ, U8, S8, False),
    ("QDQ s8/s8 channel", QuantFormat.QDQ, S8, S8, True),
    ("QDQ u8/u8 tensor", QuantFormat.QDQ, U8, U8, False),
    ("QDQ u8/u8 channel", QuantFormat.QDQ, U8, U8, True),
    ("QOp u8/s8 channel", QuantFormat.QOperator, U8, S8, True),
    ("QOp u8/s8 tensor", QuantFormat.QOperator, U8, S8, False),
    ("QOp s8/s8 channel", QuantFormat.QOperator, S8, S8, True),
    ("QOp u8/u8 tensor", QuantFormat.QOperator, U8, U8, False),
]


def first(arrays, calibration, samples=None):
    """The first so many of each; of all samples where none is said."""
    c, x, labels = arrays()
    return c[:calibration], x[:samples], labels[:samples]


def pictures(folder, size, scale, shift, count):
    from PIL import Image
    result = []
    for path in sorted(folder.rglob("*.jpg"))[:count]:
        picture = Image.open(path).convert("RGB").resize((size, size), Image.BILINEAR)
        result.append(np.asarray(picture, np.float32).transpose(2, 0, 1) * scale + shift)
    return np.stack(result).astype(np.float32)


def coco(size, scale, shift):
    folder = MODELS / "coco-detect"
    return (pictures(folder / "train2017_cc_calib", size, scale, shift, 8),
            pictures(folder / "val2017_cc", size, scale, shift, 40), None)


def faces():
    shape = lambda x: x[:, :, 40:280, :]  # 320 × 320 → 240 × 320
    all_of_them = shape(pictures(MODELS / "ultraface", 320, 1 / 128, -127 / 128, 8))
    return all_of_them, all_of_them, None


TASKS = {  # name: (float or quantized model, samples)
    "mnist": ("mnist/mnist_cntk_opset7.onnx",
              lambda: first(tasks.mnist_arrays, 200, 2000)),
    "resnet20": ("cifar10-resnet/cifar10_resnet20.onnx",
                 lambda: first(tasks.cifar_arrays, 200)),
    "kws": ("mlperf-tiny-kws/tiny_kws_dscnn_fp32.onnx",
            lambda: first(tasks.keyword_arrays, 200)),
    "kws-tflite": ("mlperf-tiny-kws/tiny_kws_dscnn_qdq.onnx",
                   lambda: first(tasks.keyword_arrays, 200)),
    "mobilenetv2": ("mobilenetv2-imagenet/mobilenetv2_1.0_224_fp32.onnx",
                    lambda: coco(224, 1 / 127.5, -1.0)),
    "mobilenetv2-tflite": ("mobilenetv2-imagenet/mobilenetv2_1.0_224_qdq.onnx",
                           lambda: coco(224, 1 / 127.5, -1.0)),
    "yolox-nano": ("coco-detect/yolox_nano_416.onnx", lambda: coco(416, 1.0, 0.0)),
    "fastestdet": ("coco-detect/FastestDet.onnx", lambda: coco(352, 1 / 255, 0.0)),
    "ultraface": ("ultraface/version-RFB-320.onnx", faces),
}


def with_onnxruntime(path, samples, optimized=True):
    return list(ort_run(path, samples, optimized).values())


def with_octile(octile, path, samples, folder):
    np.save(folder / "samples.npy", samples)
    plan, out = folder / "model.plan", folder / "out.npz"
    run = lambda *args: subprocess.run([octile, *map(str, args)], check=True, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run("-q", "build", path, "--tactics", "first", "-o", plan)
    run("-q", "run", plan, "--data", folder / "samples.npy", "--batch", 1, "-o", out)
    layers = json.loads(run("inspect", plan, "--json").stdout)["layers"]
    outputs = np.load(out)
    return outputs, weighted_steps(layers)


def row(task, form, path, samples, labels, octile, folder):
    reference = with_onnxruntime(path, samples)
    outputs, (int8, weighted) = with_octile(octile, path, samples, folder)
    names = [o.name for o in onnx.load(path).graph.output]
    ours = [outputs[n].reshape(r.shape) for n, r in zip(names, reference)]
    own = sqnr(reference, with_onnxruntime(path, samples, optimized=False))
    same = sum(int((r == o).sum()) for r, o in zip(reference, ours)) / sum(r.size for r in reference)
    best = [a.reshape(len(a), -1).argmax(1) for a in (reference[0], ours[0])]
    classes = reference[0].ndim == 2
    agree = 100 * float((best[0] == best[1]).mean()) if classes else float("nan")
    top1 = [100 * float((b == labels).mean()) if labels is not None else float("nan") for b in best]
    print(f"{task:19} {form:18} {top1[0]:7.2f} {top1[1]:7.2f} {agree:8.2f} {sqnr(reference, ours):7.1f} "
          f"{own:7.1f} "
          f"{100 * same:6.2f} {int8:4}/{weighted}", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    octile, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(TASKS)
    print(f"ONNX Runtime {ort.__version__}")
    print(f"{'model':19} {'form':18} {'ORT %':>7} {'ours %':>7} {'agree %':>8} {'SQNR dB':>7} "
          f"{'own dB':>7} {'same %':>6} int8 steps")
    for task in wanted:
        file, load = TASKS[task]
        calibration, samples, labels = load()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            if any(n.op_type == "QuantizeLinear" for n in onnx.load(MODELS / file).graph.node):
                row(task, "as it is", MODELS / file, samples, labels, octile, folder)
                continue
            source = prepared(MODELS / file, folder)
            name = onnx.load(source).graph.input[0].name
            for form, style, activations, weights, channel in FORMS:
                path = folder / "quantized.onnx"
                symmetric = {"ActivationSymmetric": activations == S8}
                try:
                    quantize_static(str(source), str(path), reader(name, calibration),
                                    quant_format=style, activation_type=activations,
                                    weight_type=weights, per_channel=channel,
                                    extra_options=symmetric)
                    row(task, form, path, samples, labels, octile, folder)
                except subprocess.CalledProcessError as error:
                    print(f"{task:19} {form:18} Octile: {error.stderr.strip()}", flush=True)
                except Exception as error:  # ONNX Runtime cannot quantize or run some forms
                    print(f"{task:19} {form:18} {type(error).__name__}: {str(error)[:200]}",
                          flush=True)


if __name__ == "__main__":
    main()
