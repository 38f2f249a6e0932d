"""Enumerations of octile.tensorrt: names and numbers against those that TensorRT 10.16 printed.

MEMBERS is what a program saw that walked over the module's enumerations, in the order shown.
"""

import copy
import pickle

import numpy as np
import pytest

import octile.tensorrt as trt

MEMBERS = {
    "APILanguage": "CPP=0 PYTHON=1",
    "ActivationType": (
        "RELU=0 SIGMOID=1 TANH=2 LEAKY_RELU=3 ELU=4 SELU=5 SOFTSIGN=6 SOFTPLUS=7 CLIP=8 "
        "HARD_SIGMOID=9 SCALED_TANH=10 THRESHOLDED_RELU=11 GELU_ERF=12 GELU_TANH=13"
    ),
    "AllocatorFlag": "RESIZABLE=0",
    "AttentionNormalizationOp": "NONE=0 SOFTMAX=1",
    "BoundingBoxFormat": "CORNER_PAIRS=0 CENTER_SIZES=1",
    "BuilderFlag": (
        "FP16=0 BF16=17 INT8=1 DEBUG=2 GPU_FALLBACK=3 REFIT=4 DISABLE_TIMING_CACHE=5 "
        "EDITABLE_TIMING_CACHE=27 TF32=6 SPARSE_WEIGHTS=7 SAFETY_SCOPE=8 "
        "OBEY_PRECISION_CONSTRAINTS=9 PREFER_PRECISION_CONSTRAINTS=10 DIRECT_IO=11 "
        "REJECT_EMPTY_ALGORITHMS=12 VERSION_COMPATIBLE=13 EXCLUDE_LEAN_RUNTIME=14 FP8=15 "
        "ERROR_ON_TIMING_CACHE_MISS=16 DISABLE_COMPILATION_CACHE=18 WEIGHTLESS=19 STRIP_PLAN=19 "
        "REFIT_IDENTICAL=20 WEIGHT_STREAMING=21 INT4=22 REFIT_INDIVIDUAL=23 STRICT_NANS=24 "
        "MONITOR_MEMORY=25 FP4=26 DISTRIBUTIVE_INDEPENDENCE=28"
    ),
    "CalibrationAlgoType": (
        "LEGACY_CALIBRATION=0 ENTROPY_CALIBRATION=1 ENTROPY_CALIBRATION_2=2 MINMAX_CALIBRATION=3"
    ),
    "CollectiveOperation": "ALL_REDUCE=0 ALL_GATHER=1 BROADCAST=2 REDUCE=3 REDUCE_SCATTER=4",
    "CumulativeOperation": "SUM=0",
    "DataType": (
        "FLOAT=0 HALF=1 BF16=7 INT8=2 INT32=3 INT64=8 BOOL=4 UINT8=5 FP8=6 INT4=9 FP4=10 E8M0=11"
    ),
    "DeviceType": "GPU=0 DLA=1",
    "DimensionOperation": "SUM=0 PROD=1 MAX=2 MIN=3 SUB=4 EQUAL=5 LESS=6 FLOOR_DIV=7 CEIL_DIV=8",
    "ElementWiseOperation": (
        "SUM=0 PROD=1 MAX=2 MIN=3 SUB=4 DIV=5 POW=6 FLOOR_DIV=7 AND=8 OR=9 XOR=10 EQUAL=11 "
        "GREATER=12 LESS=13"
    ),
    "EngineCapability": "STANDARD=0 SAFETY=1 DLA_STANDALONE=2",
    "EngineStat": "TOTAL_WEIGHTS_SIZE=0 STRIPPED_WEIGHTS_SIZE=1",
    "ErrorCode": (
        "SUCCESS=0 INTERNAL_ERROR=1 MEM_ALLOC_FAILED=2 MODEL_DESERIALIZE_FAILED=3 INVALID_VALUE=4 "
        "INVALID_GRAPH=5 INVALID_NODE=6 UNSUPPORTED_GRAPH=7 UNSUPPORTED_NODE=8 "
        "UNSUPPORTED_NODE_ATTR=9 UNSUPPORTED_NODE_INPUT=10 UNSUPPORTED_NODE_DATATYPE=11 "
        "UNSUPPORTED_NODE_DYNAMIC=12 UNSUPPORTED_NODE_SHAPE=13 REFIT_FAILED=14"
    ),
    "ErrorCodeTRT": (
        "SUCCESS=0 UNSPECIFIED_ERROR=1 INTERNAL_ERROR=2 INVALID_ARGUMENT=3 INVALID_CONFIG=4 "
        "FAILED_ALLOCATION=5 FAILED_INITIALIZATION=6 FAILED_EXECUTION=7 FAILED_COMPUTATION=8 "
        "INVALID_STATE=9 UNSUPPORTED_STATE=10"
    ),
    "ExecutionContextAllocationStrategy": "STATIC=0 ON_PROFILE_CHANGE=1 USER_MANAGED=2",
    "FillOperation": "LINSPACE=0 RANDOM_UNIFORM=1 RANDOM_NORMAL=2",
    "GatherMode": "DEFAULT=0 ELEMENT=1 ND=2",
    "HardwareCompatibilityLevel": "NONE=0 AMPERE_PLUS=1 SAME_COMPUTE_CAPABILITY=2",
    "InterpolationMode": "NEAREST=0 LINEAR=1 CUBIC=2",
    "KVCacheMode": "LINEAR=0",
    "LayerInformationFormat": "ONELINE=0 JSON=1",
    "LayerType": (
        "CONVOLUTION=0 GRID_SAMPLE=42 NMS=43 ACTIVATION=2 POOLING=3 LRN=4 SCALE=5 SOFTMAX=6 "
        "DECONVOLUTION=7 CONCATENATION=8 ELEMENTWISE=9 PLUGIN=10 UNARY=11 PADDING=12 SHUFFLE=13 "
        "REDUCE=14 TOPK=15 GATHER=16 MATRIX_MULTIPLY=17 RAGGED_SOFTMAX=18 CONSTANT=19 IDENTITY=20 "
        "CAST=1 PLUGIN_V2=21 SLICE=22 SHAPE=23 PARAMETRIC_RELU=24 RESIZE=25 TRIP_LIMIT=26 "
        "RECURRENCE=27 ITERATOR=28 LOOP_OUTPUT=29 SELECT=30 ASSERTION=39 FILL=31 QUANTIZE=32 "
        "DEQUANTIZE=33 CONDITION=34 CONDITIONAL_INPUT=35 CONDITIONAL_OUTPUT=36 SCATTER=37 "
        "EINSUM=38 ONE_HOT=40 NON_ZERO=41 REVERSE_SEQUENCE=44 NORMALIZATION=45 PLUGIN_V3=46 "
        "SQUEEZE=47 UNSQUEEZE=48 CUMULATIVE=49 DYNAMIC_QUANTIZE=50 ATTENTION_INPUT=51 "
        "ATTENTION_OUTPUT=52 ROTARY_EMBEDDING=53 KV_CACHE_UPDATE=54 MOE=55 DIST_COLLECTIVE=56"
    ),
    "LoopOutput": "LAST_VALUE=0 CONCATENATE=1 REVERSE=2",
    "MatrixOperation": "NONE=0 TRANSPOSE=1 VECTOR=2",
    "MemoryPoolType": (
        "WORKSPACE=0 DLA_MANAGED_SRAM=1 DLA_LOCAL_DRAM=2 DLA_GLOBAL_DRAM=3 TACTIC_DRAM=4 "
        "TACTIC_SHARED_MEMORY=5"
    ),
    "MoEActType": "NONE=0 SILU=1",
    "NetworkDefinitionCreationFlag": (
        "EXPLICIT_BATCH=0 STRONGLY_TYPED=1 PREFER_AOT_PYTHON_PLUGINS=3 PREFER_JIT_PYTHON_PLUGINS=2"
    ),
    "OnnxParserFlag": (
        "NATIVE_INSTANCENORM=0 ENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA=1 "
        "REPORT_CAPABILITY_DLA=2 ENABLE_PLUGIN_OVERRIDE=3 ADJUST_FOR_DLA=4"
    ),
    "PaddingMode": "EXPLICIT_ROUND_DOWN=0 EXPLICIT_ROUND_UP=1 SAME_UPPER=2 SAME_LOWER=3",
    "PluginArgDataType": "INT8=0 INT16=1 INT32=2",
    "PluginArgType": "INT=0",
    "PluginCapabilityType": "CORE=0 BUILD=1 RUNTIME=2",
    "PluginCreatorVersion": "V1=0 V1_PYTHON=64",
    "PluginFieldType": (
        "FLOAT16=0 FLOAT32=1 FLOAT64=2 INT8=3 INT16=4 INT32=5 CHAR=6 DIMS=7 UNKNOWN=8 BF16=9 "
        "INT64=10 FP8=11 INT4=12 FP4=13"
    ),
    "PoolingType": "MAX=0 AVERAGE=1 MAX_AVERAGE_BLEND=2",
    "PreviewFeature": (
        "PROFILE_SHARING_0806=0 ALIASED_PLUGIN_IO_10_03=1 RUNTIME_ACTIVATION_RESIZE_10_10=2 "
        "MULTIDEVICE_RUNTIME_10_16=3"
    ),
    "ProfilingVerbosity": "LAYER_NAMES_ONLY=0 DETAILED=2 NONE=1",
    "QuantizationFlag": "CALIBRATE_BEFORE_FUSION=0",
    "QuickPluginCreationRequest": "UNKNOWN=0 PREFER_JIT=1 PREFER_AOT=2 STRICT_JIT=3 STRICT_AOT=4",
    "ReduceOperation": "SUM=0 PROD=1 MAX=2 MIN=3 AVG=4 NONE=5",
    "ResizeCoordinateTransformation": "ALIGN_CORNERS=0 ASYMMETRIC=1 HALF_PIXEL=2",
    "ResizeRoundMode": "HALF_UP=0 HALF_DOWN=1 FLOOR=2 CEIL=3",
    "ResizeSelector": "FORMULA=0 UPPER=1",
    "RuntimePlatform": "SAME_AS_BUILD=0 WINDOWS_AMD64=1",
    "SampleMode": "STRICT_BOUNDS=0 WRAP=1 CLAMP=2 FILL=3 REFLECT=4",
    "ScaleMode": "UNIFORM=0 CHANNEL=1 ELEMENTWISE=2",
    "ScatterMode": "ELEMENT=0 ND=1",
    "SeekPosition": "SET=0 CUR=1 END=2",
    "SerializationFlag": "EXCLUDE_WEIGHTS=0 EXCLUDE_LEAN_RUNTIME=1 INCLUDE_REFIT=2",
    "TacticSource": "CUBLAS=0 CUBLAS_LT=1 CUDNN=2 EDGE_MASK_CONVOLUTIONS=3 JIT_CONVOLUTIONS=4",
    "TempfileControlFlag": "ALLOW_IN_MEMORY_FILES=0 ALLOW_TEMPORARY_FILES=1",
    "TensorFormat": (
        "LINEAR=0 CHW2=1 HWC8=2 CHW4=3 CHW16=4 CHW32=5 DHWC8=6 CDHW32=7 HWC=8 DLA_LINEAR=9 "
        "DLA_HWC4=10 HWC16=11 DHWC=12"
    ),
    "TensorIOMode": "NONE=0 INPUT=1 OUTPUT=2",
    "TensorLocation": "DEVICE=0 HOST=1",
    "TensorRTPhase": "BUILD=0 RUNTIME=1",
    "TilingOptimizationLevel": "NONE=0 FAST=1 MODERATE=2 FULL=3",
    "TopKOperation": "MAX=0 MIN=1",
    "TripLimit": "COUNT=0 WHILE=1",
    "UnaryOperation": (
        "EXP=0 LOG=1 SQRT=2 RECIP=3 ABS=4 NEG=5 SIN=6 COS=7 TAN=8 SINH=9 COSH=10 ASIN=11 ACOS=12 "
        "ATAN=13 ASINH=14 ACOSH=15 ATANH=16 CEIL=17 FLOOR=18 ERF=19 NOT=20 SIGN=21 ROUND=22 "
        "ISINF=23 ISNAN=24"
    ),
    "WeightsRole": "KERNEL=0 BIAS=1 SHIFT=2 SCALE=3 CONSTANT=4 ANY=5",
}

# What 8.6 had besides: number 8.6 gave it, where 10.16 has not given that number away.
OLDER = {
    "EngineCapability": "DEFAULT=0 SAFE_GPU=1 SAFE_DLA=2",
    "PaddingMode": "CAFFE_ROUND_DOWN=4 CAFFE_ROUND_UP=5",
    "ProfilingVerbosity": "DEFAULT=0 VERBOSE=2",
    "SampleMode": "DEFAULT=0",
    "RNNOperation": "RELU=0 TANH=1 LSTM=2 GRU=3",
    "RNNDirection": "UNIDIRECTION=0 BIDIRECTION=1",
    "RNNInputMode": "LINEAR=0 SKIP=1",
    "RNNGateType": "INPUT=0 OUTPUT=1 FORGET=2 UPDATE=3 RESET=4 CELL=5 HIDDEN=6",
}
RENUMBERED = {
    "BuilderFlag": ["STRICT_TYPES", "ENABLE_TACTIC_HEURISTIC"],
    "LayerType": ["FULLY_CONNECTED", "RNN_V2"],
    "NetworkDefinitionCreationFlag": ["EXPLICIT_PRECISION"],
    "PreviewFeature": [
        "FASTER_DYNAMIC_SHAPES_0805",
        "DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805",
    ],
}
SHORT = (
    "float32=FLOAT float16=HALF bfloat16=BF16 int8=INT8 int32=INT32 int64=INT64 bool=BOOL "
    "uint8=UINT8 fp8=FP8 int4=INT4 fp4=FP4 e8m0=E8M0"
)


def pairs(text):
    """[(name, number or word)] of "A=0 B=1"."""
    split = [item.split("=") for item in text.split()]
    return [(name, int(value) if value.isdigit() else value) for name, value in split]


@pytest.mark.parametrize("kind", MEMBERS)
def test_members_are_those_of_tensorrt_10(kind):
    shown = [(name, int(value)) for name, value in getattr(trt, kind).__members__.items()]
    assert shown == pairs(MEMBERS[kind])
    for name, value in shown:
        member = getattr(getattr(trt, kind), name)
        assert member.value == value and getattr(trt, kind)(value) == member


def test_no_enumeration_is_missing_from_the_table():
    public = {name: getattr(trt, name) for name in trt.__all__}
    shown = {n for n, x in public.items() if isinstance(x, type) and hasattr(x, "__members__")}
    assert shown == {*MEMBERS, *(k for k in OLDER if k[:3] == "RNN"), "ResizeMode", "SliceMode"}


@pytest.mark.parametrize("kind", OLDER)
def test_older_names_keep_their_numbers(kind):
    for name, value in pairs(OLDER[kind]):
        assert int(getattr(getattr(trt, kind), name)) == value


@pytest.mark.parametrize("kind", RENUMBERED)
def test_dropped_names_collide_with_no_present_one(kind):
    enumeration = getattr(trt, kind)
    for name in RENUMBERED[kind]:
        member = getattr(enumeration, name)
        assert member.name == name and str(member) == f"{kind}.{name}"
        assert name not in enumeration.__members__
        assert int(member) not in [int(m) for m in enumeration.__members__.values()]
        assert int(member) < 32 or "Flag" not in kind  # a bit of a mask of 32


def test_the_table_of_pybind11():
    entries = getattr(trt.BuilderFlag, "__entries")
    assert list(entries) == list(trt.BuilderFlag.__members__)
    assert entries["INT8"][0] is trt.BuilderFlag.INT8


def test_old_class_names_are_aliases():
    assert trt.ResizeMode is trt.InterpolationMode and trt.SliceMode is trt.SampleMode
    assert trt.SampleMode.DEFAULT is trt.SampleMode.STRICT_BOUNDS


def test_printed_forms():
    assert str(trt.float32) == "DataType.FLOAT" and f"{trt.int8}" == "DataType.INT8"
    assert repr(trt.DataType.FLOAT) == "<DataType.FLOAT: 0>"
    assert str(trt.Logger.ERROR) == "Severity.ERROR"
    assert repr(trt.ILogger.Severity.VERBOSE) == "<Severity.VERBOSE: 4>"
    assert repr([trt.PoolingType.MAX]) == "[<PoolingType.MAX: 0>]"
    shown = "%d %s" % (trt.BuilderFlag.INT8, trt.BuilderFlag.INT8)  # noqa: UP031
    assert shown == "1 BuilderFlag.INT8"


def test_a_number_with_two_names_shows_the_first():
    assert trt.BuilderFlag.STRIP_PLAN == trt.BuilderFlag.WEIGHTLESS
    assert trt.BuilderFlag.STRIP_PLAN.name == "WEIGHTLESS"


@pytest.mark.parametrize("short, name", pairs(SHORT))
def test_short_names_of_data_types(short, name):
    assert getattr(trt, short) is getattr(trt.DataType, name)


def test_conversion_and_equality():
    assert int(trt.DataType.BOOL) == 4 and [10, 11, 12, 13, 14][trt.DataType.BOOL] == 14
    assert trt.DataType(7) is trt.bfloat16
    assert trt.float32 == trt.DataType.FLOAT and trt.float32 != trt.float16
    assert trt.float32 != 0 and trt.float32 != trt.PoolingType.MAX  # equal only to its own kind
    assert {trt.float32: "a", trt.PoolingType.MAX: "b"}[trt.DataType.FLOAT] == "a"
    assert trt.float32 in [trt.int8, trt.float32] and trt.float32 is not None


@pytest.mark.parametrize("value", [99, -1])
def test_a_number_without_member_is_refused(value):
    with pytest.raises(ValueError, match=rf"{value} is no DataType.*FLOAT \(0\)"):
        trt.DataType(value)


@pytest.mark.parametrize("value", ["FLOAT", 1.0, None, trt.PoolingType.MAX])
def test_other_kinds_are_no_member(value):
    with pytest.raises(TypeError, match="DataType"):
        trt.DataType(value)


def test_order_is_that_of_numbers_where_tensorrt_has_one():
    severity = trt.Logger.Severity
    assert severity.ERROR <= severity.WARNING < severity.INFO
    assert severity.VERBOSE >= severity.INFO > severity.INTERNAL_ERROR
    assert severity.ERROR < 2 and severity.INFO >= 3
    with pytest.raises(TypeError):
        assert trt.DataType.FLOAT < trt.DataType.HALF
    with pytest.raises(TypeError, match="Severity.ERROR"):
        assert severity.ERROR < "INFO"


def test_flags_make_masks():
    mask = 1 << int(trt.BuilderFlag.INT8) | 1 << trt.BuilderFlag.FP16
    assert mask == 3
    assert mask & (1 << trt.BuilderFlag.TF32) == 0
    assert 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH) == 1
    with pytest.raises(TypeError):
        1 << trt.DataType.FLOAT


def test_members_are_constants():
    with pytest.raises(AttributeError, match="constant"):
        trt.DataType.FLOAT = 3
    with pytest.raises(AttributeError, match="constant"):
        trt.DataType.FLOAT.name = "x"


@pytest.mark.parametrize(
    "member", [trt.float16, trt.Logger.WARNING, trt.LayerType.RNN_V2, trt.BuilderFlag.STRIP_PLAN]
)
def test_copies_and_pickles_are_the_member(member):
    assert pickle.loads(pickle.dumps(member)) is member
    assert copy.copy(member) is member and copy.deepcopy([member])[0] is member


def test_severities_are_attributes_of_loggers():
    for kind in (trt.ILogger, trt.Logger, trt.Logger(trt.Logger.INFO)):
        shown = [kind.INTERNAL_ERROR, kind.ERROR, kind.WARNING, kind.INFO, kind.VERBOSE]
        assert [int(s) for s in shown] == [0, 1, 2, 3, 4]
        assert kind.Severity is trt.ILogger.Severity


SIZES = "float32=4 float16=2 bfloat16=2 int8=1 int32=4 int64=8 bool=1 uint8=1 fp8=1 e8m0=1"


def test_itemsize():
    for short, size in pairs(SIZES):
        assert getattr(trt, short).itemsize == size
    assert trt.int4.itemsize == trt.fp4.itemsize == 0.5


def test_nptype():
    expected = {"float32": np.float32, "float16": np.float16, "int8": np.int8, "int32": np.int32}
    expected.update({"int64": np.int64, "bool": np.bool_, "uint8": np.uint8})
    for short, scalar in expected.items():
        assert trt.nptype(getattr(trt, short)) is scalar
        assert np.dtype(scalar).itemsize == getattr(trt, short).itemsize
    for short in ("bfloat16", "fp8", "int4", "fp4", "e8m0"):
        with pytest.raises(TypeError, match=f"{getattr(trt, short)}".replace(".", r"\.")):
            trt.nptype(getattr(trt, short))
    with pytest.raises(TypeError, match="int"):
        trt.nptype(0)
