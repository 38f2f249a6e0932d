"""Runtime and ICudaEngine: what an engine tells, by names and by 8.x's binding numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from trt_engine import Bench, doubled
from trt_network import Remembers

import octile
import octile.tensorrt as trt


@pytest.fixture(scope="module")
def two_profiles():
    bench = doubled((-1, 4))
    bench.profile(x=([2, 4], [16, 4], [32, 4]))
    bench.network.name = "twice"
    return bench.engine()


def test_inputs_come_first_then_outputs_in_the_order_of_marking():
    bench = Bench()
    a = bench.network.add_input("a", trt.float32, (2,))
    b = bench.network.add_input("b", trt.float32, (2,))
    add = bench.network.add_elementwise(a, b, trt.ElementWiseOperation.SUM).get_output(0)
    product = bench.network.add_elementwise(a, b, trt.ElementWiseOperation.PROD).get_output(0)
    unmarked = bench.network.add_identity(add).get_output(0)
    bench.network.mark_output(product)
    bench.network.mark_output(add)
    engine = bench.engine()
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    assert names == ["a", "b", product.name, add.name]
    assert unmarked.name not in names
    modes = [engine.get_tensor_mode(name) for name in names]
    assert modes == [trt.TensorIOMode.INPUT] * 2 + [trt.TensorIOMode.OUTPUT] * 2


def test_named_tensors(two_profiles):
    engine = two_profiles
    assert engine.get_tensor_shape("x") == (-1, 4)
    assert engine.get_tensor_shape("y") == (-1, 4)
    assert str(engine.get_tensor_dtype("x")) == "DataType.FLOAT"
    assert engine.get_tensor_location("x") == trt.TensorLocation.DEVICE
    assert engine.get_tensor_format("y") == trt.TensorFormat.LINEAR
    assert engine.get_tensor_format_desc("y") == "Row major linear FP32 format (kLINEAR)"
    assert engine.get_tensor_bytes_per_component("x") == -1
    assert engine.get_tensor_components_per_element("x", 1) == -1
    assert engine.get_tensor_vectorized_dim("x") == -1
    assert not engine.is_shape_inference_io("x")
    assert not engine.is_debug_tensor("y")
    assert engine.get_tensor_profile_shape("x", 1) == [(2, 4), (16, 4), (32, 4)]
    assert engine.get_aliased_input_tensor("y") is None


def test_facts(two_profiles):
    engine = two_profiles
    assert engine.name == "twice"
    assert engine.num_optimization_profiles == 2
    assert engine.num_layers >= 1
    assert engine.device_memory_size == engine.get_device_memory_size_for_profile_v2(1)
    assert engine.get_device_memory_size_for_profile(0) >= 0
    assert not engine.has_implicit_batch_dimension
    assert not engine.refittable
    assert engine.engine_capability == trt.EngineCapability.STANDARD
    assert engine.profiling_verbosity == trt.ProfilingVerbosity.LAYER_NAMES_ONLY
    assert engine.hardware_compatibility_level == trt.HardwareCompatibilityLevel.NONE
    assert engine.tactic_sources == 24
    assert engine.num_aux_streams == 0
    assert engine.streamable_weights_size == 0
    assert isinstance(engine.create_runtime_config(), trt.IRuntimeConfig)


def test_bindings_of_8x_count_once_for_every_profile(two_profiles):
    engine = two_profiles
    assert engine.num_bindings == len(engine) == 4
    assert list(engine) == ["x", "y", "x [profile 1]", "y [profile 1]"]
    assert engine[1] == "y" and engine[-1] == "y [profile 1]" and engine["x [profile 1]"] == 2
    assert [engine.binding_is_input(i) for i in range(4)] == [True, False, True, False]
    assert engine.binding_is_input("x") and engine.get_binding_name(2) == "x [profile 1]"
    assert engine.get_binding_index("y") == 1 and engine.get_binding_index("z") == -1
    assert engine.get_binding_shape(3) == engine.get_binding_shape("y") == (-1, 4)
    assert engine.get_binding_dtype(0) == trt.float32
    assert engine.get_profile_shape(1, "x") == [(2, 4), (16, 4), (32, 4)]
    assert engine.get_profile_shape(0, 0) == [(1, 4), (2, 4), (8, 4)]
    assert engine.get_location(0) == trt.TensorLocation.DEVICE
    assert engine.is_execution_binding(0) and not engine.is_shape_binding(0)
    assert engine.get_binding_format(0) == trt.TensorFormat.LINEAR
    assert "LINEAR" in engine.get_binding_format_desc(0)
    assert engine.get_binding_vectorized_dim(0) == -1
    assert engine.max_batch_size == 1
    with pytest.raises(IndexError):
        engine[4]
    with pytest.raises(KeyError):
        engine["z"]


def test_wrong_names_and_numbers_are_told(two_profiles):
    engine, logger = two_profiles, two_profiles._logger
    wrong = [
        (engine.get_tensor_shape, ("z",), trt.Dims.invalid()),
        (engine.get_tensor_dtype, ("z",), trt.float32),
        (engine.get_tensor_mode, ("z",), trt.TensorIOMode.NONE),
        (engine.get_tensor_format_desc, ("z",), ""),
        (engine.get_tensor_name, (9,), None),
        (engine.get_binding_name, (9,), None),
        (engine.get_tensor_profile_shape, ("y", 0), [trt.Dims.invalid()] * 3),
        (engine.get_tensor_profile_shape, ("x", 2), [trt.Dims.invalid()] * 3),
    ]
    for function, arguments, result in wrong:
        logger.lines.clear()
        assert function(*arguments) == result
        assert len(logger.errors) == 1 and logger.errors[0].startswith("ICudaEngine::get")
    logger.lines.clear()
    engine.get_tensor_shape("z")
    assert logger.errors == [
        "ICudaEngine::getTensorShape: Error Code 3: API Usage Error (Given invalid tensor name: z. "
        "Get valid tensor names with getIOTensorName())"
    ]
    with pytest.raises(TypeError):
        engine.get_tensor_shape(0)


def test_serialize_gives_the_same_engine(two_profiles):
    data = two_profiles.serialize()
    again = trt.Runtime(Remembers()).deserialize_cuda_engine(data)
    assert list(again) == list(two_profiles) and again.name == "twice"
    config = two_profiles.create_serialization_config()
    assert config.set_flag(trt.SerializationFlag.INCLUDE_REFIT)
    assert config.get_flag(trt.SerializationFlag.INCLUDE_REFIT)
    assert two_profiles.serialize_with_config(config) == data
    config.set_flag(trt.SerializationFlag.EXCLUDE_WEIGHTS)
    with pytest.raises(trt.UnsupportedError, match="EXCLUDE_WEIGHTS"):
        two_profiles.serialize_with_config(config)
    with pytest.raises(RuntimeError):
        config.flags = 1 << 9


def test_weight_streaming_needs_its_flag(two_profiles):
    two_profiles._logger.lines.clear()
    assert two_profiles.weight_streaming_budget_v2 == 0
    assert "not built with weight streaming support" in two_profiles._logger.errors[0]
    bench = doubled((2, 4))
    bench.config.set_flag(trt.BuilderFlag.WEIGHT_STREAMING)
    engine = bench.engine()
    engine.weight_streaming_budget_v2 = 1 << 20
    assert engine.weight_streaming_budget_v2 == 1 << 20
    assert engine.get_weight_streaming_automatic_budget() == engine.streamable_weights_size


# --- Runtime ---
class Reader(trt.IStreamReader):
    def __init__(self, data):
        trt.IStreamReader.__init__(self)
        self.data, self.at = data, 0

    def read(self, size):
        part = self.data[self.at : self.at + size]
        self.at += size
        return part


class ReaderV2(trt.IStreamReaderV2):
    """Refuses to read past its end, and gives at most 1000 bytes at once."""

    def __init__(self, data):
        trt.IStreamReaderV2.__init__(self)
        self.data, self.at = data, 0

    def read(self, size, stream):
        assert self.at + size <= len(self.data)
        part = self.data[self.at : self.at + min(size, 1000)]
        self.at += len(part)
        return part

    def seek(self, offset, where):
        return False


def test_runtime_takes_any_bytes_and_readers():
    bench = doubled((2, 4))
    data = bench.bytes()
    runtime = trt.Runtime(bench.logger)
    plain = bytes(data)
    kinds = [data, plain, bytearray(plain), memoryview(plain), np.frombuffer(plain, np.uint8)]
    for given in [*kinds, Reader(plain), ReaderV2(plain)]:
        engine = runtime.deserialize_cuda_engine(given)
        assert engine is not None and engine.num_io_tensors == 2, bench.logger.errors
    with trt.Runtime(bench.logger) as runtime, runtime.deserialize_cuda_engine(data) as engine:
        assert engine.num_io_tensors == 2


def test_everything_that_stands_in_a_with_statement_of_8_does():
    with trt.Logger(trt.Logger.ERROR) as logger, trt.Builder(logger) as builder:
        with builder.create_network(1) as network, trt.OnnxParser(network, logger) as parser:
            assert parser.num_errors == 0
            x = network.add_input("x", trt.float32, (2,))
            network.mark_output(network.add_identity(x).get_output(0))
            with builder.create_builder_config() as config:
                with builder.build_serialized_network(network, config) as data:
                    plan = bytes(data)
        with trt.Runtime(logger) as runtime, runtime.deserialize_cuda_engine(plan) as engine:
            with engine.create_execution_context() as context:
                assert tuple(context.get_tensor_shape("x")) == (2,)


def test_runtime_tells_why_bytes_are_no_engine():
    logger = Remembers()
    runtime = trt.Runtime(logger)
    good = doubled((2, 4)).bytes()
    spoiled = bytearray(good)
    spoiled[-1] ^= 1
    readers = [Reader(b"ftrt" * 100), Reader(b"")]
    for given in [b"", b"ftrt" * 100, good[: len(good) // 2], spoiled, *readers]:
        logger.lines.clear()
        assert runtime.deserialize_cuda_engine(given) is None
        assert len(logger.errors) == 1
        assert logger.errors[0].startswith("IRuntime::deserializeCudaEngine: Error Code")

    class Raises(trt.IStreamReader):
        def read(self, size):
            raise ValueError("no disk")

    assert runtime.deserialize_cuda_engine(Raises()) is None
    assert "ValueError: no disk" in logger.errors[-1]
    for given in (None, "model.plan", 3):
        with pytest.raises(TypeError):
            runtime.deserialize_cuda_engine(given)


def test_error_recorders_must_be_error_recorders():
    bench = doubled((2, 4))
    for told in (bench.builder, bench.network, bench.engine()):
        with pytest.raises(TypeError, match="IErrorRecorder, not int"):
            told.error_recorder = 3
        told.error_recorder = None


def test_error_recorders_take_the_log_s_place():
    class Recorder(trt.IErrorRecorder):
        def __init__(self):
            trt.IErrorRecorder.__init__(self)
            self.errors = []

        def report_error(self, code, text):
            self.errors.append((code, text))

    logger, recorder = Remembers(), Recorder()
    runtime = trt.Runtime(logger)
    runtime.error_recorder = recorder
    assert runtime.deserialize_cuda_engine(b"nothing") is None
    assert len(recorder.errors) == 1 and not logger.errors
    engine = runtime.deserialize_cuda_engine(doubled((2, 4)).bytes())
    context = engine.create_execution_context()
    assert engine.error_recorder is context.error_recorder is recorder
    assert not context.execute_async_v3(0)
    code, text = recorder.errors[-1]
    assert code == trt.ErrorCodeTRT.INVALID_ARGUMENT
    assert "Address is not set for input tensor x" in text


def test_runtime_s_settings_are_kept_or_refused():
    runtime = trt.Runtime(Remembers())
    runtime.max_threads = 1
    runtime.engine_host_code_allowed = True
    runtime.temporary_directory = "."
    runtime.tempfile_control_flags = 1 << int(trt.TempfileControlFlag.ALLOW_TEMPORARY_FILES)
    runtime.gpu_allocator = None
    assert runtime.max_threads == 1 and runtime.engine_host_code_allowed
    assert runtime.temporary_directory == "." and runtime.tempfile_control_flags == 2
    assert runtime.num_DLA_cores == 0 and runtime.DLA_core == -1
    assert runtime.get_plugin_registry() is trt.get_plugin_registry()
    runtime.max_threads = 0
    assert "0 threads" in runtime.logger.errors[-1] and runtime.max_threads == 1
    with pytest.raises(trt.UnsupportedError, match="DLA"):
        runtime.DLA_core = 0
    with pytest.raises(trt.UnsupportedError, match="load_runtime"):
        runtime.load_runtime("libnvinfer_lean.so")
    with pytest.raises(TypeError):
        trt.Runtime(None)


def test_plans_of_the_native_api_run_too():
    network = octile.Network("native")
    x = network.add_input("x", "float32", (2, 3))
    network.mark_output(network.identity(x, name="same"))
    data = octile.build(network).serialize()
    engine = trt.Runtime(Remembers()).deserialize_cuda_engine(data)
    assert engine.get_tensor_name(0) == "x" and engine.name == "native"
    context = engine.create_execution_context()
    array, result = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((2, 3), np.float32)
    assert context.execute_v2([array.ctypes.data, result.ctypes.data])
    np.testing.assert_array_equal(result, array)


# --- EngineInspector ---
def inspected(verbosity):
    bench = doubled((2, 4))
    bench.config.profiling_verbosity = verbosity
    return bench.engine().create_engine_inspector()


def test_inspectors_tell_names():
    inspector = inspected(trt.ProfilingVerbosity.LAYER_NAMES_ONLY)
    name = "(Unnamed Layer* 0) [ElementWise]"
    assert inspector.get_layer_information(0, trt.LayerInformationFormat.ONELINE) == name
    assert json.loads(inspector.get_layer_information(0, trt.LayerInformationFormat.JSON)) == name
    text = inspector.get_engine_information(trt.LayerInformationFormat.ONELINE)
    assert text == f"Layers:\n{name}\n\nBindings:\nx\ny\n"
    found = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
    assert found == {"Layers": [name], "Bindings": ["x", "y"]}
    assert inspector.get_layer_information(1) == ""
    assert "layer 1 is not in 0 … 0" in inspector._logger.errors[-1]


def test_inspectors_tell_details_of_engines_built_for_it():
    inspector = inspected(trt.ProfilingVerbosity.DETAILED)
    found = json.loads(inspector.get_layer_information(0, trt.LayerInformationFormat.JSON))
    assert found["Name"] == "(Unnamed Layer* 0) [ElementWise]"
    assert found["Outputs"][0]["Name"] == "y" and found["Outputs"][0]["Dimensions"] == [2, 4]
    assert found["Precision"] == "float32" and found["TacticName"]
    inspector.execution_context = context = inspector._engine.create_execution_context()
    assert inspector.execution_context is context
    line = inspector.get_layer_information(0, trt.LayerInformationFormat.ONELINE)
    assert "Dimensions: [2,4]" in line
    assert "Inputs: [ { Name: x, Location: Host, Dimensions: [2,4], Format/Datatype: Row" in line
    silent = inspected(trt.ProfilingVerbosity.NONE)
    assert silent.get_layer_information(0) == ""
    assert json.loads(silent.get_engine_information(trt.LayerInformationFormat.JSON)) == {
        "Layers": [],
        "Bindings": ["x", "y"],
    }


def test_inspectors_tell_what_steps_read():
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (-1, 2, 4, 4))
    kernel = np.ones((2, 2, 1, 1), np.float32)
    y = bench.network.add_convolution_nd(x, 2, (1, 1), kernel).get_output(0)
    y = bench.network.add_activation(y, trt.ActivationType.RELU).get_output(0)
    y.name = "relu"
    best = bench.network.add_topk(y, trt.TopKOperation.MAX, 1, 2)
    z = bench.network.add_elementwise(y, x, trt.ElementWiseOperation.SUM).get_output(0)
    for tensor, name in ((best.get_output(1), "best"), (z, "z")):
        tensor.name = name
        bench.network.mark_output(tensor)
    bench.profile(x=[(n, 2, 4, 4) for n in (1, 2, 3)])
    bench.config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    inspector = bench.engine().create_engine_inspector()
    told = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    told = json.loads(told)["Layers"]
    layers = {layer["Outputs"][0]["Name"]: layer for layer in reversed(told)}
    assert [t["Name"] for t in layers["relu"]["Inputs"]] == ["x"]  # a ReLU inside the convolution
    assert [t["Name"] for t in layers["z"]["Inputs"]] == ["relu", "x"]
    assert layers["z"]["Inputs"][1]["Dimensions"] == [-1, 2, 4, 4]
    assert layers["z"]["Inputs"][1]["Format/Datatype"] == "Row major linear FP32"
    context = inspector._engine.create_execution_context()
    context.set_input_shape("x", (3, 2, 4, 4))
    inspector.execution_context = context
    told = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))["Layers"]
    layers = {layer["Outputs"][0]["Name"]: layer for layer in reversed(told)}
    assert layers["z"]["Inputs"][1]["Dimensions"] == [3, 2, 4, 4]
    assert layers["z"]["Outputs"][0]["Dimensions"] == [3, 2, 4, 4]
