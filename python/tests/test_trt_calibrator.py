"""INT8 builds: calibrators' order of calls, caches, exceptions, addresses, ranges set by hand."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from trt_engine import Bench, run

import octile
import octile.tensorrt as trt

memory = octile.host_memory
SHAPE = (3, 12, 12)  # of one sample


def network(bench, batch=-1, dtype=trt.float32):
    """Convolution, ReLU, pooling, a matrix product and TopK, with TensorRT's default names."""
    rng = np.random.default_rng(0)
    net = bench.network
    x = net.add_input("x", dtype, (batch, *SHAPE))
    kernel = rng.standard_normal((16, 3, 3, 3)).astype(np.float32)
    layer = net.add_convolution_nd(x, 16, (3, 3), kernel, np.zeros(16, np.float32))
    layer = net.add_activation(layer.get_output(0), trt.ActivationType.RELU)
    layer = net.add_pooling_nd(layer.get_output(0), trt.PoolingType.MAX, (2, 2))
    layer.stride_nd = (2, 2)
    layer = net.add_shuffle(layer.get_output(0))
    layer.reshape_dims = (-1 if batch < 0 else batch, 16 * 5 * 5)
    weights = net.add_constant((400, 8), rng.standard_normal((400, 8)).astype(np.float32))
    none = trt.MatrixOperation.NONE
    layer = net.add_matrix_multiply(layer.get_output(0), none, weights.get_output(0), none)
    net.mark_output(layer.get_output(0))
    if batch < 0:
        bench.profile(x=((1, *SHAPE), (4, *SHAPE), (8, *SHAPE)))
    bench.config.set_flag(trt.BuilderFlag.INT8)
    bench.config.builder_optimization_level = 0  # no timing
    return bench


def in_int8(bench):
    """Asks for INT8 in weighted layers, whatever the time, as a program for TensorRT would."""
    bench.config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for layer in bench.network:
        if layer.type in (trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY):
            layer.precision = trt.int8
    return bench


def samples(count, batch=1, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.random((batch, *SHAPE), np.float32) for _ in range(count)]


class Records:
    """What a calibrator of a test does: `calls` is the order of calls that it saw."""

    def __init__(self, batches, cache=None, batch_size=None):
        self.base.__init__(self)
        self.calls, self.batches, self.cache = [], list(batches), cache
        self.size = batch_size or (len(self.batches[0]) if self.batches else 1)
        self.left = list(self.batches)
        nbytes = max((b.nbytes for b in self.batches), default=4)
        self.device = memory.alloc(nbytes)

    def __del__(self):
        memory.free(self.device)

    def get_batch_size(self):
        self.calls.append("size")
        return self.size

    def get_batch(self, names, unused=None):
        self.calls.append("batch")
        self.names = names
        if not self.left:
            return None
        batch = self.left.pop(0)
        memory.copy(self.device, batch.ctypes.data, batch.nbytes)
        return [int(self.device)]

    def read_calibration_cache(self):
        self.calls.append("read")
        return self.cache

    def write_calibration_cache(self, cache):
        self.calls.append("write")
        self.written = bytes(cache)


class Entropy2(Records, trt.IInt8EntropyCalibrator2):
    base = trt.IInt8EntropyCalibrator2


class Entropy(Records, trt.IInt8EntropyCalibrator):
    base = trt.IInt8EntropyCalibrator


class MinMax(Records, trt.IInt8MinMaxCalibrator):
    base = trt.IInt8MinMaxCalibrator


class Legacy(Records, trt.IInt8LegacyCalibrator):
    base = trt.IInt8LegacyCalibrator
    quantile = 0.99

    def get_quantile(self):
        return self.quantile

    def get_regression_cutoff(self):
        return 0.5


def int8_steps(engine):
    return [layer.name for layer in engine._native.plan.layers() if "int8" in layer.precision]


def scales(cache):
    """name → scale of a TensorRT cache, read without Octile."""
    lines = cache.decode().splitlines()
    pairs = (line.rsplit(": ", 1) for line in lines[1:] if line)
    return {name: struct.unpack(">f", bytes.fromhex(h.zfill(8)))[0] for name, h in pairs}


def test_the_order_of_calls():
    bench = in_int8(network(Bench()))
    bench.config.builder_optimization_level = 3
    bench.config.int8_calibrator = calibrator = Entropy2(samples(5))
    engine = bench.engine()
    assert calibrator.calls == ["read", "size", *["batch"] * 6, "write"]
    assert calibrator.names == ["x"]
    assert int8_steps(engine)
    assert bench.config.int8_calibrator is calibrator


def test_the_cache_is_tensorrt_s():
    bench = network(Bench())
    bench.config.int8_calibrator = calibrator = Entropy2(samples(3))
    bench.engine()
    first, *rest = calibrator.written.decode().splitlines()
    assert first == "TRT-101600-EntropyCalibration2"
    assert all(re.fullmatch(r".+: [0-9a-f]{1,8}", line) for line in rest)
    found = scales(calibrator.written)
    names = {"x", "(Unnamed Layer* 0) [Convolution]_output", "(Unnamed Layer* 2) [Pooling]_output"}
    names |= {"(Unnamed Layer* 1) [Activation]_output", "(Unnamed Layer* 3) [Shuffle]_output"}
    assert names <= set(found)
    assert all(scale > 0 for scale in found.values())


def test_with_a_cache_no_batch_is_asked_for():
    bench = network(Bench())
    bench.config.builder_optimization_level = 0
    bench.config.int8_calibrator = first = Entropy2(samples(4))
    data = bench.bytes()
    for cache in (first.written, bytearray(first.written), memoryview(first.written)):
        bench.config.int8_calibrator = second = Entropy2([], cache)
        assert bench.bytes() == data
        assert second.calls == ["read"]


def test_caches_of_older_versions_and_of_octile_are_read():
    bench = in_int8(network(Bench()))
    bench.config.int8_calibrator = first = Entropy2(samples(4))
    bench.engine()
    old = first.written.replace(b"TRT-101600-", b"TRT-8601-")
    json = octile.CalibrationTable.from_tensorrt(old).to_json().encode()
    for cache in (old, json):
        bench.config.int8_calibrator = second = Entropy2([], cache)
        assert int8_steps(bench.engine()) and second.calls == ["read"]


def test_empty_broken_and_foreign_caches_are_made_anew():
    bench = network(Bench())
    for cache, text in (
        (b"", None),
        (b"nonsense", "this is no calibration cache"),
        (b"TRT-8601-EntropyCalibration2\nx: zz\n", "x"),
        ("a string", "bytes-like"),
        (b"TRT-8601-MinMaxCalibration\nx: 3c000000\n", "does not match calibrator algorithm"),
    ):
        bench.logger.lines.clear()
        bench.config.int8_calibrator = calibrator = Entropy2(samples(2), cache)
        assert bench.bytes() is not None
        assert calibrator.calls == ["read", "size", "batch", "batch", "batch", "write"]
        assert text is None or any(text in line for _, line in bench.logger.lines)


@pytest.mark.parametrize(
    "kind, algorithm, word",
    [
        (Entropy, trt.CalibrationAlgoType.ENTROPY_CALIBRATION, "EntropyCalibration"),
        (Entropy2, trt.CalibrationAlgoType.ENTROPY_CALIBRATION_2, "EntropyCalibration2"),
        (MinMax, trt.CalibrationAlgoType.MINMAX_CALIBRATION, "MinMaxCalibration"),
        (Legacy, trt.CalibrationAlgoType.LEGACY_CALIBRATION, "LegacyCalibration"),
    ],
)
def test_every_algorithm(kind, algorithm, word):
    bench = in_int8(network(Bench()))
    batches = samples(3)
    bench.config.int8_calibrator = calibrator = kind(batches)
    assert calibrator.get_algorithm() == algorithm
    assert isinstance(calibrator, trt.IInt8Calibrator)
    assert int8_steps(bench.engine())
    assert calibrator.written.decode().splitlines()[0] == f"TRT-101600-{word}"
    values = np.abs(np.concatenate(batches))
    scale = scales(calibrator.written)["x"]
    if kind is MinMax:
        assert scale == pytest.approx(values.max() / 127, rel=1e-6)
    if kind is Legacy:
        assert scale == pytest.approx(np.quantile(values, 0.99) / 127, rel=2e-3)
        assert any("regression cutoff 0.5" in text for _, text in bench.logger.lines)
    # A cache of the algorithm's own is taken, with its token.
    bench.config.int8_calibrator = again = kind([], calibrator.written)
    assert bench.bytes() is not None and again.calls == ["read"]


def test_an_own_algorithm():
    class Own(Records, trt.IInt8Calibrator):
        base = trt.IInt8Calibrator

        def get_algorithm(self):
            return trt.CalibrationAlgoType.MINMAX_CALIBRATION

    bench = network(Bench())
    bench.config.int8_calibrator = calibrator = Own(samples(2))
    assert bench.bytes() is not None and b"MinMaxCalibration" in calibrator.written

    class None_(Records, trt.IInt8Calibrator):
        base = trt.IInt8Calibrator

    bench.config.int8_calibrator = None_(samples(2))
    assert bench.bytes() is None
    assert "no scaling factors detected" in bench.error()


def test_legacy_quantiles_must_be_shares():
    bench = network(Bench())
    bench.config.int8_calibrator = calibrator = Legacy(samples(2))
    calibrator.quantile = 99
    assert bench.bytes() is None and "get_quantile() gave 99" in bench.error()


def test_batches_of_any_size_under_a_dynamic_batch():
    tables = []
    batches = samples(1, batch=6)[0]
    for size in (1, 3, 6):
        bench = network(Bench())
        parts = [np.array(batches[i : i + size], order="C") for i in range(0, 6, size)]
        bench.config.int8_calibrator = calibrator = Entropy2(parts)
        bench.engine()
        tables.append(scales(calibrator.written))
    for table in tables[1:]:
        assert table.keys() == tables[0].keys()
        for name, scale in table.items():
            assert scale == pytest.approx(tables[0][name], rel=1e-2)
    assert any("Calibrating with Profile 0" in text for _, text in bench.logger.lines)


def test_other_extents_come_from_the_calibration_profile():
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (-1, 2, -1))
    y = bench.network.add_activation(x, trt.ActivationType.RELU).get_output(0)
    bench.network.mark_output(y)
    bench.profile(x=((1, 2, 4), (2, 2, 6), (4, 2, 8)))
    bench.config.set_flag(trt.BuilderFlag.INT8)

    class Sized(Entropy2):
        def get_batch(self, names):
            # Exactly what the profile's opt asks for: more would be beyond the allocation.
            return super().get_batch(names)

    bench.config.int8_calibrator = Sized([np.ones((3, 2, 6), np.float32)])
    assert bench.bytes() is not None
    other = bench.builder.create_optimization_profile()
    other.set_shape("x", (1, 2, 7), (2, 2, 7), (4, 2, 7))
    assert bench.config.set_calibration_profile(other)
    assert bench.config.get_calibration_profile() is other
    bench.config.int8_calibrator = Sized([np.ones((3, 2, 6), np.float32)])
    assert bench.bytes() is None
    assert "168 bytes" in bench.error()  # 3 · 2 · 7 floats are not there
    bench.config.int8_calibrator = Sized([np.ones((3, 2, 7), np.float32)])
    assert bench.bytes() is not None
    bench.config.set_calibration_profile(bench.builder.create_optimization_profile())
    assert bench.bytes() is None and "calibration profile" in bench.error()


def test_static_networks():
    bench = in_int8(network(Bench(), batch=2))
    bench.config.int8_calibrator = calibrator = Entropy2(samples(3, batch=2))
    assert int8_steps(bench.engine())
    assert calibrator.calls.count("batch") == 4


def test_a_network_for_batches_of_one_uses_every_sample():
    batches = samples(2, batch=4)
    found = []
    for batch in (1, -1):
        bench = network(Bench(), batch=batch)
        bench.config.int8_calibrator = calibrator = MinMax(batches)
        assert bench.bytes() is not None, bench.logger.errors
        found.append(scales(calibrator.written)["x"])
    assert found[0] == found[1] == pytest.approx(np.max(batches) / 127, rel=1e-6)


def test_host_pointers_and_several_inputs():
    class Host(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            trt.IInt8EntropyCalibrator2.__init__(self)
            self.left = 3

        def get_batch_size(self):
            return 2

        def get_batch(self, names):
            self.names = names
            self.left -= 1
            rng = np.random.default_rng(self.left)
            self.arrays = {"a": rng.random((2, 8), np.float32), "b": rng.random((2, 8), np.float32)}
            addresses = [np.uint64(self.arrays[name].ctypes.data) for name in names]
            return addresses if self.left >= 0 else []

        def read_calibration_cache(self):
            return None

        def write_calibration_cache(self, cache):
            self.written = cache.tobytes()  # a memoryview, as TensorRT gives

    bench = Bench()
    a = bench.network.add_input("a", trt.float32, (-1, 8))
    b = bench.network.add_input("b", trt.float32, (-1, 8))
    add = bench.network.add_elementwise(a, b, trt.ElementWiseOperation.SUM)
    bench.network.mark_output(add.get_output(0))
    bench.profile(a=((1, 8), (2, 8), (4, 8)), b=((1, 8), (2, 8), (4, 8)))
    bench.config.set_flag(trt.BuilderFlag.INT8)
    bench.config.int8_calibrator = calibrator = Host()
    assert bench.bytes() is not None, bench.logger.errors
    assert calibrator.names == ["a", "b"] and {"a", "b"} <= set(scales(calibrator.written))


def test_half_inputs_are_given_as_halves():
    bench = network(Bench(), dtype=trt.float16)
    batches = [b.astype(np.float16) for b in samples(3)]
    bench.config.int8_calibrator = calibrator = MinMax(batches)
    assert bench.bytes() is not None
    greatest = max(float(b.max()) for b in batches)
    assert scales(calibrator.written)["x"] == pytest.approx(greatest / 127, rel=1e-6)


# --- what goes wrong ---
def test_what_get_batch_raises_ends_the_batches():
    class Tired(Entropy2):
        def get_batch(self, names):
            if len(self.left) == 1:
                raise ValueError("no more images")
            return super().get_batch(names)

    bench = in_int8(network(Bench()))
    bench.config.int8_calibrator = calibrator = Tired(samples(3))
    assert int8_steps(bench.engine())
    assert calibrator.calls == ["read", "size", "batch", "batch", "write"]
    assert any(
        "Exception caught in get_batch() of Tired: ValueError: no more images" == text
        for text in bench.logger.errors
    )


@pytest.mark.parametrize("given", [3.5, ["address"], object()])
def test_what_is_no_list_of_addresses_ends_the_batches(given):
    class Wrong(Entropy2):
        def get_batch(self, names):
            return super().get_batch(names) if self.left else given

    bench = network(Bench())
    bench.config.int8_calibrator = Wrong(samples(2))
    assert bench.bytes() is not None
    assert any("Exception caught in get_batch()" in text for text in bench.logger.errors)


@pytest.mark.parametrize("method", ["get_batch_size", "get_batch"])
def test_without_any_batch_there_is_no_engine(method):
    class Broken(Entropy2):
        pass

    def broken(self, *arguments):
        raise RuntimeError("no data")

    setattr(Broken, method, broken)
    bench = network(Bench())
    bench.config.int8_calibrator = calibrator = Broken(samples(2))
    assert bench.bytes() is None
    assert (
        "Calibration failure occurred with no scaling factors detected." in bench.logger.errors[-1]
    )
    assert any(f"Exception caught in {method}()" in text for text in bench.logger.errors)
    assert "write" not in calibrator.calls


def test_exceptions_around_the_cache_are_told_and_change_nothing():
    class Careless(Entropy2):
        def read_calibration_cache(self):
            raise OSError("read")

        def write_calibration_cache(self, cache):
            raise OSError("write")

    bench = in_int8(network(Bench()))
    bench.config.int8_calibrator = Careless(samples(2))
    assert int8_steps(bench.engine())
    told = "\n".join(bench.logger.errors)
    assert "read_calibration_cache() of Careless: OSError: read" in told
    assert "write_calibration_cache() of Careless: OSError: write" in told


def test_a_calibrator_without_its_methods():
    class Lazy(trt.IInt8EntropyCalibrator2):
        pass

    bench = network(Bench())
    bench.config.int8_calibrator = Lazy()
    assert bench.bytes() is None
    assert any("get_batch_size" in text for text in bench.logger.errors)
    with pytest.raises(TypeError):
        bench.config.int8_calibrator = object()


def test_wrong_addresses_end_the_build():
    class Small(Entropy2):
        def get_batch(self, names):
            super().get_batch(names)
            return [self.small]

    bench = network(Bench())
    bench.config.int8_calibrator = calibrator = Small(samples(2))
    calibrator.small = memory.alloc(100)
    assert bench.bytes() is None
    error = bench.error()
    assert "get_batch(): input 'x' of shape (1, 3, 12, 12)" in error and "100 bytes" in error
    memory.free(calibrator.small)
    assert bench.bytes() is None  # freed now
    assert bench.error()


# --- without a calibrator ---
def set_all_ranges(bench):
    tensors = [bench.network.get_input(0)]
    for layer in bench.network:
        tensors += [layer.get_output(i) for i in range(layer.num_outputs)]
    for tensor in tensors:
        tensor.dynamic_range = (-4.0, 4.0)


def test_ranges_set_by_hand_need_no_calibrator():
    bench = in_int8(network(Bench()))
    set_all_ranges(bench)
    assert int8_steps(bench.engine())
    bench.config.int8_calibrator = calibrator = Entropy2(samples(2))
    assert bench.bytes() is not None and calibrator.calls == []


def test_int8_without_any_range_is_told():
    bench = network(Bench())
    assert bench.bytes() is None
    told = [text for _, text in bench.logger.lines]
    assert any("Calibrator is not being used. Users must provide dynamic range" in t for t in told)
    assert "no scaling factors detected" in bench.error()


def test_missing_ranges_are_told():
    bench = network(Bench())
    bench.network.get_input(0).set_dynamic_range(-1.0, 1.0)
    assert bench.bytes() is not None
    told = [t for _, t in bench.logger.lines if t.startswith("Missing scale and zero-point for")]
    assert any("(Unnamed Layer* 0) [Convolution]_output" in text for text in told)
    assert not any("tensor x," in text for text in told)


def test_ranges_set_by_hand_beat_the_calibrator():
    outputs = []
    array = samples(1)[0]
    for by_hand in (False, True):
        bench = in_int8(network(Bench()))
        if by_hand:
            bench.network.get_input(0).dynamic_range = (-0.25, 0.25)
        bench.config.int8_calibrator = Entropy2(samples(4))
        (result,) = run(bench.engine().create_execution_context(), x=array).values()
        outputs.append(result)
    assert np.abs(outputs[0] - outputs[1]).max() > 0.1  # values beyond 0.25 are cut off


def test_int8_is_near_float():
    array = samples(1, batch=4, seed=9)[0]
    bench = in_int8(network(Bench()))
    bench.config.int8_calibrator = Entropy2(samples(20))
    int8 = run(bench.engine().create_execution_context(), x=array)
    bench.config.clear_flag(trt.BuilderFlag.INT8)
    bench.config.clear_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    exact = run(bench.engine().create_execution_context(), x=array)
    for name, result in exact.items():
        error = np.linalg.norm(int8[name] - result) / np.linalg.norm(result)
        assert 0 < error < 0.05


def quantized(bench):
    x = bench.network.add_input("x", trt.float32, (1, *SHAPE))
    kernel = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    scale = bench.network.add_constant((), np.array(1 / 127, np.float32)).get_output(0)
    q = bench.network.add_quantize(x, scale).get_output(0)
    dq = bench.network.add_dequantize(q, scale).get_output(0)
    layer = bench.network.add_convolution_nd(dq, 4, (3, 3), kernel, trt.Weights())
    bench.network.mark_output(layer.get_output(0))
    return bench


def test_networks_with_quantize_layers_need_no_calibrator():
    bench = quantized(Bench())
    assert bench.bytes() is not None, bench.logger.errors  # nor a flag
    bench.config.set_flag(trt.BuilderFlag.INT8)
    assert bench.bytes() is not None, bench.logger.errors
    bench.config.int8_calibrator = calibrator = Entropy2(samples(2))
    assert bench.bytes() is not None and calibrator.calls == []
    assert any("Calibrator won't be used" in text for _, text in bench.logger.lines)
    typed = quantized(Bench(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)))
    assert typed.bytes() is not None, typed.logger.errors


def test_calibration_is_part_of_the_progress():
    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self.phases = []

        def phase_start(self, name, parent, steps):
            self.phases.append((name, parent))

        def step_complete(self, name, step):
            return True

        def phase_finish(self, name):
            pass

    bench = network(Bench())
    bench.config.progress_monitor = monitor = Monitor()
    bench.config.int8_calibrator = Entropy2(samples(2))
    bench.engine()
    assert ("Building engine", None) in monitor.phases
    assert ("Computing calibration scales", "Building engine") in monitor.phases
