"""Loggers, error reports, interfaces to implement, plugins, and the module octile.tensorrt."""

import importlib
import pkgutil
import re

import pytest
from trt_engine import Bench

import octile
import octile.tensorrt as trt
from octile.tensorrt._types import emit, error, report, severity_of, unsupported

LINE = r"\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[TRT\] \[%s\] %s\n"


class Recording(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.lines = []

    def log(self, severity, msg):
        if severity <= self.min_severity:
            self.lines.append((severity, msg))


class Recorder(trt.IErrorRecorder):
    def __init__(self):
        super().__init__()
        self.errors = []

    def report_error(self, code, text):
        self.errors.append((code, text))
        return True

    def num_errors(self):
        return len(self.errors)


# ---- loggers


@pytest.mark.parametrize("severity, letter", list(enumerate("FEWIV")))
def test_logger_prints_lines_as_tensorrt(capsys, severity, letter):
    logger = trt.Logger(trt.Logger.VERBOSE)
    logger.log(trt.Logger.Severity(severity), "some text")
    out, err = capsys.readouterr()
    assert re.fullmatch(LINE % (letter, "some text"), out) and err == ""


def test_logger_leaves_out_what_is_less_serious(capsys):
    logger = trt.Logger()
    assert logger.min_severity == trt.Logger.WARNING
    logger.log(trt.Logger.INFO, "quiet")
    logger.log(trt.Logger.WARNING, "told")
    logger.min_severity = trt.Logger.ERROR
    logger.log(trt.Logger.WARNING, "quiet")
    logger.log(severity=trt.Logger.ERROR, msg="wrong")
    assert [line[-4:] for line in capsys.readouterr().out.splitlines()] == ["told", "rong"]
    with pytest.raises(TypeError, match="min_severity"):
        trt.Logger("verbose")


def test_own_loggers_have_a_severity_to_compare_with():
    logger = Recording()
    emit(logger, trt.ILogger.VERBOSE, "a")
    logger.min_severity = trt.ILogger.Severity.WARNING
    emit(logger, trt.ILogger.INFO, "b")
    assert logger.lines == [(trt.ILogger.VERBOSE, "a")]
    with pytest.raises(NotImplementedError, match=r"ILogger does not bring log\(\)"):
        trt.ILogger().log(trt.ILogger.INFO, "x")


# ---- reports


def test_errors_have_the_form_of_tensorrt():
    logger = Recording()
    code = trt.ErrorCodeTRT.INVALID_CONFIG
    text = "Network must have at least one output"
    report(logger, None, trt.Logger.ERROR, code, "IBuilder::buildSerializedNetwork", text)
    error(logger, None, "INetworkDefinition::addTopK", "k is 0")
    error(logger, None, "IRuntime::x", "no", trt.ErrorCodeTRT.INTERNAL_ERROR)
    report(logger, None, trt.Logger.WARNING, None, "x", "as it is")
    assert [line for _, line in logger.lines] == [
        "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error "
        "(Network must have at least one output)",
        "INetworkDefinition::addTopK: Error Code 3: API Usage Error (k is 0)",
        "IRuntime::x: Error Code 2: Internal Error (no)",
        "as it is",
    ]
    assert [int(severity) for severity, _ in logger.lines] == [1, 1, 1, 2]


def test_an_error_recorder_takes_the_place_of_the_log():
    logger, recorder = Recording(), Recorder()
    error(logger, recorder, "IExecutionContext::enqueueV3", "no address")
    report(logger, recorder, trt.Logger.INFO, None, "x", "note")
    text = "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (no address)"
    assert recorder.errors == [(trt.ErrorCodeTRT.INVALID_ARGUMENT, text)]
    assert recorder.num_errors() == 1 and logger.lines == [(trt.Logger.INFO, "note")]


def test_what_loggers_and_recorders_raise_is_printed(capsys):
    class Bad(trt.ILogger):
        def log(self, severity, msg):
            raise KeyError("log")

    class BadRecorder(trt.IErrorRecorder):
        def report_error(self, code, text):
            raise KeyError("record")

    emit(Bad(), trt.Logger.ERROR, "x")
    error(Recording(), BadRecorder(), "a", "b")
    emit(None, trt.Logger.ERROR, "nobody listens")
    err = capsys.readouterr().err
    assert "Bad.log() raised KeyError('log')" in err
    assert "BadRecorder.report_error() raised KeyError('record')" in err


def test_levels_of_the_native_log():
    levels = {"error": "ERROR", "warning": "WARNING", "info": "INFO", "debug": "VERBOSE"}
    for level, name in levels.items():
        assert severity_of(level).name == name


def test_unsupported_is_one_error_that_names_it():
    named = "INetworkDefinition.add_loop .*: unroll"
    with pytest.raises(trt.UnsupportedError, match=named) as told:
        unsupported("INetworkDefinition.add_loop", "unroll it")
    assert isinstance(told.value, octile.Unsupported) and told.value.code == "unsupported"
    assert isinstance(told.value, NotImplementedError)


# ---- interfaces

ABSTRACT = {
    "IErrorRecorder": ["num_errors", "get_error_code", "get_error_desc", "has_overflowed"]
    + ["clear", "report_error"],
    "IProfiler": ["report_layer_time"],
    "IGpuAllocator": ["allocate", "deallocate"],
    "IGpuAsyncAllocator": ["allocate_async", "deallocate_async"],
    "IOutputAllocator": ["reallocate_output", "notify_shape"],
    "IDebugListener": ["process_debug_tensor"],
    "IProgressMonitor": ["phase_start", "step_complete", "phase_finish"],
    "IStreamReader": ["read"],
    "IStreamReaderV2": ["read", "seek"],
    "IStreamWriter": ["write"],
}


@pytest.mark.parametrize("kind", ABSTRACT)
def test_interfaces_can_be_implemented(kind):
    base = getattr(trt, kind)
    mine = type("Mine", (base,), {})()
    assert mine.api_language == trt.APILanguage.PYTHON
    assert mine.interface_info.kind == kind and mine.interface_info.major == 1
    for method in ABSTRACT[kind]:
        with pytest.raises(NotImplementedError, match=rf"Mine does not bring {method}\(\)"):
            getattr(mine, method)()


def test_allocators_of_both_generations():
    class Old(trt.IGpuAllocator):
        def allocate(self, size, alignment, flags):
            return 4096

        def deallocate(self, memory):
            self.freed = memory
            return True

    class Async(trt.IGpuAsyncAllocator):
        def allocate_async(self, size, alignment, flags, stream):
            return 8192 + stream

        def deallocate_async(self, memory, stream):
            return memory == 8192

    old = Old()
    old.free(7)
    assert old.allocate_async(1, 1, 0, 5) == 4096 and old.freed == 7
    assert old.deallocate_async(8, 5) and old.freed == 8 and old.reallocate(8, 1, 2) == 0
    assert Async().allocate(1, 1, 0) == 8192 and Async().deallocate(8192) is True


def test_profiler_prints_milliseconds(capsys):
    trt.Profiler().report_layer_time("conv", 0.125)
    trt.Profiler().report_layer_time(layer_name="relu", ms=2)
    assert capsys.readouterr().out == "conv: 0.125ms\nrelu: 2ms\n"


def test_length_of_descriptions():
    assert trt.IErrorRecorder().MAX_DESC_LENGTH == 127
    assert isinstance(trt.IErrorRecorder.MAX_DESC_LENGTH, property)


def test_algorithm_selectors_can_be_defined():
    class Mine(trt.IAlgorithmSelector):
        pass

    assert Mine().select_algorithms(None, ["a", "b"]) == [0, 1]
    assert all(hasattr(trt, f"IAlgorithm{x}") for x in ("", "Context", "IOInfo", "Variant"))


# ---- plugins


def test_the_plugin_registry_is_empty():
    registry = trt.get_plugin_registry()
    assert trt.init_libnvinfer_plugins(trt.Logger(), "") is True
    assert trt.init_libnvinfer_plugins(None, namespace="") is True
    assert registry.plugin_creator_list == [] and registry.all_creators == []
    assert registry.get_plugin_creator("x", "1", "") is None
    assert registry.get_creator("x", "1") is None
    assert trt.get_builder_plugin_registry(trt.EngineCapability.STANDARD) is registry


def test_plugins_can_be_defined_but_not_registered():
    class Creator(trt.IPluginCreator):
        name = "CircPadPlugin"

    class Mine(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
        pass

    with pytest.raises(trt.UnsupportedError, match="register_creator.*'CircPadPlugin'.*layers"):
        trt.get_plugin_registry().register_creator(Creator(), "")
    with pytest.raises(trt.UnsupportedError, match="load_library.*'a.so'"):
        trt.get_plugin_registry().load_library("a.so")
    assert issubclass(Mine, trt.IPluginCapability)


def test_methods_of_plugins_are_there_to_be_replaced():
    for kind in (trt.IPluginCreator, trt.IPluginCreatorV3One, trt.IPluginCreatorV3Quick):
        with pytest.raises(NotImplementedError, match=f"{kind.__name__} does not bring create_pl"):
            kind().create_plugin("a", None)
    for method in ("clone", "get_output_data_type", "detach_from_context"):
        assert callable(getattr(trt.IPluginV2Ext, method))
    assert trt.IPluginV2DynamicExt.FORMAT_COMBINATION_LIMIT == 100


def test_types_of_plugin_signatures_are_there():
    def signature(inputs: trt.DimsExprs, outputs: trt.PluginTensorDesc) -> trt.IExprBuilder:
        return inputs

    for kind in signature.__annotations__.values():
        with pytest.raises(trt.UnsupportedError, match=f"{kind.__name__} .plugins. has no"):
            kind(1)


def test_plugin_fields():
    field = trt.PluginField("scalar", b"abcd", trt.PluginFieldType.FLOAT32)
    fields = trt.PluginFieldCollection([field])
    fields.append(trt.PluginField("empty"))
    assert [f.name for f in fields] == ["scalar", "empty"] and len(fields) == 2
    assert fields[1].size == 0 and fields[1].type == trt.PluginFieldType.UNKNOWN
    with pytest.raises(TypeError, match="PluginField"):
        trt.PluginFieldCollection(["x"])


# ---- the module


@pytest.mark.parametrize("kind", ["PluginV2", "PluginV3", "MoE", "DistCollective"])
def test_classes_of_layers_that_are_never_made(kind):
    assert issubclass(getattr(trt, f"I{kind}Layer"), trt.ILayer)


def test_the_module_is_also_its_own_member():
    assert trt.tensorrt is trt
    assert importlib.import_module("octile.tensorrt.tensorrt") is trt
    from octile.tensorrt.tensorrt import Dims

    assert Dims is trt.Dims and trt.DataType.__module__ == "octile.tensorrt"


def test_version_and_functions():
    assert re.fullmatch(r"10\.16\.\d+\.\d+", trt.__version__)
    assert trt.get_nv_onnx_parser_version() == 100 and trt.shutdown_protobuf_library() is None
    assert trt.NodeIndices([1, 3, 5]).count(1) == 1 and trt.FallbackString("a") == "a"


def test_every_module_of_the_package_is_exported():
    inner = [m.name for m in pkgutil.iter_modules(trt.__path__) if m.name[:2] != "__"]
    assert "_types" in inner
    for name in inner:
        module = importlib.import_module(f"octile.tensorrt.{name}")
        for public in getattr(module, "__all__", ()):
            assert getattr(trt, public) is getattr(module, public), f"{name} has {public}"
            assert public in trt.__all__


def test_star_import_gives_the_public_names():
    names = {}
    exec("from octile.tensorrt import *", names)
    assert names["float32"] is trt.float32 and names["bool"] is trt.bool
    assert not [n for n in trt.__all__ if n.startswith("_")]


@pytest.mark.parametrize("name", ["CaffeParser", "UffParser", "UffInputOrder"])
def test_names_without_counterpart_say_so(name):
    assert not hasattr(trt, name)
    with pytest.raises(AttributeError, match=f"tensorrt.{name} has no counterpart") as told:
        getattr(trt, name)
    assert isinstance(told.value, trt.UnsupportedError)


def test_other_names_are_plain_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'NoSuchThing'") as told:
        _ = trt.NoSuchThing
    assert not isinstance(told.value, trt.UnsupportedError)


def test_python_plugins_say_so():
    plugin = importlib.import_module("octile.tensorrt.plugin")
    with pytest.raises(trt.UnsupportedError, match="tensorrt.plugin.register"):
        _ = plugin.register


def test_attributes_that_a_class_lacks_are_refused():
    """Settings of TensorRT 5 to 7, and misspelt ones, must not be ignored."""
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (1, 3))
    layer = bench.network.add_activation(x, trt.ActivationType.RELU)
    bench.network.mark_output(layer.get_output(0))
    engine = bench.engine()
    context = engine.create_execution_context()
    runtime = trt.Runtime(bench.logger)
    profile = bench.builder.create_optimization_profile()
    loop, branch = bench.network.add_loop(), bench.network.add_if_conditional()
    for thing in (bench.builder, bench.config, bench.network, x, layer, engine, context, runtime):
        with pytest.raises(AttributeError, match="has no attribute 'int8_mode'"):
            thing.int8_mode = True
    for thing in (profile, loop, branch, engine.create_engine_inspector()):
        with pytest.raises(AttributeError, match="has no attribute 'other'"):
            thing.other = 1
    loop.name, context.name, layer.alpha = "loop", "context", 2.0
    assert (loop.name, context.name, layer.alpha) == ("loop", "context", 2.0)

    class Mine(trt.Builder):
        pass

    Mine(bench.logger).mine = 1  # classes that programs derive are free
