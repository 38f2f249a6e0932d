"""Builder, IBuilderConfig, IOptimizationProfile, ITimingCache: what builds, is told or raises."""

from __future__ import annotations

import numpy as np
import pytest
from trt_engine import Bench, doubled, run
from trt_network import Remembers

import octile.tensorrt as trt


def convolution(channels=4, shape=(1, 3, 8, 8)):
    """A bench with a convolution, a ReLU and a pooling."""
    rng = np.random.default_rng(0)
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, shape)
    kernel = rng.standard_normal((channels, 3, 3, 3)).astype(np.float32)
    layer = bench.network.add_convolution_nd(x, channels, (3, 3), kernel, trt.Weights())
    layer = bench.network.add_activation(layer.get_output(0), trt.ActivationType.RELU)
    layer = bench.network.add_pooling_nd(layer.get_output(0), trt.PoolingType.MAX, (2, 2))
    bench.network.mark_output(layer.get_output(0))
    return bench


# --- builds ---
def test_bytes_go_to_files_and_back(tmp_path):
    bench = doubled((2, 4))
    data = bench.bytes()
    assert isinstance(data, trt.IHostMemory) and data is not None and not data == None  # noqa: E711
    assert data.nbytes == len(data) and data.dtype == trt.DataType.INT8
    path = tmp_path / "model.plan"
    path.write_bytes(data)
    engine = trt.Runtime(bench.logger).deserialize_cuda_engine(path.read_bytes())
    array = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(run(engine.create_execution_context(), x=array)["y"], 2 * array)


def test_engines_are_built_directly_too():
    for name in ("build_engine", "build_engine_with_config"):
        bench = doubled((2, 4))
        engine = getattr(bench.builder, name)(bench.network, bench.config)
        array = np.ones((2, 4), np.float32)
        result = run(engine.create_execution_context(), x=array)["y"]
        np.testing.assert_array_equal(result, 2 * array)


def test_engines_go_to_a_stream():
    class Writer(trt.IStreamWriter):
        def __init__(self, short=0):
            trt.IStreamWriter.__init__(self)
            self.data, self.short = b"", short

        def write(self, data):
            self.data += bytes(data)
            return len(data) - self.short

    class Full(trt.IStreamWriter):
        def write(self, data):
            raise OSError("disk full")

    bench = doubled((2, 4))
    build = bench.builder.build_serialized_network_to_stream
    writer = Writer()
    assert build(bench.network, bench.config, writer)
    assert trt.Runtime(bench.logger).deserialize_cuda_engine(writer.data) is not None
    assert not build(bench.network, bench.config, Writer(short=1)) and "took" in bench.error()
    assert not build(bench.network, bench.config, Full()) and "disk full" in bench.error()


def test_networks_that_cannot_be_built():
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (2, 4))
    assert bench.bytes() is None
    assert bench.error() == (
        "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network must have at "
        "least one output)"
    )
    layer = bench.network.add_shuffle(x)
    layer.reshape_dims = (3, 3)
    bench.network.mark_output(layer.get_output(0))
    assert bench.bytes() is None
    assert "(Unnamed Layer* 0) [Shuffle]" in bench.error()
    assert not bench.builder.is_network_supported(bench.network, bench.config)
    layer.reshape_dims = (4, 2)
    assert bench.builder.is_network_supported(bench.network, bench.config)
    assert bench.bytes() is not None
    for arguments in ((bench.network, None), (None, bench.config), (bench.config, bench.network)):
        with pytest.raises(TypeError):
            bench.builder.build_serialized_network(*arguments)


def test_dynamic_inputs_need_profiles():
    bench = doubled((-1, 4))
    bench.config.reset()
    assert bench.bytes() is None
    assert "no optimization profile has been defined" in bench.error()
    bench.profile()
    assert bench.bytes() is None
    assert "x: dynamic input is missing dimensions in profile 0." in bench.error()
    bench.config.reset()
    bench.profile(x=([1, 5], [2, 5], [4, 5]))
    assert bench.bytes() is None
    assert (
        "x: for dimension number 1 in profile 0 does not match network definition (got min=5, "
        "opt=5, max=5), expected min=opt=max=4)." in bench.error()
    )
    bench.config.reset()
    bench.profile(x=([1], [2], [4]))
    assert bench.bytes() is None and "1 dimensions" in bench.error()
    bench.config.reset()
    bench.profile(x=([1, 4], [2, 4], [4, 4]))
    assert bench.bytes() is not None
    static = doubled((2, 4))
    static.profile()  # nothing is dynamic: an empty profile does no harm
    assert static.bytes() is not None
    static.profile(x=([1, 4], [2, 4], [4, 4]))
    assert static.bytes() is None and "expected min=opt=max=2" in static.error()


def test_a_profile_may_be_changed_after_it_was_added():
    bench = doubled((-1, 4))
    bench.config.reset()
    profile = bench.builder.create_optimization_profile()
    assert bench.config.add_optimization_profile(profile) == 0
    assert bench.config.num_optimization_profiles == 1
    profile.set_shape("x", (1, 4), (2, 4), (3, 4))
    assert bench.engine().get_tensor_profile_shape("x", 0)[2] == (3, 4)


def test_strongly_typed_networks_take_no_precision_flags():
    bench = Bench(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    x = bench.network.add_input("x", trt.float32, (2,))
    bench.network.mark_output(bench.network.add_identity(x).get_output(0))
    assert bench.bytes() is not None
    bench.config.set_flag(trt.BuilderFlag.FP16)
    assert bench.bytes() is None
    assert "condition: !config.getFlag(BuilderFlag::kFP16)" in bench.error()


def test_half_flags_are_told_once_and_change_nothing():
    bench = convolution()
    plain = run(bench.engine().create_execution_context(), x=np.ones((1, 3, 8, 8), np.float32))
    bench.config.set_flag(trt.BuilderFlag.FP16)
    bench.config.set_flag(trt.BuilderFlag.BF16)
    engines = [bench.engine(), bench.engine()]
    told = [text for _, text in bench.logger.lines if "FP16" in text]
    assert len(told) == 1 and "BF16" in told[0]
    for engine in engines:
        result = run(engine.create_execution_context(), x=np.ones((1, 3, 8, 8), np.float32))
        for name, array in plain.items():
            np.testing.assert_allclose(result[name], array, rtol=1e-5)


def test_precision_of_layers_counts_with_its_flags():
    bench = convolution()
    for layer in bench.network:
        layer.precision = trt.int8
    assert bench.bytes() is not None  # without a flag TensorRT ignores it
    bench.config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    assert bench.bytes() is None
    assert "int8 is not configured in the builder" in bench.error()


def test_optimization_level_0_takes_the_first_kernels():
    bench = convolution()
    bench.config.builder_optimization_level = 0
    assert bench.bytes() == bench.bytes()
    bench.config.builder_optimization_level = 6
    assert "6 is not in 0 … 5" in bench.error()
    assert bench.config.builder_optimization_level == 0


# --- the builder itself ---
def test_builder_s_settings():
    bench = Bench()
    builder = bench.builder
    assert builder.platform_has_fast_int8 and not builder.platform_has_fast_fp16
    assert not builder.platform_has_tf32
    assert builder.num_DLA_cores == builder.max_DLA_batch_size == 0
    assert builder.logger is bench.logger and builder.error_recorder is None
    builder.max_threads = 1
    builder.max_batch_size = 16
    builder.gpu_allocator = None
    assert builder.max_threads == 1 and builder.max_batch_size == 16
    builder.max_threads = 0
    assert bench.error() and builder.max_threads == 1
    builder.reset()
    assert builder.max_batch_size == 1
    assert builder.get_plugin_registry() is trt.get_plugin_registry()
    assert builder.create_network(1 << 20) is None and "flags 0x100000" in bench.error()
    assert builder.create_network().num_layers == 0
    with pytest.raises(TypeError):
        trt.Builder(None)


def test_error_recorder_of_the_builder():
    class Recorder(trt.IErrorRecorder):
        def __init__(self):
            trt.IErrorRecorder.__init__(self)
            self.errors = []

        def report_error(self, code, text):
            self.errors.append((int(code), text))

    bench = Bench()
    bench.builder.error_recorder = Recorder()
    assert bench.bytes() is None and not bench.logger.errors
    assert bench.builder.error_recorder.errors[0][0] == 4


def test_loggers_that_raise_end_nothing(capsys):
    class Bad(trt.ILogger):
        def log(self, severity, text):
            raise ValueError("no pen")

    builder = trt.Builder(Bad())
    assert (
        builder.build_serialized_network(builder.create_network(), builder.create_builder_config())
        is None
    )
    assert "no pen" in capsys.readouterr().err


# --- the configuration ---
def test_flags_and_masks():
    config = Bench().config
    assert config.flags == 1 << int(trt.BuilderFlag.TF32)
    config.set_flag(trt.BuilderFlag.INT8)
    assert config.get_flag(trt.BuilderFlag.INT8)
    config.clear_flag(trt.BuilderFlag.INT8)
    config.flags = 1 << int(trt.BuilderFlag.DEBUG) | 1 << int(trt.BuilderFlag.REFIT)
    assert config.get_flag(trt.BuilderFlag.DEBUG) and not config.get_flag(trt.BuilderFlag.TF32)
    config.set_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION)
    assert config.quantization_flags == 1
    assert config.get_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION)
    config.clear_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION)
    assert config.quantization_flags == 0
    assert config.get_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806)
    config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, False)
    assert config.get_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806)
    config.set_preview_feature(trt.PreviewFeature.ALIASED_PLUGIN_IO_10_03, True)
    assert config.get_preview_feature(trt.PreviewFeature.ALIASED_PLUGIN_IO_10_03)
    config.reset()
    assert config.flags == 64
    with pytest.raises(TypeError):
        config.set_flag(1)


@pytest.mark.parametrize("name", ["FP8", "INT4", "FP4"])
def test_flags_without_counterpart_raise(name):
    config = Bench().config
    flag = getattr(trt.BuilderFlag, name)
    with pytest.raises(trt.UnsupportedError, match=flag.name):
        config.set_flag(flag)
    with pytest.raises(trt.UnsupportedError, match=flag.name):
        config.flags = 1 << int(flag)
    assert not config.get_flag(flag)


KEPT = {
    "avg_timing_iterations": 4,
    "min_timing_iterations": 3,
    "builder_optimization_level": 5,
    "hardware_compatibility_level": trt.HardwareCompatibilityLevel.AMPERE_PLUS,
    "runtime_platform": trt.RuntimePlatform.WINDOWS_AMD64,
    "profiling_verbosity": trt.ProfilingVerbosity.DETAILED,
    "tiling_optimization_level": trt.TilingOptimizationLevel.FULL,
    "l2_limit_for_tiling": 1 << 20,
    "max_aux_streams": 2,
    "max_num_tactics": 7,
    "profile_stream": 1,
    "max_workspace_size": 1 << 30,
    "default_device_type": trt.DeviceType.GPU,
    "engine_capability": trt.EngineCapability.STANDARD,
    "DLA_core": -1,
}


@pytest.mark.parametrize("name", KEPT)
def test_what_cannot_change_results_is_kept(name):
    bench = Bench()
    setattr(bench.config, name, KEPT[name])
    assert getattr(bench.config, name) == KEPT[name]
    with pytest.raises((TypeError, ValueError)):
        setattr(bench.config, name, "no such value")


REFUSED = {
    "default_device_type": trt.DeviceType.DLA,
    "engine_capability": trt.EngineCapability.SAFETY,
    "DLA_core": 0,
    "algorithm_selector": trt.IAlgorithmSelector(),
    "plugins_to_serialize": ["plugin.so"],
    "remote_auto_tuning_config": "ssh://host",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_raises(name):
    config = Bench().config
    before = getattr(config, name)
    with pytest.raises(trt.UnsupportedError, match=f"IBuilderConfig.{name}"):
        setattr(config, name, REFUSED[name])
    assert getattr(config, name) == before
    setattr(config, name, before)


def test_device_types_of_layers():
    bench = convolution()
    layer = bench.network.get_layer(0)
    assert not bench.config.can_run_on_DLA(layer)
    with pytest.raises(trt.UnsupportedError, match="set_device_type"):
        bench.config.set_device_type(layer, trt.DeviceType.DLA)
    assert not bench.config.is_device_type_set(layer)
    bench.config.set_device_type(layer, trt.DeviceType.GPU)
    assert bench.config.is_device_type_set(bench.network.get_layer(0))
    assert bench.config.get_device_type(layer) == trt.DeviceType.GPU
    bench.config.reset_device_type(layer)
    assert not bench.config.is_device_type_set(layer)


def test_memory_pools_and_tactic_sources():
    config = Bench().config
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) > 1 << 20
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 20)
    assert config.max_workspace_size == 1 << 20
    assert config.get_memory_pool_limit(trt.MemoryPoolType.DLA_LOCAL_DRAM) == 1 << 30
    assert config.get_tactic_sources() == 24
    assert config.set_tactic_sources(0) and config.get_tactic_sources() == 0


def test_what_an_engine_is_told_by_the_configuration():
    bench = convolution()
    bench.config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    bench.config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    bench.config.set_tactic_sources(8)
    bench.config.set_flag(trt.BuilderFlag.REFIT)
    engine = bench.engine()
    assert engine.profiling_verbosity == trt.ProfilingVerbosity.DETAILED
    assert engine.hardware_compatibility_level == trt.HardwareCompatibilityLevel.AMPERE_PLUS
    assert engine.tactic_sources == 8 and engine.refittable


# --- profiles ---
def test_profiles():
    profile = Bench().builder.create_optimization_profile()
    assert profile and profile.get_shape("x") == [] and profile.get_shape_input("s") == []
    profile.set_shape("x", [1, 4], (2, 4), trt.Dims([3, 4]))
    assert profile.get_shape("x") == [(1, 4), (2, 4), (3, 4)]
    profile.set_shape(input="x", min=(1, 4), opt=(1, 4), max=(1, 4))
    assert profile.get_shape("x")[2] == (1, 4)
    profile.set_shape_input("s", [1], np.array([2]), (3,))
    assert profile.get_shape_input("s") == [[1], [2], [3]]
    assert profile.extra_memory_target == 1.0
    profile.extra_memory_target = 0.5
    profile.extra_memory_target = 1.5
    assert profile.extra_memory_target == 0.5
    for low, opt, high, which in (
        ([2, 4], [1, 4], [3, 4], "opt"),
        ([1, 4], [4, 4], [3, 4], "max"),
        ([1, 4], [4], [3, 4], "opt"),
        ([-1, 4], [4, 4], [5, 4], "min"),
    ):
        with pytest.raises(RuntimeError, match=f"Shape provided for {which} is inconsistent"):
            profile.set_shape("x", low, opt, high)
    with pytest.raises(RuntimeError, match="opt input provided for shape tensor"):
        profile.set_shape_input("s", [2], [1], [3])
    with pytest.raises(TypeError):
        profile.set_shape(0, [1], [1], [1])
    assert profile.get_shape("x")[2] == (1, 4)


# --- timing caches ---
def test_timing_caches_are_filled_and_read():
    bench = convolution(channels=16)
    cache = bench.config.create_timing_cache(b"")
    assert bench.config.get_timing_cache() is None and len(cache.serialize()) == 0
    assert bench.config.set_timing_cache(cache, False)
    assert bench.config.get_timing_cache() is cache
    assert bench.bytes() is not None
    data = cache.serialize()
    assert isinstance(data, trt.IHostMemory) and len(data) > 0
    again = bench.config.create_timing_cache(data)
    keys = again.queryKeys()
    assert keys and again.serialize() == data
    # The kernel that the cache says to be fastest is taken.
    key = keys[0]
    assert trt.TimingCacheKey.parse(str(key)) == key and len(str(key)) == 34
    value = again.query(key)
    assert value.timingMSec > 0
    assert again.update(key, trt.TimingCacheValue(value.tacticHash, value.timingMSec / 2))
    assert abs(again.query(key).timingMSec - value.timingMSec / 2) < 1e-6
    assert not again.update(key, trt.TimingCacheValue(value.tacticHash + 1, 1.0))
    bench.config.set_timing_cache(again, False)
    assert bench.bytes() is not None
    assert len(again.queryKeys()) == len(keys)  # all was known: nothing was measured
    assert cache.combine(again, False) and len(cache.queryKeys()) == len(keys)
    assert cache.query(key).timingMSec == value.timingMSec
    assert cache.reset() and cache.queryKeys() == []
    assert cache.query(key).timingMSec == 0


def test_timing_caches_of_others_are_told():
    bench = Bench()
    assert bench.config.create_timing_cache(b"TensorRT's own") is None
    assert "no timing cache of Octile" in bench.error()
    for text in ("0x", "00" + "0" * 32, "0x" + "g" * 32):
        with pytest.raises(ValueError):
            trt.TimingCacheKey.parse(text)
    with pytest.raises(TypeError):
        bench.config.set_timing_cache(b"", False)


# --- progress ---
class Monitor(trt.IProgressMonitor):
    def __init__(self, stop_at=None):
        trt.IProgressMonitor.__init__(self)
        self.open, self.seen, self.stop_at = {}, [], stop_at

    def phase_start(self, name, parent, steps):
        assert name not in self.open and (parent is None or parent in self.open) and steps >= 1
        self.open[name] = [0, steps]
        self.seen.append(name)

    def step_complete(self, name, step):
        done, steps = self.open[name]
        assert step == done < steps
        self.open[name][0] += 1
        return name != self.stop_at

    def phase_finish(self, name):
        del self.open[name]


def test_progress_is_told_in_phases():
    bench = convolution()
    bench.config.progress_monitor = monitor = Monitor()
    assert bench.config.progress_monitor is monitor
    assert bench.bytes() is not None
    assert monitor.seen[0] == "Building engine" and len(monitor.seen) > 1
    assert monitor.open == {}


@pytest.mark.parametrize("phase", ["Building engine", "Timing graph nodes"])
def test_a_monitor_can_end_the_build(phase):
    bench = convolution()
    bench.config.progress_monitor = monitor = Monitor(stop_at=phase)
    assert bench.bytes() is None
    assert monitor.open == {} and phase in monitor.seen
    bench.config.progress_monitor = None
    assert bench.bytes() is not None


def test_what_a_monitor_raises_ends_the_build_and_is_told():
    class Broken(Monitor):
        def step_complete(self, name, step):
            raise ValueError("no screen")

    bench = convolution()
    bench.config.progress_monitor = Broken()
    assert bench.bytes() is None
    assert "Exception caught in step_complete() of Broken: ValueError: no screen" in bench.error()


def test_several_builds_of_one_network():
    bench = convolution()
    x = np.random.default_rng(4).random((1, 3, 8, 8), np.float32)
    first = run(bench.engine().create_execution_context(), x=x)
    layer = bench.network.get_layer(1)
    bench.network.mark_output(layer.get_output(0))
    second = run(bench.engine().create_execution_context(), x=x)
    assert len(first) == 1 and len(second) == 2
    for name, array in first.items():
        np.testing.assert_allclose(second[name], array, rtol=1e-5)


def test_builders_share_nothing():
    loggers = [Remembers(), Remembers()]
    builders = [trt.Builder(logger) for logger in loggers]
    config = builders[0].create_builder_config()
    assert builders[0].build_serialized_network(builders[0].create_network(), config) is None
    assert loggers[0].errors and not loggers[1].errors


def test_an_input_is_no_output():
    bench = Bench()
    bench.network.mark_output(bench.network.add_input("x", trt.float32, (2,)))
    assert bench.bytes() is None
    assert "Tensor x cannot be both input and output" in bench.error()


def test_a_mask_that_is_none_of_flags_raises():
    config = Bench().config
    config.flags = 1 << int(trt.BuilderFlag.STRICT_TYPES) | 1
    for flags in (-1, 1 << 60):
        with pytest.raises(TypeError, match="no mask of BuilderFlag"):
            config.flags = flags
    assert config.get_flag(trt.BuilderFlag.STRICT_TYPES) and config.flags & 1


def test_functions_are_not_overwritten():
    bench = Bench()
    for told, name in ((bench.config, "set_flag"), (bench.network, "mark_output")):
        with pytest.raises(AttributeError, match=f"'{name}' is read-only"):
            setattr(told, name, trt.BuilderFlag.INT8)
    assert not bench.config.get_flag(trt.BuilderFlag.INT8)
