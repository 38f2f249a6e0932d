"""The benchmark's models: float ONNX with a symbolic batch, calibration samples, held out samples.

Trained models and real data come from MODELS (../shared/data unless said; README.md of
benchmarks/accuracy tells where each file comes from) where they lie there; else architectures.py
writes the same network with random weights, and samples are drawn. All is kept in a folder named by
what it was made of.
"""

import ast
import gzip
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class Spec:
    shape: tuple  # of one sample
    trained: str = ""  # below MODELS
    data: str = "image"  # how samples are drawn: image (any size), digits, normal
    samples: tuple = (64, 16)  # to calibrate on, held out
    gemm: bool = False  # the first axis is the product's rows: batch 1 only, no SQNR
    transformer: bool = False


SPECS = {
    "resnet50": Spec((3, 224, 224)),
    "mobilenetv2": Spec((3, 224, 224), "mobilenetv2-imagenet/mobilenetv2_1.0_224_fp32.onnx"),
    "mnist": Spec((1, 28, 28), data="digits", samples=(256, 64)),
    "yolox_nano": Spec((3, 416, 416), "coco-detect/yolox_nano_416.onnx", samples=(32, 16)),
    "resnet20": Spec((3, 32, 32), "cifar10-resnet/cifar10_resnet20.onnx", samples=(256, 64)),
    "kws": Spec((1, 49, 10), "mlperf-tiny-kws/tiny_kws_dscnn_fp32.onnx", "normal", (256, 64)),
    "efficientnet_lite0": Spec((3, 224, 224)),
    "bert_block": Spec((128, 768), data="normal", transformer=True),
    "gemm_1024": Spec((1024,), data="normal", samples=(4 * 1024, 1024), gemm=True),
}


def trained_folder():
    return Path(os.environ.get("MODELS", ROOT / "../shared/data")).resolve()


def mnist_weights():
    """The demo's trained weights; None where only the benchmark was carried to this machine."""
    path = ROOT / "examples/mnist/para.npz"
    return path if path.exists() else None


def rows(spec, batch):
    """Extent of axis 0 for a batch."""
    return spec.shape[0] if spec.gemm else batch


# --- samples ---


def drawn(spec, count, rng):
    """Samples without a data set. Images are noise that falls with frequency, as pictures do."""
    if spec.data == "normal":
        return rng.standard_normal((count, *spec.shape), np.float32)
    height, width = spec.shape[1:]
    fall = 1 / np.hypot(
        np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width) * width
    ).clip(1)
    images = np.empty((count, *spec.shape), np.float32)
    for image in images:
        spectrum = np.fft.rfft2(rng.standard_normal(spec.shape, np.float32)) * fall
        plane = np.fft.irfft2(spectrum, (height, width))
        image[:] = (plane - plane.mean()) / plane.std()
    return np.clip(128 + 60 * images, 0, 255).round() if spec.data == "digits" else images


def idx_images(path):
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16).reshape(
        -1, 1, 28, 28
    )


def digits(count, held_out):
    """Fashion-MNIST of Debian's package: the demo's CNN was trained on it. None: it is missing."""
    if not FASHION.exists():
        return None
    train, test = (
        idx_images(FASHION / f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")
    )
    return train[:count].astype(np.float32), test[:held_out].astype(np.float32)


def real(name, spec):
    """(calibration, held out) of a trained model's own task."""
    os.environ["MODELS"] = str(trained_folder())
    import tasks

    task = tasks.TASKS[{"yolox_nano": "yolox-nano"}.get(name, name)]()
    count, held_out = spec.samples
    if name == "kws":  # calibration has every 5th sample; what is held out must be other ones
        keep = np.arange(len(task.samples)) % 5 != 0
        return task.calibration[:count], task.samples[keep][:held_out]
    return task.calibration[:count], task.samples[:held_out]


def samples_of(name, spec, trained):
    if trained:
        return real(name, spec)
    found = digits(*spec.samples) if spec.data == "digits" else None
    if found is not None:
        return found
    rng = np.random.default_rng(1)
    return tuple(drawn(spec, count, rng) for count in spec.samples)


# --- the float model ---


def with_batch(model):
    """A batch of 1 made symbolic, also in constant shapes of Reshape; operator set 13 or newer."""
    import onnx
    from onnx import numpy_helper, version_converter

    constants = {t.name: t for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    if model.opset_import[0].version < 13:
        model.ir_version = 8
        model = version_converter.convert_version(model, 17)
        constants = {t.name: t for t in model.graph.initializer}
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]
    values = {n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant"}
    for node in model.graph.node:
        shape = (constants | values).get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is not None and numpy_helper.to_array(shape)[0] == 1:
            target = numpy_helper.to_array(shape).copy()
            target[0] = 0  # as it is
            shape.CopyFrom(numpy_helper.from_array(target, shape.name))
    onnx.checker.check_model(model)
    return model


def float_model(name, spec, trained):
    import architectures
    import onnx

    if trained:
        return with_batch(onnx.load(trained))
    if name == "mnist" and mnist_weights():
        with np.load(mnist_weights()) as weights:
            return architectures.mnist(weights)
    return getattr(architectures, name)()


def code_of(file):
    """What a script says, whatever its layout and comments."""
    return ast.dump(ast.parse(Path(file).read_bytes())).encode()


def key_of(spec, trained):
    """Of what the folder's files are made of."""
    made_of = hashlib.sha256(repr(spec).encode())
    for script in (HERE / "architectures.py", HERE / "models.py"):
        made_of.update(code_of(script))
    weights = mnist_weights() if spec.data == "digits" else None
    for file in (trained, weights):
        made_of.update(Path(file).read_bytes() if file else b"-")
    made_of.update(b"digits" if spec.data == "digits" and FASHION.exists() else b"")
    return made_of.hexdigest()[:12]


def make(name, cache):
    """The folder with float.onnx, calibration.npy, held_out.npy, made.json; made where missing."""
    spec = SPECS[name]
    trained = trained_folder() / spec.trained if spec.trained else None
    trained = trained if trained and trained.exists() else None
    folder = Path(cache) / f"{name}-{key_of(spec, trained)}"
    if (folder / "made.json").exists():
        return folder
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(float_model(name, spec, trained), folder / "float.onnx")
    calibration, held_out = samples_of(name, spec, trained)
    np.save(folder / "calibration.npy", np.ascontiguousarray(calibration, np.float32))
    np.save(folder / "held_out.npy", np.ascontiguousarray(held_out, np.float32))
    one = held_out[: rows(spec, 1)].astype(np.float32)
    made = {
        "source": str(trained or "random weights"),
        "operations": operations(folder / "float.onnx", one),
    }
    if name == "mnist" and mnist_weights():
        made["source"] = "examples/mnist/para.npz"
    (folder / "made.json").write_text(json.dumps(made) + "\n")
    return folder


def operations(path, sample):
    """2 · multiply-adds of convolutions and products for a sample; shapes are what a run has."""
    import onnx
    import onnxruntime as ort

    model = onnx.load(path)
    del model.graph.output[:]
    weighted = [n for n in model.graph.node if n.op_type in ("Conv", "MatMul", "Gemm")]
    names = list(dict.fromkeys(name for n in weighted for name in (n.output[0], n.input[1])))
    made = {name for n in model.graph.node for name in n.output}
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    names = [name for name in names if name in made]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = session.run(names, {session.get_inputs()[0].name: sample})
    shapes.update((name, value.shape) for name, value in zip(names, values))
    total = 0
    for node in weighted:
        right = shapes[node.input[1]]
        if node.op_type == "Conv":
            inner = np.prod(right[1:])
        else:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            inner = right[-1] if transposed else right[-2]
        total += 2 * np.prod(shapes[node.output[0]]) * inner
    return int(total)
