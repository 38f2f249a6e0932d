"""The models of benchmarks/serve, each as an Octile INT8 plan, an Octile float plan and an INT8
ONNX file for ONNX Runtime. The two INT8 forms have the same weights, scales and zero points."""

import os
import sys
from pathlib import Path

import numpy as np

import octile

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples/python"))
from quickstart import make_model, read_idx  # noqa: E402

MOST = 32  # rows of a batch


def digits():
    """The repository's 500 MNIST digits, (500, 1, 28, 28)."""
    return read_idx(ROOT / "examples/mnist/digits", "images-idx3-ubyte")[:, None].astype(np.float32)


def profiles(network):
    shape = network.inputs[0].shape
    return [{network.inputs[0].name: tuple((n, *shape[1:]) for n in (1, MOST // 4, MOST))}]


def save(folder, subject, network, table=None, **options):
    """One plan in the layout that octile-serve reads."""
    path = folder / subject / "m/1/model.plan"
    path.parent.mkdir(parents=True, exist_ok=True)
    octile.build(network, table, profiles=profiles(network), threads=1, **options).save(path)


def save_onnx(folder, network):
    path = folder / "onnxruntime-int8/m/1/model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    octile.export_onnx(network, path)


def mnist(folder):
    """examples/mnist's CNN on raw 28 × 28 pictures."""
    onnx = folder / "mnist.onnx"
    make_model(ROOT / "examples/mnist/para.npz", onnx)
    network, samples = octile.import_onnx(onnx), digits()
    table = octile.calibrate(network, (samples[i : i + 20] for i in range(0, 500, 20)))
    save(folder, "octile-float", network)
    save(folder, "octile-int8", network, table, int8=True, int8_layers="all")
    save_onnx(
        folder, octile.quantize(network, table, style="onnxruntime", scheme="static-symmetric")
    )
    return samples[:64]


def mobilenetv2(folder):
    """MobileNetV2 1.0 224 as published: float, and INT8 with Q/DQ pairs. MODELS=DIR has it."""
    source = Path(os.environ["MODELS"]) / "mobilenetv2-imagenet"
    quantized = source / "mobilenetv2_1.0_224_qdq.onnx"
    save(folder, "octile-float", octile.import_onnx(source / "mobilenetv2_1.0_224_fp32.onnx"))
    save(folder, "octile-int8", octile.import_onnx(quantized))
    path = folder / "onnxruntime-int8/m/1/model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(quantized.read_bytes())
    return np.random.default_rng(1).uniform(-1, 1, (16, 3, 224, 224)).astype(np.float32)


def available():
    """Models by name, and why those that are not here are left out."""
    found, missing = {"mnist": mnist}, {}
    models = os.environ.get("MODELS", "")
    if (Path(models) / "mobilenetv2-imagenet").is_dir() and models:
        found["mobilenetv2"] = mobilenetv2
    else:
        missing["mobilenetv2"] = "MODELS=DIR names no folder with mobilenetv2-imagenet"
    return found, missing
