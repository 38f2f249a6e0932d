"""From a model.onnx to an INT8 engine by TensorRT's OnnxParser, and on to Q/DQ ONNX.

    python examples/tensorrt/onnx_parser.py [model.onnx] [--out DIR]

Without a model the example writes one first. The last step is the way on to TensorRT 11, which
takes no calibrators: the same cache puts Quantize and Dequantize nodes into the ONNX model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from fashion import Calibrator, accuracy, images

import octile
import octile.tensorrt as trt


def write_model(file: Path) -> None:
    """The network of the other example as a float ONNX model."""
    here = Path(__file__).resolve().parent
    weights = np.load(here.parent / "mnist/para.npz")
    net = octile.Network("fashion")
    x = net.add_input("data", "float32", (-1, 1, 28, 28))
    for name in ("conv1", "conv2"):
        x = net.convolution(
            x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=2, name=name
        )
        x = net.activation(x, octile.ops.ActivationKind.RELU, name=f"{name}.relu")
        x = net.pooling(x, kernel=2, stride=2, name=f"{name}.pool")
    x = net.reshape(x, (-1, 64 * 7 * 7), name="flat")
    for name in ("fc1", "fc2"):
        w = np.ascontiguousarray(weights[f"{name}.weight"].T)
        x = net.fully_connected(x, w, weights[f"{name}.bias"], name=name)
        if name == "fc1":
            x = net.activation(x, octile.ops.ActivationKind.RELU, name="fc1.relu")
    net.mark_output(x, "scores")
    octile.export_onnx(net, str(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    parser.add_argument("--pictures", type=int, default=10000)
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    model = flags.model
    if model is None:
        model = flags.out / "fashion.onnx"
        write_model(model)

    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.read_bytes()):
        raise SystemExit("\n".join(str(parser.get_error(i)) for i in range(parser.num_errors)))
    name = network.get_input(0).name
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape(name, (1, 1, 28, 28), (100, 1, 28, 28), (100, 1, 28, 28))
    config.add_optimization_profile(profile)
    config.set_flag(trt.BuilderFlag.INT8)
    cache = flags.out / "fashion_onnx.cache"
    config.int8_calibrator = Calibrator(images("train", 500), 10, str(cache))
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise SystemExit("the engine could not be built; the log says why")
    print(f"int8: top-1 {100 * accuracy(plan, flags.pictures):.2f} %, plan {plan.nbytes} bytes")

    table = octile.CalibrationTable.load(str(cache))
    quantized = octile.quantize(octile.import_onnx(str(model)), table)
    octile.export_onnx(quantized, str(flags.out / "fashion_qdq.onnx"))
    print(f"for TensorRT 11: {flags.out / 'fashion_qdq.onnx'}")


if __name__ == "__main__":
    main()
