"""Enumerations of octile.tensorrt, all in one place: types of tensors, layers, building, plugins.

Names and numbers are those of TensorRT 10.16. This file has those of tensors, logs and errors, and
the short names of data types (`float32` and so on); `_enums_layers.py` and `_enums_build.py` have
the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _enums_build, _enums_layers
from ._enum_base import Enumeration
from ._enums_build import *  # noqa: F403
from ._enums_layers import *  # noqa: F403


class DataType(Enumeration):
    """Element type of a tensor or of weights."""

    FLOAT = 0
    HALF = 1
    BF16 = 7
    INT8 = 2
    INT32 = 3
    INT64 = 8
    BOOL = 4
    UINT8 = 5
    FP8 = 6
    INT4 = 9
    FP4 = 10
    E8M0 = 11

    @property
    def itemsize(self) -> float:
        """Bytes of one element: an integer, or 0.5 for the types of four bits."""
        return _BYTES.get(self.value, 1)


_BYTES = {0: 4, 1: 2, 7: 2, 3: 4, 8: 8, 9: 0.5, 10: 0.5}
_NUMPY = {
    DataType.FLOAT: np.float32,
    DataType.HALF: np.float16,
    DataType.INT8: np.int8,
    DataType.INT32: np.int32,
    DataType.INT64: np.int64,
    DataType.BOOL: np.bool_,
    DataType.UINT8: np.uint8,
}
_FROM_NUMPY = {np.dtype(v): k for k, v in _NUMPY.items()}


def nptype(trt_type: DataType) -> Any:
    """The NumPy scalar type of `trt_type`; TypeError for BF16, FP8 and types below eight bits."""
    if not isinstance(trt_type, DataType):
        raise TypeError(f"nptype() takes a DataType, not {type(trt_type).__name__} {trt_type!r}")
    if trt_type not in _NUMPY:
        raise TypeError(f"NumPy has no type for {trt_type}: read it as raw bytes (numpy.uint8)")
    return _NUMPY[trt_type]


def dtype_of(numpy_type: Any) -> DataType:
    """The DataType of a NumPy dtype (or its name); TypeError for one that TensorRT has not."""
    if str(numpy_type) == "bfloat16":
        return DataType.BF16
    found = _FROM_NUMPY.get(np.dtype(numpy_type))
    if found is None:
        raise TypeError(
            f"TensorRT has no data type for NumPy's {np.dtype(numpy_type)}: convert the array with "
            "astype() to one of " + ", ".join(str(d) for d in _FROM_NUMPY)
        )
    return found


class Severity(Enumeration, ordered=True):
    """How serious a log message is; smaller is worse."""

    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


Severity.__qualname__ = "ILogger.Severity"  # where the public API shows it


class TensorFormat(Enumeration, ordered=True):
    """Memory layout of a tensor; Octile stores LINEAR alone and says so where another is asked."""

    LINEAR = 0
    CHW2 = 1
    HWC8 = 2
    CHW4 = 3
    CHW16 = 4
    CHW32 = 5
    DHWC8 = 6
    CDHW32 = 7
    HWC = 8
    DLA_LINEAR = 9
    DLA_HWC4 = 10
    HWC16 = 11
    DHWC = 12


class TensorLocation(Enumeration):
    """Where the memory of a tensor is."""

    DEVICE = 0
    HOST = 1


class TensorIOMode(Enumeration):
    """What a named tensor is for an engine."""

    NONE = 0
    INPUT = 1
    OUTPUT = 2


class WeightsRole(Enumeration):
    """What weights of a layer are for."""

    KERNEL = 0
    BIAS = 1
    SHIFT = 2
    SCALE = 3
    CONSTANT = 4
    ANY = 5


class ErrorCodeTRT(Enumeration, ordered=True):
    """Kind of an error that an `IErrorRecorder` is told."""

    SUCCESS = 0
    UNSPECIFIED_ERROR = 1
    INTERNAL_ERROR = 2
    INVALID_ARGUMENT = 3
    INVALID_CONFIG = 4
    FAILED_ALLOCATION = 5
    FAILED_INITIALIZATION = 6
    FAILED_EXECUTION = 7
    FAILED_COMPUTATION = 8
    INVALID_STATE = 9
    UNSUPPORTED_STATE = 10


class ErrorCode(Enumeration):
    """Kind of an error that the ONNX parser met."""

    SUCCESS = 0
    INTERNAL_ERROR = 1
    MEM_ALLOC_FAILED = 2
    MODEL_DESERIALIZE_FAILED = 3
    INVALID_VALUE = 4
    INVALID_GRAPH = 5
    INVALID_NODE = 6
    UNSUPPORTED_GRAPH = 7
    UNSUPPORTED_NODE = 8
    UNSUPPORTED_NODE_ATTR = 9
    UNSUPPORTED_NODE_INPUT = 10
    UNSUPPORTED_NODE_DATATYPE = 11
    UNSUPPORTED_NODE_DYNAMIC = 12
    UNSUPPORTED_NODE_SHAPE = 13
    REFIT_FAILED = 14


class APILanguage(Enumeration):
    """The language in which an interface was implemented."""

    CPP = 0
    PYTHON = 1


class SeekPosition(Enumeration):
    """What an offset of `IStreamReaderV2.seek` counts from."""

    SET = 0
    CUR = 1
    END = 2


class AllocatorFlag(Enumeration, ordered=True):
    """Wishes handed to an `IGpuAllocator`."""

    RESIZABLE = 0


float32 = DataType.FLOAT
float16 = DataType.HALF
bfloat16 = DataType.BF16
int8 = DataType.INT8
int32 = DataType.INT32
int64 = DataType.INT64
bool = DataType.BOOL  # the public name; this module has no use for Python's own
uint8 = DataType.UINT8
fp8 = DataType.FP8
int4 = DataType.INT4
fp4 = DataType.FP4
e8m0 = DataType.E8M0

__all__ = [
    "DataType",
    "nptype",
    "TensorFormat",
    "TensorLocation",
    "TensorIOMode",
    "WeightsRole",
    "ErrorCodeTRT",
    "ErrorCode",
    "APILanguage",
    "SeekPosition",
    "AllocatorFlag",
    "float32",
    "float16",
    "bfloat16",
    "int8",
    "int32",
    "int64",
    "bool",
    "uint8",
    "fp8",
    "int4",
    "fp4",
    "e8m0",
    *_enums_layers.__all__,
    *_enums_build.__all__,
]
