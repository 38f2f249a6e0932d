"""Between TensorRT's values (dtypes, Weights, Dims, axis masks) and the native network's."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from ._enums import DataType, ErrorCodeTRT
from ._types import Weights, native_values, nptype, unsupported

LOW = (DataType.HALF, DataType.BF16)
_NO_COUNTERPART = tuple(
    getattr(DataType, name) for name in ("FP8", "INT4", "FP4", "E8M0") if hasattr(DataType, name)
)


class ApiError(Exception):
    """A call that TensorRT answers with a logged error and None, False or −1."""

    def __init__(self, message: str, code: ErrorCodeTRT = ErrorCodeTRT.INVALID_ARGUMENT):
        super().__init__(message)
        self.code = code


def to_native_dtype(dtype: DataType) -> np.dtype:
    """The dtype that the native network computes in: float32 for HALF and BF16."""
    if dtype in _NO_COUNTERPART:
        unsupported(f"DataType.{dtype.name}", "Octile computes in float32 and INT8")
    return np.dtype("float32") if dtype in LOW else np.dtype(nptype(dtype))


def from_native_dtype(dtype: np.dtype) -> DataType:
    """TensorRT's name of a native tensor's dtype."""
    if dtype == "bfloat16":
        return DataType.BF16
    found = _FROM_NUMPY.get(np.dtype(dtype).name)
    if found is None:
        unsupported(f"dtype {dtype}", "cast it to a type that TensorRT has")
    return found


_FROM_NUMPY = {
    "float32": DataType.FLOAT,
    "float16": DataType.HALF,
    "int8": DataType.INT8,
    "uint8": DataType.UINT8,
    "int32": DataType.INT32,
    "int64": DataType.INT64,
    "bool": DataType.BOOL,
}


def weights_array(weights: Any) -> Optional[np.ndarray]:
    """The values of `Weights` or an array, flat, float32 for HALF and BF16; None when empty."""
    if weights is None:
        return None
    if not isinstance(weights, Weights):
        weights = Weights(np.ascontiguousarray(weights))
    return native_values(weights) if weights.size > 0 else None


def dims(value: Any) -> tuple:
    """A tuple of ints from Dims, a sequence or one int."""
    if isinstance(value, (int, np.integer)):
        return (int(value),)
    return tuple(int(v) for v in value)


def axes_of_mask(mask: int, rank: int) -> list:
    """The axes whose bits are set, ascending."""
    if mask <= 0 or mask >> rank:
        raise ApiError(f"axes mask {mask:#x} does not name axes of a tensor of rank {rank}")
    return [axis for axis in range(rank) if mask >> axis & 1]
