"""From an ONNX model to INT8 predictions, in ten lines: quickstart() below.

    python quickstart.py --data /usr/share/datasets/fashion-mnist

The model is the demo's small CNN; make_model() rebuilds it from its trained weights
(../mnist/para.npz) and writes model.onnx, as an exporter would. `make demo-python` runs this.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np

import octile


def quickstart(model, training, pictures):
    """Scores of float and INT8 engines for `pictures`, (N, 1, 28, 28) float32 → two (N, 10)."""
    network = octile.import_onnx(model)
    batches = (training[i : i + 20] for i in range(0, 500, 20))
    table = octile.calibrate(network, batches, method="entropy")

    shapes = [{"picture": ((1, 1, 28, 28), (100, 1, 28, 28), (100, 1, 28, 28))}]
    float_plan = octile.build(network, profiles=shapes)
    int8_plan = octile.build(network, table, int8=True, int8_layers="all", profiles=shapes)
    int8_plan.save(Path(model).with_suffix(".plan"))

    scores = []
    for plan in (float_plan, int8_plan):
        context = octile.Engine(plan).create_context()
        parts = (pictures[i : i + 100] for i in range(0, len(pictures), 100))
        scores.append(np.concatenate([context.run(part)["scores"] for part in parts]))
    return scores


def make_model(weights, path):
    """Two convolutions, two fully connected layers; the input is raw pixels, 0 to 255."""
    para = octile.load_npz(weights)
    network = octile.Network("mnist")
    x = network.add_input("picture", "float32", (-1, 1, 28, 28))
    for name in ("conv1", "conv2"):
        x = network.convolution(
            x, para[f"{name}.weight"], para[f"{name}.bias"], padding=2, name=name
        )
        x = network.activation(x, "relu", name=f"{name}.relu")
        x = network.pooling(x, "max", kernel=(2, 2), stride=2, name=f"{name}.pool")
    x = network.reshape(x, (-1, 64 * 7 * 7), name="flatten")
    # PyTorch keeps (out, in): multiply by the transposed matrix.
    x = network.fully_connected(x, para["fc1.weight"].T, para["fc1.bias"], name="fc1")
    x = network.activation(x, "relu", name="fc1.relu")
    x = network.fully_connected(x, para["fc2.weight"].T, para["fc2.bias"], name="fc2")
    network.mark_output(x, "scores")
    octile.export_onnx(network, path)


def read_idx(folder, name):
    """A gzipped IDX file of bytes (MNIST's format) as an array."""
    data = gzip.decompress((Path(folder) / f"{name}.gz").read_bytes())
    rank = data[3]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(
        np.frombuffer(data, ">u4", rank, 4).astype(int)
    )


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Float against INT8 on Fashion-MNIST")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="IDX files")
    parser.add_argument("--weights", default=here.parent / "mnist" / "para.npz")
    parser.add_argument("--out", default=".", type=Path, help="where model.onnx and its plan go")
    arguments = parser.parse_args()

    pictures = [
        read_idx(arguments.data, f"{part}-images-idx3-ubyte")[:, None].astype(np.float32)
        for part in ("train", "t10k")
    ]
    labels = read_idx(arguments.data, "t10k-labels-idx1-ubyte")
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = arguments.out / "model.onnx"
    make_model(arguments.weights, model)
    for name, scores in zip(("float", "INT8"), quickstart(model, *pictures)):
        accuracy = np.mean(scores.argmax(axis=1) == labels)
        print(f"{name:5}  accuracy {accuracy:.2%} on {len(labels)} pictures")


if __name__ == "__main__":
    main()
