"""The CUDA runtime API as cuda-python has it, on the CPU device: ``from octile import cudart``.

Every function returns a tuple: a `cudaError_t` first, then its results (None when it failed).
Memory is host memory; `ndarray.ctypes.data` and `tensor.data_ptr()` are legal addresses of the
device too. Work on streams is done at once.

Errors. As in cuda-python nothing raises but for arguments of a wrong type. A failing call returns
CUDA's code *and* gives a RuntimeWarning that says what was wrong, because programs drop the codes:
a pointer that was never allocated or not mapped, bytes beyond an allocation, use after free,
freeing twice. `last_error_message()` is that text; ``python -W error::RuntimeWarning`` makes the
first one stop the program. (Freed addresses are remembered for the last 4096 allocations.)

Arguments that are addresses may be ints, None, objects with `__int__`, ctypes pointers, contiguous
buffers (NumPy arrays) or torch tensors. What CUDA has and a CPU has not (graphs, IPC, textures,
peer access, kernels …) is absent: asking for it raises AttributeError.
"""

from __future__ import annotations

from octile._cuda_device import (
    CUDART_VERSION,
    cudaDeviceGetAttribute,
    cudaDeviceGetStreamPriorityRange,
    cudaDeviceReset,
    cudaDeviceSynchronize,
    cudaDriverGetVersion,
    cudaEventCreate,
    cudaEventCreateWithFlags,
    cudaEventDestroy,
    cudaEventElapsedTime,
    cudaEventQuery,
    cudaEventRecord,
    cudaEventSynchronize,
    cudaGetDevice,
    cudaGetDeviceCount,
    cudaGetDeviceProperties,
    cudaGetErrorName,
    cudaGetErrorString,
    cudaGetLastError,
    cudaPeekAtLastError,
    cudaProfilerStart,
    cudaProfilerStop,
    cudaRuntimeGetVersion,
    cudaSetDevice,
    cudaStreamCreate,
    cudaStreamCreateWithFlags,
    cudaStreamCreateWithPriority,
    cudaStreamDestroy,
    cudaStreamGetFlags,
    cudaStreamGetPriority,
    cudaStreamLegacy,
    cudaStreamPerThread,
    cudaStreamQuery,
    cudaStreamSynchronize,
    cudaStreamWaitEvent,
)
from octile._cuda_enums import cudaDeviceAttr, cudaError_t, cudaMemcpyKind, cudaMemoryType
from octile._cuda_memory import (
    cudaFree,
    cudaFreeAsync,
    cudaFreeHost,
    cudaHostAlloc,
    cudaHostGetDevicePointer,
    cudaHostRegister,
    cudaHostUnregister,
    cudaMalloc,
    cudaMallocAsync,
    cudaMallocHost,
    cudaMallocManaged,
    cudaMallocPitch,
    cudaMemcpy,
    cudaMemcpy2D,
    cudaMemcpy2DAsync,
    cudaMemcpyAsync,
    cudaMemGetInfo,
    cudaMemset,
    cudaMemsetAsync,
    cudaPointerGetAttributes,
)
from octile._cuda_report import last_error_message
from octile._cuda_types import cudaDeviceProp, cudaEvent_t, cudaPointerAttributes, cudaStream_t

cudaStreamDefault = 0
cudaStreamNonBlocking = 1
cudaEventDefault = 0
cudaEventBlockingSync = 1
cudaEventDisableTiming = 2
cudaEventInterprocess = 4
cudaEventWaitDefault = 0
cudaHostAllocDefault = 0
cudaHostAllocPortable = 1
cudaHostAllocMapped = 2
cudaHostAllocWriteCombined = 4
cudaHostRegisterDefault = 0
cudaHostRegisterPortable = 1
cudaHostRegisterMapped = 2
cudaHostRegisterIoMemory = 4
cudaHostRegisterReadOnly = 8
cudaMemAttachGlobal = 1
cudaMemAttachHost = 2
cudaMemAttachSingle = 4
cudaDeviceScheduleAuto = 0
cudaDeviceScheduleSpin = 1
cudaDeviceScheduleYield = 2
cudaDeviceScheduleBlockingSync = 4

__all__ = [
    "cudaDeviceAttr",
    "cudaDeviceGetAttribute",
    "cudaDeviceGetStreamPriorityRange",
    "cudaDeviceProp",
    "cudaDeviceReset",
    "cudaDeviceScheduleAuto",
    "cudaDeviceScheduleBlockingSync",
    "cudaDeviceScheduleSpin",
    "cudaDeviceScheduleYield",
    "cudaDeviceSynchronize",
    "cudaDriverGetVersion",
    "cudaError_t",
    "cudaEvent_t",
    "cudaEventBlockingSync",
    "cudaEventCreate",
    "cudaEventCreateWithFlags",
    "cudaEventDefault",
    "cudaEventDestroy",
    "cudaEventDisableTiming",
    "cudaEventElapsedTime",
    "cudaEventInterprocess",
    "cudaEventQuery",
    "cudaEventRecord",
    "cudaEventSynchronize",
    "cudaEventWaitDefault",
    "cudaFree",
    "cudaFreeAsync",
    "cudaFreeHost",
    "cudaGetDevice",
    "cudaGetDeviceCount",
    "cudaGetDeviceProperties",
    "cudaGetErrorName",
    "cudaGetErrorString",
    "cudaGetLastError",
    "cudaHostAlloc",
    "cudaHostAllocDefault",
    "cudaHostAllocMapped",
    "cudaHostAllocPortable",
    "cudaHostAllocWriteCombined",
    "cudaHostGetDevicePointer",
    "cudaHostRegister",
    "cudaHostRegisterDefault",
    "cudaHostRegisterIoMemory",
    "cudaHostRegisterMapped",
    "cudaHostRegisterPortable",
    "cudaHostRegisterReadOnly",
    "cudaHostUnregister",
    "cudaMalloc",
    "cudaMallocAsync",
    "cudaMallocHost",
    "cudaMallocManaged",
    "cudaMallocPitch",
    "cudaMemAttachGlobal",
    "cudaMemAttachHost",
    "cudaMemAttachSingle",
    "cudaMemcpy",
    "cudaMemcpy2D",
    "cudaMemcpy2DAsync",
    "cudaMemcpyAsync",
    "cudaMemcpyKind",
    "cudaMemGetInfo",
    "cudaMemoryType",
    "cudaMemset",
    "cudaMemsetAsync",
    "cudaPeekAtLastError",
    "cudaPointerAttributes",
    "cudaPointerGetAttributes",
    "cudaProfilerStart",
    "cudaProfilerStop",
    "CUDART_VERSION",
    "cudaRuntimeGetVersion",
    "cudaSetDevice",
    "cudaStream_t",
    "cudaStreamCreate",
    "cudaStreamCreateWithFlags",
    "cudaStreamCreateWithPriority",
    "cudaStreamDefault",
    "cudaStreamDestroy",
    "cudaStreamGetFlags",
    "cudaStreamGetPriority",
    "cudaStreamLegacy",
    "cudaStreamNonBlocking",
    "cudaStreamPerThread",
    "cudaStreamQuery",
    "cudaStreamSynchronize",
    "cudaStreamWaitEvent",
    "last_error_message",
]


def __getattr__(name: str) -> object:
    if name.startswith("cuda"):
        raise AttributeError(
            f"octile.cudart has no {name}: the CPU device has memory, streams, events and "
            "properties, and runs engines; graphs, kernels, textures, IPC and peers need a GPU"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
