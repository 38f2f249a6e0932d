"""Refitter and OnnxParserRefitter: other weights for engines, their names, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from trt_engine import Bench, run

import octile
import octile.cudart as cudart
import octile.tensorrt as trt
from octile import ops
from octile.tensorrt._refit_data import KEY
from octile.tensorrt._refit_network import network_of, op_of, written

rng = np.random.default_rng(11)
TWO = [{"x": ((2, 2, 6, 6),) * 3}]
KERNEL, BIAS = trt.WeightsRole.KERNEL, trt.WeightsRole.BIAS


def values(seed):
    """Weights of the network below, by name."""
    made = np.random.default_rng(seed)
    shapes = {"k": (4, 2, 3, 3), "b": (4,), "shift": (4,), "scale": (4,), "m": (64, 3), "c": (1, 3)}
    return {n: made.standard_normal(s).astype(np.float32) for n, s in shapes.items()}


def network(bench, w, batch=-1):
    """Convolution, scale, product and sum whose weights have names."""
    net = bench.network
    x = net.add_input("x", trt.float32, (batch, 2, 6, 6))
    conv = net.add_convolution_nd(x, 4, (3, 3), w["k"], w["b"])
    conv.name = "conv"
    y = net.add_scale(conv.get_output(0), trt.ScaleMode.CHANNEL, w["shift"], w["scale"])
    y.name = "scale"
    flat = net.add_shuffle(y.get_output(0))
    flat.reshape_dims = (0, -1)
    none = trt.MatrixOperation.NONE
    m, c = net.add_constant((64, 3), w["m"]), net.add_constant((1, 3), w["c"])
    m.name, c.name = "matrix", "offset"
    y = net.add_matrix_multiply(flat.get_output(0), none, m.get_output(0), none)
    y = net.add_elementwise(y.get_output(0), c.get_output(0), trt.ElementWiseOperation.SUM)
    y.get_output(0).name = "y"
    net.mark_output(y.get_output(0))
    for name, array in w.items():
        assert net.set_weights_name(array, name), bench.logger.errors
    if batch < 0:
        bench.profile(x=((1, 2, 6, 6), (2, 2, 6, 6), (4, 2, 6, 6)))
    bench.config.builder_optimization_level = 0
    return bench


def built(w, flag=trt.BuilderFlag.REFIT, **options):
    bench = network(Bench(), w, **options)
    if flag is not None:
        bench.config.set_flag(flag)
    return bench


def computed(w, x):
    """The network's output by NumPy."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    y = np.einsum("nchwij,ocij->nohw", windows, w["k"]) + w["b"][:, None, None]
    y = y * w["scale"][:, None, None] + w["shift"][:, None, None]
    return y.reshape(len(x), -1) @ w["m"] + w["c"]


@pytest.fixture
def image():
    return rng.standard_normal((2, 2, 6, 6)).astype(np.float32)


def test_weights_by_layer_and_role(image):
    old, new = values(0), values(1)
    bench = built(old)
    engine = bench.engine()
    assert engine.refittable
    context = engine.create_execution_context()
    np.testing.assert_allclose(run(context, x=image)["y"], computed(old, image), 1e-4, 1e-4)
    refitter = trt.Refitter(engine, bench.logger)
    names, roles = refitter.get_all()
    assert list(zip(names, (role.name for role in roles))) == [
        ("conv", "KERNEL"),
        ("conv", "BIAS"),
        ("scale", "SHIFT"),
        ("scale", "SCALE"),
        ("matrix", "CONSTANT"),
        ("offset", "CONSTANT"),
    ]
    assert refitter.get_missing() == ([], []) and refitter.get_missing_weights() == []
    assert refitter.set_weights("conv", KERNEL, new["k"])
    assert refitter.set_weights("conv", BIAS, trt.Weights(new["b"]))
    mixed = {**old, "k": new["k"], "b": new["b"]}
    assert refitter.refit_cuda_engine()
    # the context that there was, its shapes as they were
    np.testing.assert_allclose(run(context, x=image)["y"], computed(mixed, image), 1e-4, 1e-4)
    for layer, role, name in (
        ("scale", trt.WeightsRole.SHIFT, "shift"),
        ("scale", trt.WeightsRole.SCALE, "scale"),
        ("matrix", trt.WeightsRole.CONSTANT, "m"),
        ("offset", trt.WeightsRole.CONSTANT, "c"),
    ):
        assert refitter.set_weights(layer, role, new[name])
    assert refitter.refit_cuda_engine_async(0)
    np.testing.assert_allclose(run(context, x=image)["y"], computed(new, image), 1e-4, 1e-4)
    assert bench.logger.errors == []


def test_weights_by_name_and_a_second_load(image):
    old, new = values(0), values(1)
    bench = built(old)
    engine = bench.engine()
    refitter = trt.Refitter(engine, bench.logger)
    assert set(refitter.get_all_weights()) == set(old)
    prototype = refitter.get_weights_prototype("k")
    assert (prototype.dtype, prototype.size) == (trt.float32, 72)
    np.testing.assert_array_equal(refitter.get_named_weights("k").numpy(), old["k"].reshape(-1))
    for name, array in new.items():
        assert refitter.set_named_weights(name, trt.Weights(array))
    np.testing.assert_array_equal(refitter.get_named_weights("k").numpy(), new["k"].reshape(-1))
    assert refitter.get_weights_location("k") == trt.TensorLocation.HOST
    assert refitter.unset_named_weights("b") and not refitter.unset_named_weights("b")
    assert refitter.refit_cuda_engine()
    wanted = computed({**new, "b": old["b"]}, image)
    again = trt.Runtime(bench.logger).deserialize_cuda_engine(engine.serialize())
    for loaded in (engine, again):
        outputs = run(loaded.create_execution_context(), x=image)
        np.testing.assert_allclose(outputs["y"], wanted, 1e-4, 1e-4)
    assert trt.Refitter(again, bench.logger).get_named_weights("k").size == 72
    kept = trt.Refitter(again, bench.logger).get_named_weights("k").numpy()
    np.testing.assert_array_equal(kept, new["k"].reshape(-1))


def test_weights_on_the_device(image):
    old, new = values(0), values(1)
    bench = built(old)
    engine = bench.engine()
    refitter = trt.Refitter(engine, bench.logger)
    status, device = cudart.cudaMalloc(new["k"].nbytes)
    kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
    cudart.cudaMemcpy(device, new["k"].ctypes.data, new["k"].nbytes, kind)
    weights = trt.Weights(trt.float32, device, new["k"].size)
    assert refitter.set_named_weights("k", weights, trt.TensorLocation.DEVICE)
    assert refitter.get_weights_location("k") == trt.TensorLocation.DEVICE
    cudart.cudaFree(device)
    assert not refitter.set_named_weights("k", weights, trt.TensorLocation.DEVICE)
    assert "freed" in bench.error()
    assert refitter.refit_cuda_engine()
    outputs = run(engine.create_execution_context(), x=image)
    np.testing.assert_allclose(outputs["y"], computed({**old, "k": new["k"]}, image), 1e-4, 1e-4)


def test_a_refit_is_the_engine_of_a_build_with_these_weights(image):
    """INT8 with ranges set by hand, bit for bit."""
    outputs = []
    for first in (0, 1):
        bench = built(values(first))
        bench.config.set_flag(trt.BuilderFlag.INT8)
        for layer in bench.network:
            if layer.type != trt.LayerType.CONSTANT:
                layer.get_output(0).set_dynamic_range(-9, 9)
        bench.network.get_input(0).set_dynamic_range(-3, 3)
        engine = bench.engine()
        refitter = trt.Refitter(engine, bench.logger)
        for name, array in values(1).items():
            assert refitter.set_named_weights(name, array)
        assert first == 1 or refitter.refit_cuda_engine()
        assert any("int8" in layer.precision for layer in engine._native.plan.layers())
        outputs.append(run(engine.create_execution_context(), x=image)["y"])
        assert refitter.get_dynamic_range("x") == (-3, 3)
        assert {"x", "y"} <= set(refitter.get_tensors_with_dynamic_range())
    np.testing.assert_array_equal(*outputs)
    assert refitter.set_dynamic_range("x", (-1, 1)) and refitter.refit_cuda_engine()
    assert refitter.get_dynamic_range("x") == (-1, 1)
    narrow = run(engine.create_execution_context(), x=image)["y"]
    assert (narrow != outputs[0]).any()
    assert not refitter.set_dynamic_range("nothing", (-1, 1)) and "nothing" in bench.error()
    assert refitter.get_dynamic_range("nothing") == (-1, -1)
    assert not refitter.set_dynamic_range("x", (1, -1))


def test_what_cannot_be_refitted():
    bench = built(values(0), flag=None)
    engine = bench.engine()
    assert not engine.refittable
    with pytest.raises(TypeError, match="BuilderFlag.REFIT"):
        trt.Refitter(engine, bench.logger)
    assert "BuilderFlag.REFIT" in bench.error()
    bench = built(values(0))
    engine = bench.engine()
    refitter = trt.Refitter(engine, bench.logger)
    new = values(1)
    assert not refitter.set_weights("nobody", KERNEL, new["k"])
    assert (
        "IRefitter::setWeights: Error Code 3: API Usage Error (nobody: network does not have (or "
        "does not use) this layer or no such role for this layer." in bench.error()
    )
    assert not refitter.set_weights("matrix", KERNEL, new["m"])
    assert "matrix: network does not have" in bench.error()
    assert not refitter.set_weights("conv", KERNEL, new["k"][:2])
    assert "36 weights of type FLOAT were given for 72 of type FLOAT" in bench.error()
    assert not refitter.set_weights("conv", KERNEL, new["k"].astype(np.float16))
    assert "HALF" in bench.error()
    assert not refitter.set_named_weights("z", new["k"])
    assert "z: The weights cannot be refitted." in bench.error()
    assert refitter.get_weights_prototype("z").size == -1
    with pytest.raises(TypeError):
        refitter.set_weights("conv", 0, new["k"])
    new["k"][0, 0, 0, 0] = np.inf
    assert refitter.set_named_weights("k", new["k"]) and refitter.weights_validation
    bench.logger.lines.clear()
    assert not refitter.refit_cuda_engine() and "finite" in bench.error()
    refitter.weights_validation = False
    assert refitter.refit_cuda_engine()
    refitter.max_threads = 2
    assert refitter.max_threads == 2 and refitter.logger is bench.logger
    assert refitter.error_recorder is None


def test_only_marked_weights_with_refit_individual():
    bench = built(values(0), trt.BuilderFlag.REFIT_INDIVIDUAL)
    assert bench.network.mark_weights_refittable("k")
    assert bench.network.mark_weights_refittable("b")
    assert bench.network.unmark_weights_refittable("b")
    assert bench.network.are_weights_marked_refittable("k")
    assert not bench.network.are_weights_marked_refittable("b")
    refitter = trt.Refitter(bench.engine(), bench.logger)
    assert refitter.get_all() == (["conv"], [KERNEL]) and refitter.get_all_weights() == ["k"]
    assert not refitter.set_weights("conv", BIAS, values(1)["b"])
    assert "b: The weights cannot be refitted." in bench.error()
    assert not refitter.set_named_weights("b", values(1)["b"])
    assert refitter.set_named_weights("k", values(1)["k"]) and refitter.refit_cuda_engine()


def test_the_flags_exclude_each_other():
    bench = Bench()
    flags = [
        trt.BuilderFlag.REFIT,
        trt.BuilderFlag.REFIT_IDENTICAL,
        trt.BuilderFlag.REFIT_INDIVIDUAL,
    ]
    for flag in flags:
        bench.config.set_flag(flag)
    assert [bench.config.get_flag(flag) for flag in flags] == [False, False, True]
    assert len(bench.logger.warnings) == 2 and "mutually exclusive" in bench.logger.warnings[0]
    bench.config.set_flag(trt.BuilderFlag.STRIP_PLAN)
    assert "keep their weights" in bench.logger.warnings[-1]


def test_names_of_weights_that_no_layer_has():
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (1, 1, 4, 4))
    kernel = np.ones((1, 1, 3, 3), np.float32)
    conv = bench.network.add_convolution_nd(x, 1, (3, 3), kernel)
    assert bench.network.set_weights_name(conv.kernel, "by the layer's")
    assert not bench.network.set_weights_name(kernel.copy(), "elsewhere")
    assert "elsewhere" in bench.error()


def model(w):
    net = octile.Network("m")
    x = net.add_input("x", "float32", (-1, 2, 6, 6))
    k, b = net.constant(w["k"], name="conv1.weight"), net.constant(w["b"], name="conv1.bias")
    window = ops.Window(kernel=[3, 3])
    y = net.add(ops.Convolution(window=window), [x, k, b], name="conv1").output(0)
    y = net.reshape(y, [0, -1], name="flat")
    m = net.constant(w["m"], name="fc.weight")
    y = net.add(ops.MatrixMultiply(), [y, m], name="fc").output(0)
    y.name = "y"
    net.mark_output(y)
    return octile.export_onnx_bytes(net)


def test_weights_of_another_model(image, tmp_path):
    old, new = values(0), values(1)
    bench = Bench()
    assert trt.OnnxParser(bench.network, bench.logger).parse(model(old))
    bench.config.set_flag(trt.BuilderFlag.REFIT)
    bench.config.builder_optimization_level = 0
    bench.profile(x=((2, 2, 6, 6),) * 3)
    engine = bench.engine()
    context = engine.create_execution_context()

    def wanted(w):
        return computed({**w, "scale": w["b"] * 0 + 1, "shift": w["b"] * 0, "c": w["c"] * 0}, image)

    np.testing.assert_allclose(run(context, x=image)["y"], wanted(old), 1e-4, 1e-4)
    refitter = trt.Refitter(engine, bench.logger)
    assert refitter.get_all_weights() == ["conv1.weight", "conv1.bias", "fc.weight"]
    parser = trt.OnnxParserRefitter(refitter, bench.logger)
    (tmp_path / "new.onnx").write_bytes(model(new))
    assert parser.refit_from_file(str(tmp_path / "new.onnx")) and parser.num_errors == 0
    assert refitter.refit_cuda_engine()
    np.testing.assert_allclose(run(context, x=image)["y"], wanted(new), 1e-4, 1e-4)
    assert parser.refit_from_bytes(model(old)) and refitter.refit_cuda_engine()
    np.testing.assert_allclose(run(context, x=image)["y"], wanted(old), 1e-4, 1e-4)
    assert parser.load_model_proto(model(old))
    assert parser.load_initializer("fc.weight", new["m"].ctypes.data, new["m"].nbytes)
    assert parser.refit_model_proto() and refitter.refit_cuda_engine()
    outputs = run(context, x=image)["y"]
    np.testing.assert_allclose(outputs, wanted({**old, "m": new["m"]}), 1e-4, 1e-4)

    other = model(old).replace(b"fc.weight", b"gc.weight")
    assert not parser.refit_from_bytes(other) and parser.num_errors == 1
    assert parser.get_error(0).code() == trt.ErrorCode.REFIT_FAILED
    assert "fc.weight" in parser.get_error(0).desc() and "fc.weight" in bench.error()
    assert not parser.refit_from_bytes(b"no model")
    assert not parser.refit_from_file("/nowhere.onnx")
    parser.clear_errors()
    assert parser.num_errors == 0
    with pytest.raises(TypeError):
        trt.OnnxParserRefitter(engine, bench.logger)


def all_ops():
    """Native ops with other than their default attributes."""
    window = ops.Window(kernel=[3, 2], stride=[2, 1], pad_before=[1, 0], pad_after=[0, 1])
    same = ops.Window(kernel=[2, 2], mode=ops.PaddingMode.SAME_LOWER)
    yield ops.Convolution(window=window, groups=2)
    yield ops.Pooling(kind=ops.PoolingKind.AVERAGE, window=same, count_padding=True)
    yield ops.Pooling(global_=True)
    yield ops.Activation(kind=ops.ActivationKind.CLIP, alpha=float("-inf"), beta=0.1)
    yield ops.Padding(before=[-1, 2], after=[0, 1], value=-3.5)
    yield ops.Resize(kind="linear", scales=[1.0, 2.5])
    yield ops.Quantize(type="uint8", scale=[0.0078431377], zero_point=127, lo=0, hi=255)
    yield ops.Quantize(scale=[0.1, 0.2], axis=1, lo=-127)
    yield ops.Cast(type="int64")
    for name in dir(ops):
        cls = getattr(ops, name)
        if isinstance(cls, type) and name[0] != "_" and not hasattr(cls, "__members__"):
            yield cls()


@pytest.mark.parametrize("op", list(all_ops()), ids=lambda op: type(op).__name__)
def test_ops_are_read_as_they_are_printed(op):
    assert op_of(repr(op)) == op and repr(op_of(repr(op))) == repr(op)


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "Network()", "ops.Cast()", "_native()", "1 + 1", "Cast(type=print)"],
)
def test_nothing_but_ops_is_read(text):
    with pytest.raises((ValueError, TypeError)):
        op_of(text)


def test_networks_are_kept_as_they_are():
    net = octile.import_onnx(model(values(0)))
    net.find_tensor("x").dynamic_range = (-1, 2)
    net.find_layer("fc").precision = "float32"
    again = network_of(json.loads(json.dumps(written(net))), {})
    assert again.digest() == net.digest() and str(again) == str(net)
    assert again.find_tensor("x").dynamic_range == (-1, 2)
    assert again.find_layer("fc").precision == "float32"


def test_damaged_metadata_is_told():
    plan = octile.build(octile.import_onnx(model(values(0))), metadata={KEY: "{}"}, profiles=TWO)
    bench = Bench()
    engine = trt.Runtime(bench.logger).deserialize_cuda_engine(plan.serialize())
    with pytest.raises(TypeError, match="cannot be read"):
        trt.Refitter(engine, bench.logger)
    assert KEY in bench.error()


class Calibrator(trt.IInt8MinMaxCalibrator):
    """One batch."""

    def __init__(self, batch):
        trt.IInt8MinMaxCalibrator.__init__(self)
        self.batch, self.left = batch, 1

    def get_batch_size(self):
        return len(self.batch)

    def get_batch(self, names):
        self.left -= 1
        return None if self.left < 0 else [self.batch.ctypes.data]

    def read_calibration_cache(self):
        return None

    def write_calibration_cache(self, cache):
        pass


def test_calibrated_ranges_stay(image):
    bench = built(values(0))
    bench.config.set_flag(trt.BuilderFlag.INT8)
    bench.config.int8_calibrator = Calibrator(image)
    engine = bench.engine()
    context = engine.create_execution_context()
    before = run(context, x=image)["y"]
    assert any("int8" in layer.precision for layer in engine._native.plan.layers())
    refitter = trt.Refitter(engine, bench.logger)
    ranges = {n: refitter.get_dynamic_range(n) for n in refitter.get_tensors_with_dynamic_range()}
    assert ranges["x"][1] == pytest.approx(np.abs(image).max(), rel=1e-5)
    assert refitter.refit_cuda_engine()  # with the weights that it had
    np.testing.assert_array_equal(run(context, x=image)["y"], before)
    assert refitter.set_named_weights("k", values(1)["k"]) and refitter.refit_cuda_engine()
    assert (run(context, x=image)["y"] != before).any()
    assert {n: refitter.get_dynamic_range(n) for n in ranges} == ranges


def test_large_weights_fit_into_plans():
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (1, 2048))
    weights = np.zeros((2048, 2200), np.float32)  # 17 MiB
    none = trt.MatrixOperation.NONE
    matrix = bench.network.add_constant(weights.shape, weights)
    matrix.name = "matrix"
    y = bench.network.add_matrix_multiply(x, none, matrix.get_output(0), none).get_output(0)
    bench.network.mark_output(y)
    bench.config.set_flag(trt.BuilderFlag.REFIT)
    bench.config.builder_optimization_level = 0
    engine = bench.engine()
    refitter = trt.Refitter(engine, bench.logger)
    weights[:, 7] = 1
    assert refitter.set_weights("matrix", trt.WeightsRole.CONSTANT, weights)
    assert refitter.refit_cuda_engine()
    outputs = run(engine.create_execution_context(), x=np.ones((1, 2048), np.float32))
    assert outputs[y.name][0, 7] == 2048 and outputs[y.name].sum() == 2048
