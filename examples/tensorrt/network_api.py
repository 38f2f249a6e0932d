"""From weights to an INT8 engine by TensorRT's network API, without ONNX.

    python examples/tensorrt/network_api.py [--weights examples/mnist/para.npz] [--out DIR]

Against TensorRT 10 two lines differ: `import tensorrt as trt` and `from cuda import cudart`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from fashion import Calibrator, accuracy, images

import octile.tensorrt as trt


def define(network, weights):
    """Two convolutions and two products; returns the tensor of the class scores."""
    x = network.add_input("data", trt.float32, (-1, 1, 28, 28))
    for name in ("conv1", "conv2"):
        kernel, bias = (
            np.ascontiguousarray(weights[f"{name}.weight"]),
            np.ascontiguousarray(weights[f"{name}.bias"]),
        )
        conv = network.add_convolution_nd(x, kernel.shape[0], (5, 5), kernel, bias)
        conv.name, conv.padding_nd = name, (2, 2)
        relu = network.add_activation(conv.get_output(0), trt.ActivationType.RELU)
        pool = network.add_pooling_nd(relu.get_output(0), trt.PoolingType.MAX, (2, 2))
        pool.stride_nd = (2, 2)
        x = pool.get_output(0)
    flat = network.add_shuffle(x)
    flat.reshape_dims = (-1, 64 * 7 * 7)
    x = flat.get_output(0)
    for name in ("fc1", "fc2"):
        matrix = np.ascontiguousarray(weights[f"{name}.weight"])  # (outputs, inputs)
        bias = np.ascontiguousarray(weights[f"{name}.bias"].reshape(1, -1))
        w = network.add_constant(matrix.shape, matrix).get_output(0)
        product = network.add_matrix_multiply(
            x, trt.MatrixOperation.NONE, w, trt.MatrixOperation.TRANSPOSE
        )
        product.name = name
        b = network.add_constant(bias.shape, bias).get_output(0)
        total = network.add_elementwise(product.get_output(0), b, trt.ElementWiseOperation.SUM)
        x = total.get_output(0)
        if name == "fc1":
            x = network.add_activation(x, trt.ActivationType.RELU).get_output(0)
    return x


def build(weights, cache: str, int8: bool):
    """A serialized engine for batches of 1 to 100 pictures."""
    builder = trt.Builder(trt.Logger(trt.Logger.WARNING))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    scores = define(network, weights)
    scores.name = "scores"
    network.mark_output(scores)
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape("data", (1, 1, 28, 28), (100, 1, 28, 28), (100, 1, 28, 28))
    config.add_optimization_profile(profile)
    if int8:
        config.set_flag(trt.BuilderFlag.INT8)
        config.int8_calibrator = Calibrator(images("train", 500), 10, cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise SystemExit("the engine could not be built; the log says why")
    return plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).resolve().parent
    parser.add_argument("--weights", type=Path, default=here.parent / "mnist/para.npz")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    parser.add_argument("--pictures", type=int, default=10000)
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    weights = np.load(flags.weights)
    for int8 in (False, True):
        kind = "int8" if int8 else "float"
        plan = build(weights, str(flags.out / "fashion.cache"), int8)
        (flags.out / f"fashion_{kind}.plan").write_bytes(plan)
        right = accuracy(plan, flags.pictures)
        print(f"{kind}: top-1 {100 * right:.2f} %, plan {plan.nbytes} bytes")


if __name__ == "__main__":
    main()
