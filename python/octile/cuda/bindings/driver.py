"""The CUDA driver API as cuda-python has it, as far as TensorRT programs use it, on the CPU device.

Every function returns a tuple: a `CUresult`, then its results. Errors are told as in octile.cudart.
"""

from __future__ import annotations

from octile import _cuda_driver
from octile._cuda_driver import *  # noqa: F403
from octile._cuda_enums import cudaDeviceAttr as CUdevice_attribute
from octile._cuda_types import CUevent, CUstream

__all__ = ["CUdevice_attribute", "CUevent", "CUstream"]
__all__ += [
    name for name in vars(_cuda_driver) if name.startswith(("cu", "CU")) and name[2:3] != "d"
]


def __getattr__(name: str) -> object:
    if name.startswith(("cu", "CU")):
        raise AttributeError(
            f"octile.cuda.bindings.driver has no {name}: the CPU device has contexts by name, "
            "memory, streams and events; modules, kernels, graphs, arrays and IPC need a GPU"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
