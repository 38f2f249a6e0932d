"""Enumerations of building, engines, parsing and plugins.

Names and numbers are those of TensorRT 10.16; `dropped` are names that 8.6 had besides.
"""

from __future__ import annotations

from ._enum_base import Enumeration


class NetworkDefinitionCreationFlag(Enumeration, ordered=True, dropped={"EXPLICIT_PRECISION": 30}):
    """Kinds of network that `Builder.create_network` makes."""

    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1
    PREFER_AOT_PYTHON_PLUGINS = 3
    PREFER_JIT_PYTHON_PLUGINS = 2


class BuilderFlag(
    Enumeration, ordered=True, dropped={"ENABLE_TACTIC_HEURISTIC": 29, "STRICT_TYPES": 30}
):
    """Switches of a builder configuration."""

    FP16 = 0
    BF16 = 17
    INT8 = 1
    DEBUG = 2
    GPU_FALLBACK = 3
    REFIT = 4
    DISABLE_TIMING_CACHE = 5
    EDITABLE_TIMING_CACHE = 27
    TF32 = 6
    SPARSE_WEIGHTS = 7
    SAFETY_SCOPE = 8
    OBEY_PRECISION_CONSTRAINTS = 9
    PREFER_PRECISION_CONSTRAINTS = 10
    DIRECT_IO = 11
    REJECT_EMPTY_ALGORITHMS = 12
    VERSION_COMPATIBLE = 13
    EXCLUDE_LEAN_RUNTIME = 14
    FP8 = 15
    ERROR_ON_TIMING_CACHE_MISS = 16
    DISABLE_COMPILATION_CACHE = 18
    WEIGHTLESS = 19
    STRIP_PLAN = 19
    REFIT_IDENTICAL = 20
    WEIGHT_STREAMING = 21
    INT4 = 22
    REFIT_INDIVIDUAL = 23
    STRICT_NANS = 24
    MONITOR_MEMORY = 25
    FP4 = 26
    DISTRIBUTIVE_INDEPENDENCE = 28


class QuantizationFlag(Enumeration, ordered=True):
    """Switches of calibration."""

    CALIBRATE_BEFORE_FUSION = 0


class MemoryPoolType(Enumeration, ordered=True):
    """Pools whose size `IBuilderConfig.set_memory_pool_limit` bounds."""

    WORKSPACE = 0
    DLA_MANAGED_SRAM = 1
    DLA_LOCAL_DRAM = 2
    DLA_GLOBAL_DRAM = 3
    TACTIC_DRAM = 4
    TACTIC_SHARED_MEMORY = 5


class TacticSource(Enumeration, ordered=True):
    """Libraries from which TensorRT takes kernels."""

    CUBLAS = 0
    CUBLAS_LT = 1
    CUDNN = 2
    EDGE_MASK_CONVOLUTIONS = 3
    JIT_CONVOLUTIONS = 4


class EngineCapability(
    Enumeration, ordered=True, dropped={"DEFAULT": 0, "SAFE_GPU": 1, "SAFE_DLA": 2}
):
    """The runtime that an engine is restricted to."""

    STANDARD = 0
    SAFETY = 1
    DLA_STANDALONE = 2


class ProfilingVerbosity(Enumeration, ordered=True, dropped={"DEFAULT": 0, "VERBOSE": 2}):
    """How much of its layers an engine tells."""

    LAYER_NAMES_ONLY = 0
    DETAILED = 2
    NONE = 1


class PreviewFeature(
    Enumeration,
    ordered=True,
    dropped={
        "FASTER_DYNAMIC_SHAPES_0805": 100,
        "DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805": 101,
    },
):
    """Features that have to be switched on by name."""

    PROFILE_SHARING_0806 = 0
    ALIASED_PLUGIN_IO_10_03 = 1
    RUNTIME_ACTIVATION_RESIZE_10_10 = 2
    MULTIDEVICE_RUNTIME_10_16 = 3


class HardwareCompatibilityLevel(Enumeration, ordered=True):
    """GPUs besides the building one that an engine runs on."""

    NONE = 0
    AMPERE_PLUS = 1
    SAME_COMPUTE_CAPABILITY = 2


class RuntimePlatform(Enumeration):
    """The operating system that an engine is built for."""

    SAME_AS_BUILD = 0
    WINDOWS_AMD64 = 1


class TilingOptimizationLevel(Enumeration):
    """Effort for tiling."""

    NONE = 0
    FAST = 1
    MODERATE = 2
    FULL = 3


class CalibrationAlgoType(Enumeration):
    """The method by which a calibrator derives ranges."""

    LEGACY_CALIBRATION = 0
    ENTROPY_CALIBRATION = 1
    ENTROPY_CALIBRATION_2 = 2
    MINMAX_CALIBRATION = 3


class DeviceType(Enumeration):
    """The device that a layer runs on."""

    GPU = 0
    DLA = 1


class ExecutionContextAllocationStrategy(Enumeration):
    """Where the memory of an execution context comes from."""

    STATIC = 0
    ON_PROFILE_CHANGE = 1
    USER_MANAGED = 2


class EngineStat(Enumeration):
    """Figures of an engine."""

    TOTAL_WEIGHTS_SIZE = 0
    STRIPPED_WEIGHTS_SIZE = 1


class LayerInformationFormat(Enumeration, ordered=True):
    """The form in which an `EngineInspector` tells layers."""

    ONELINE = 0
    JSON = 1


class SerializationFlag(Enumeration, ordered=True):
    """Switches of engine serialization."""

    EXCLUDE_WEIGHTS = 0
    EXCLUDE_LEAN_RUNTIME = 1
    INCLUDE_REFIT = 2


class TempfileControlFlag(Enumeration, ordered=True):
    """Which temporary files a runtime may make."""

    ALLOW_IN_MEMORY_FILES = 0
    ALLOW_TEMPORARY_FILES = 1


class OnnxParserFlag(Enumeration, ordered=True):
    """Switches of the ONNX parser."""

    NATIVE_INSTANCENORM = 0
    ENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA = 1
    REPORT_CAPABILITY_DLA = 2
    ENABLE_PLUGIN_OVERRIDE = 3
    ADJUST_FOR_DLA = 4


class PluginFieldType(Enumeration):
    """Element type of a plugin attribute."""

    FLOAT16 = 0
    FLOAT32 = 1
    FLOAT64 = 2
    INT8 = 3
    INT16 = 4
    INT32 = 5
    CHAR = 6
    DIMS = 7
    UNKNOWN = 8
    BF16 = 9
    INT64 = 10
    FP8 = 11
    INT4 = 12
    FP4 = 13


class PluginCreatorVersion(Enumeration):
    """Generation of a plugin creator."""

    V1 = 0
    V1_PYTHON = 64


class PluginCapabilityType(Enumeration):
    """A part of a plugin of the third generation."""

    CORE = 0
    BUILD = 1
    RUNTIME = 2


class PluginArgType(Enumeration):
    """Kind of an argument of a kernel of a plugin."""

    INT = 0


class PluginArgDataType(Enumeration):
    """Element type of an argument of a kernel of a plugin."""

    INT8 = 0
    INT16 = 1
    INT32 = 2


class QuickPluginCreationRequest(Enumeration):
    """How a plugin written in Python is compiled."""

    UNKNOWN = 0
    PREFER_JIT = 1
    PREFER_AOT = 2
    STRICT_JIT = 3
    STRICT_AOT = 4


class TensorRTPhase(Enumeration):
    """When a plugin is made."""

    BUILD = 0
    RUNTIME = 1


class DimensionOperation(Enumeration):
    """An operation of shape expressions."""

    SUM = 0
    PROD = 1
    MAX = 2
    MIN = 3
    SUB = 4
    EQUAL = 5
    LESS = 6
    FLOOR_DIV = 7
    CEIL_DIV = 8


__all__ = [
    "NetworkDefinitionCreationFlag",
    "BuilderFlag",
    "QuantizationFlag",
    "MemoryPoolType",
    "TacticSource",
    "EngineCapability",
    "ProfilingVerbosity",
    "PreviewFeature",
    "HardwareCompatibilityLevel",
    "RuntimePlatform",
    "TilingOptimizationLevel",
    "CalibrationAlgoType",
    "DeviceType",
    "ExecutionContextAllocationStrategy",
    "EngineStat",
    "LayerInformationFormat",
    "SerializationFlag",
    "TempfileControlFlag",
    "OnnxParserFlag",
    "PluginFieldType",
    "PluginCreatorVersion",
    "PluginCapabilityType",
    "PluginArgType",
    "PluginArgDataType",
    "QuickPluginCreationRequest",
    "TensorRTPhase",
    "DimensionOperation",
]
