"""Arrays in the CPU device's memory: made, filled and read; arithmetic is NumPy's business."""

from __future__ import annotations

from typing import Any

import numpy as np

from octile.pycuda import driver


class GPUArray:
    """A C-ordered array on the device; `gpudata` is its DeviceAllocation, `ptr` its address."""

    def __init__(self, shape: Any, dtype: Any, allocator: Any = driver.mem_alloc) -> None:
        self.shape = (int(shape),) if np.ndim(shape) == 0 else tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype)
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.nbytes = self.size * self.dtype.itemsize
        self.gpudata = allocator(self.nbytes) if self.nbytes else None

    @property
    def ptr(self) -> int:
        """The address."""
        return 0 if self.gpudata is None else int(self.gpudata)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def set(self, ary: Any) -> GPUArray:
        """Copies a host array of the same shape and type into it."""
        if ary.shape != self.shape or ary.dtype != self.dtype:
            raise ValueError(
                f"GPUArray.set: {ary.dtype} {ary.shape} into {self.dtype} {self.shape}"
            )
        if self.gpudata is not None:
            driver.memcpy_htod(self.gpudata, np.ascontiguousarray(ary))
        return self

    def get(self, ary: Any = None) -> Any:
        """Copies it to a host array, a new one if none is given."""
        result = np.empty(self.shape, self.dtype) if ary is None else ary
        if result.nbytes != self.nbytes:
            raise ValueError(f"GPUArray.get: an array of {result.nbytes} bytes for {self.nbytes}")
        if self.gpudata is not None:
            driver.memcpy_dtoh(result, self.gpudata)
        return result

    def fill(self, value: Any) -> GPUArray:
        """Sets every element."""
        return self.set(np.full(self.shape, value, self.dtype))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return repr(self.get())


def empty(shape: Any, dtype: Any = np.float64) -> GPUArray:
    """A new array."""
    return GPUArray(shape, dtype)


def zeros(shape: Any, dtype: Any = np.float64) -> GPUArray:
    """A new array of zeros."""
    return GPUArray(shape, dtype)  # new memory of the CPU device is zeroed


def to_gpu(ary: Any) -> GPUArray:
    """A new array that holds a copy of a host array."""
    return GPUArray(ary.shape, ary.dtype).set(ary)
