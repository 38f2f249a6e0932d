"""Real models and their data, shared by the scripts of this folder: what goes in, what counts as right.

A Task has a float model, calibration samples, evaluation samples, and score(outputs): the task's metric in
points (0 … 100). Every engine gets the very same arrays. Files: DIR of MODELS (../shared/data unless
said); README.md tells where each public file comes from.
"""
import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

import detection

MODELS = Path(os.environ.get("MODELS", "../shared/data"))


@dataclass
class Task:
    name: str
    model: Path
    metric: str  # "top1", "agreement", "ap50"
    calibration: np.ndarray
    samples: np.ndarray
    score: Callable  # (outputs by name, the float model's outputs by name) → points
    dynamic_batch: bool = False  # the model's batch is fixed at 1, but nothing in it needs that


def idx(path):
    data = gzip.decompress(path.read_bytes())
    rank = data[3]
    dims = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(dims)


def best(scores):
    return scores.reshape(len(scores), -1).argmax(1)


def top1(labels):
    def score(outputs, _):
        return 100 * float((best(next(iter(outputs.values()))) == labels).mean())
    return score


def agreement(outputs, reference):
    pair = [best(next(iter(o.values()))) for o in (outputs, reference)]
    return 100 * float((pair[0] == pair[1]).mean())


# Calibration samples, evaluation samples, labels.

def mnist_arrays():
    folder = MODELS / "mnist"
    images = lambda kind: idx(folder / f"{kind}-images-idx3-ubyte.gz")[:, None].astype(np.float32)
    return images("train10000"), images("t10k"), idx(folder / "t10k-labels-idx1-ubyte.gz")


def cifar_arrays():
    def read(name):
        raw = np.frombuffer((MODELS / "cifar10-resnet" / name).read_bytes(), np.uint8)
        raw = raw.reshape(-1, 3073)
        mean = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
        std = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
        pixels = raw[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
        return ((pixels - mean) / std).astype(np.float32), raw[:, 0]

    x, labels = read("cifar10_test600.bin")
    return read("cifar10_train2796.bin")[0], x, labels


def keyword_arrays():
    folder = MODELS / "mlperf-tiny-kws"
    q = np.frombuffer((folder / "kws01_1000x49x10.int8").read_bytes(), np.int8)
    x = ((q.reshape(-1, 1, 49, 10).astype(np.float32) - 83) * np.float32(0.5847029))
    return x, x, np.frombuffer((folder / "kws01_labels.u8").read_bytes(), np.uint8)


def mnist():
    calibration, samples, labels = mnist_arrays()
    return Task("mnist", MODELS / "mnist/mnist_cntk_opset7.onnx", "top1", calibration[:500], samples,
                top1(labels), dynamic_batch=True)


def cifar(depth):
    calibration, samples, labels = cifar_arrays()
    return Task(f"resnet{depth}", MODELS / f"cifar10-resnet/cifar10_resnet{depth}.onnx", "top1",
                calibration[:500], samples, top1(labels))


def keywords():
    _, x, labels = keyword_arrays()
    # There is one set: calibration sees every 5th sample (no labels), as all engines do.
    return Task("kws", MODELS / "mlperf-tiny-kws/tiny_kws_dscnn_fp32.onnx", "top1", x[::5], x,
                top1(labels))


def coco_files(part):
    return sorted((MODELS / "coco-detect" / part / "images").rglob("*.jpg"))


def mobilenet():
    def load(part):
        return np.stack([detection.stretch(f, 224) / 127.5 - 1 for f in coco_files(part)])

    return Task("mobilenetv2", MODELS / "mobilenetv2-imagenet/mobilenetv2_1.0_224_fp32.onnx",
                "agreement", load("train2017_cc_calib").astype(np.float32),
                load("val2017_cc").astype(np.float32), agreement)


def yolox():
    pictures = {p: [detection.letterbox(f, 416) for f in coco_files(p)]
                for p in ("train2017_cc_calib", "val2017_cc")}
    truth = [detection.labels(f) for f in coco_files("val2017_cc")]
    scales = [scale for _, scale, _ in pictures["val2017_cc"]]
    sizes = [size for _, _, size in pictures["val2017_cc"]]

    def score(outputs, _):
        raw = next(iter(outputs.values()))
        found = [detection.yolox(r, 416, s, size) for r, s, size in zip(raw, scales, sizes)]
        return 100 * detection.ap50(found, truth, nms=0.65)

    stack = lambda p: np.stack([x for x, _, _ in pictures[p]])
    return Task("yolox-nano", MODELS / "coco-detect/yolox_nano_416.onnx", "ap50",
                stack("train2017_cc_calib"), stack("val2017_cc"), score)


def fastestdet():
    load = lambda p: np.stack([detection.stretch(f, 352)[::-1] / 255 for f in coco_files(p)])
    truth = [detection.labels(f) for f in coco_files("val2017_cc")]

    def score(outputs, _):
        found = [detection.fastestdet(r) for r in next(iter(outputs.values()))]
        return 100 * detection.ap50(found, truth, nms=0.45)

    return Task("fastestdet", MODELS / "coco-detect/FastestDet.onnx", "ap50",
                load("train2017_cc_calib").astype(np.float32),
                load("val2017_cc").astype(np.float32), score)


def ultraface(kind):
    folder = MODELS / "ultraface"
    load = lambda files: np.stack(
        [(detection.stretch(f, 320, 240) - 127) / 128 for f in files]).astype(np.float32)
    faces = sorted(folder.glob("*.jpg"))

    def score(outputs, reference):
        pair = [detection.faces(o["scores"], o["boxes"]) for o in (outputs, reference)]
        return 100 * detection.box_agreement(*pair)

    return Task(f"ultraface-{kind}", folder / f"version-{kind}-320.onnx", "agreement",
                load(coco_files("train2017_cc_calib")), load(faces), score)


TASKS = {
    "mnist": mnist,
    "resnet20": lambda: cifar(20),
    "resnet56": lambda: cifar(56),
    "kws": keywords,
    "mobilenetv2": mobilenet,
    "yolox-nano": yolox,
    "fastestdet": fastestdet,
    "ultraface-RFB": lambda: ultraface("RFB"),
    "ultraface-slim": lambda: ultraface("slim"),
}
