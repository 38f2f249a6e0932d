"""The calls of the CUDA driver API that TensorRT programs make, by cuda-python's convention.

Every function returns a tuple: a `CUresult` first, then its results. Failures also warn, as in
octile.cudart. A context is a name here: the CPU device has one, whichever is current.
"""

from __future__ import annotations

import threading
from typing import Any

from octile import _cuda_device as device
from octile import _cuda_memory as memory
from octile._cuda_enums import CudaEnum, cudaError_t
from octile._cuda_report import fail, handle, size_t
from octile._cuda_types import CUevent, CUstream, Handle, error_text
from octile._native import host_memory


class CUresult(CudaEnum):
    """Results of the driver API; the numbers are those of cudaError_t."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NOT_INITIALIZED = 3
    CUDA_ERROR_DEINITIALIZED = 4
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_DEVICE = 101
    CUDA_ERROR_INVALID_IMAGE = 200
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_INVALID_HANDLE = 400
    CUDA_ERROR_NOT_FOUND = 500
    CUDA_ERROR_NOT_READY = 600
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_LAUNCH_FAILED = 719
    CUDA_ERROR_NOT_PERMITTED = 800
    CUDA_ERROR_NOT_SUPPORTED = 801
    CUDA_ERROR_UNKNOWN = 999


class CUctx_flags(CudaEnum):
    """How a thread waits for a GPU: without effect."""

    CU_CTX_SCHED_AUTO = 0
    CU_CTX_SCHED_SPIN = 1
    CU_CTX_SCHED_YIELD = 2
    CU_CTX_SCHED_BLOCKING_SYNC = 4
    CU_CTX_MAP_HOST = 8


class CUstream_flags(CudaEnum):
    """Flags of cuStreamCreate."""

    CU_STREAM_DEFAULT = 0
    CU_STREAM_NON_BLOCKING = 1


class CUevent_flags(CudaEnum):
    """Flags of cuEventCreate."""

    CU_EVENT_DEFAULT = 0
    CU_EVENT_BLOCKING_SYNC = 1
    CU_EVENT_DISABLE_TIMING = 2
    CU_EVENT_INTERPROCESS = 4


class CUdevice(Handle):
    """A device's number."""

    def __repr__(self) -> str:
        return f"<CUdevice {int(self)}>"


class CUdeviceptr(Handle):
    """An address of the device."""

    def __repr__(self) -> str:
        return f"<CUdeviceptr {int(self)}>"


class CUcontext(Handle):
    """A context."""


_SUCCESS = CUresult.CUDA_SUCCESS
_PRIMARY = 0x1000
_contexts = {_PRIMARY}
_current = threading.local()  # the stack of contexts of a thread


def _result(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """A runtime call's answer in the driver's words."""
    code = int(answer[0])
    known = code in CUresult.__members__.values()
    return (CUresult(code) if known else CUresult.CUDA_ERROR_INVALID_VALUE, *answer[1:])


def _stack() -> list[int]:
    stack: list[int] = _current.__dict__.setdefault("stack", [])
    return stack


def cuInit(Flags: int) -> tuple[CUresult]:
    """Nothing to do."""
    return (_SUCCESS,)


def cuDriverGetVersion() -> tuple[CUresult, int]:
    """(result, 1000 * major + 10 * minor) of the API that this follows."""
    return _SUCCESS, device.CUDART_VERSION


def cuGetErrorName(error: CUresult) -> tuple[CUresult, bytes]:
    """(result, the name as bytes)."""
    return _SUCCESS, CUresult(error).name.encode()


def cuGetErrorString(error: CUresult) -> tuple[CUresult, bytes]:
    """(result, a line about the code as bytes)."""
    return _SUCCESS, error_text(int(CUresult(error))).encode()


def cuDeviceGet(ordinal: int) -> tuple[CUresult, CUdevice | None]:
    """(result, device): 0 is the only one."""
    error = device.check_device("cuDeviceGet", ordinal)
    return _result((error, None if error else CUdevice(ordinal)))


def cuDeviceGetCount() -> tuple[CUresult, int]:
    """(result, 1): the CPU."""
    return _SUCCESS, 1


def cuDeviceGetName(length: int, dev: Any) -> tuple[CUresult, bytes | None]:
    """(result, the CPU's model name as bytes, at most length - 1 of them)."""
    error = device.check_device("cuDeviceGetName", dev)
    return _result((error, None if error else device.cpu_name().encode()[: length - 1]))


def cuDeviceTotalMem(dev: Any) -> tuple[CUresult, int]:
    """(result, bytes of the machine's memory)."""
    return _SUCCESS, host_memory.total_bytes()


def cuDeviceGetAttribute(attrib: Any, dev: Any) -> tuple[CUresult, int | None]:
    """(result, value); `attrib` is a number or a cudaDeviceAttr, which count alike."""
    return _result(device.cudaDeviceGetAttribute(attrib, int(dev)))


def cuMemGetInfo() -> tuple[CUresult, int, int]:
    """(result, bytes free, bytes in all)."""
    return _result(memory.cudaMemGetInfo())


def cuDevicePrimaryCtxRetain(dev: Any) -> tuple[CUresult, CUcontext]:
    """(result, the one context that always is)."""
    return _SUCCESS, CUcontext(_PRIMARY)


def cuDevicePrimaryCtxRelease(dev: Any) -> tuple[CUresult]:
    """Nothing to do."""
    return (_SUCCESS,)


def cuCtxCreate(*arguments: Any) -> tuple[CUresult, CUcontext | None]:
    """(result, context), which is made current: cuCtxCreate([parameters,] flags, device)."""
    if len(arguments) not in (2, 3):
        raise TypeError("cuCtxCreate([parameters,] flags, device)")
    error = device.check_device("cuCtxCreate", arguments[-1])
    if error:
        return _result((error, None))
    number = device.new_number()
    _contexts.add(number)
    _stack().append(number)
    return _SUCCESS, CUcontext(number)


def _check_context(what: str, ctx: Any) -> CUresult:
    if handle(ctx) in _contexts:
        return _SUCCESS
    text = f"{what}: {handle(ctx):#x} is no context, or was destroyed"
    fail(cudaError_t.cudaErrorDeviceUninitialized, text)
    return CUresult.CUDA_ERROR_INVALID_CONTEXT


def cuCtxDestroy(ctx: Any) -> tuple[CUresult]:
    """Ends a context; memory and streams stay."""
    result = _check_context("cuCtxDestroy", ctx)
    if result == _SUCCESS:
        _contexts.discard(handle(ctx))
        _current.stack = [number for number in _stack() if number != handle(ctx)]
    return (result,)


def cuCtxSetCurrent(ctx: Any) -> tuple[CUresult]:
    """Makes a context this thread's; None leaves it without one."""
    if handle(ctx) == 0:
        del _stack()[-1:]
        return (_SUCCESS,)
    result = _check_context("cuCtxSetCurrent", ctx)
    if result == _SUCCESS:
        _stack()[-1:] = [handle(ctx)]
    return (result,)


def cuCtxPushCurrent(ctx: Any) -> tuple[CUresult]:
    """Makes a context this thread's until cuCtxPopCurrent."""
    result = _check_context("cuCtxPushCurrent", ctx)
    if result == _SUCCESS:
        _stack().append(handle(ctx))
    return (result,)


def cuCtxPopCurrent() -> tuple[CUresult, CUcontext | None]:
    """(result, the context that was current)."""
    if not _stack():
        fail(cudaError_t.cudaErrorDeviceUninitialized, "cuCtxPopCurrent: no context is current")
        return CUresult.CUDA_ERROR_INVALID_CONTEXT, None
    return _SUCCESS, CUcontext(_stack().pop())


def cuCtxGetCurrent() -> tuple[CUresult, CUcontext]:
    """(result, this thread's context, or one of number 0)."""
    return _SUCCESS, CUcontext(_stack()[-1] if _stack() else 0)


def cuCtxGetDevice() -> tuple[CUresult, CUdevice]:
    """(result, device 0)."""
    return _SUCCESS, CUdevice(0)


def cuCtxSynchronize() -> tuple[CUresult]:
    """Nothing to wait for."""
    return (_SUCCESS,)


def _allocate(what: str, nbytes: Any, kind: str) -> tuple[CUresult, CUdeviceptr | None]:
    if size_t(nbytes) == 0:
        return _result((fail(cudaError_t.cudaErrorInvalidValue, f"{what}: 0 bytes"), None))
    error, where = memory.allocate(what, nbytes, kind)
    return _result((error, None if where is None else CUdeviceptr(where)))


def cuMemAlloc(bytesize: Any) -> tuple[CUresult, CUdeviceptr | None]:
    """(result, address of zeroed bytes); 0 bytes are an error, as in CUDA."""
    return _allocate("cuMemAlloc", bytesize, "device")


def cuMemAllocAsync(bytesize: Any, hStream: Any) -> tuple[CUresult, CUdeviceptr | None]:
    """cuMemAlloc: work on a stream is done at once."""
    return _allocate("cuMemAllocAsync", bytesize, "device")


def cuMemAllocManaged(bytesize: Any, flags: int) -> tuple[CUresult, CUdeviceptr | None]:
    """cuMemAlloc; every address of the CPU device is one of the host too."""
    return _allocate("cuMemAllocManaged", bytesize, "managed")


def cuMemAllocHost(bytesize: Any) -> tuple[CUresult, int | None]:
    """(result, address of host memory)."""
    return _result(memory.allocate("cuMemAllocHost", bytesize, "pinned"))


def cuMemHostAlloc(bytesize: Any, Flags: int) -> tuple[CUresult, int | None]:
    """cuMemAllocHost."""
    return _result(memory.allocate("cuMemHostAlloc", bytesize, "pinned"))


def cuMemFree(dptr: Any) -> tuple[CUresult]:
    """Frees what cuMemAlloc… gave; 0 is ignored."""
    return _result(memory.release("cuMemFree", dptr, False))


def cuMemFreeAsync(dptr: Any, hStream: Any) -> tuple[CUresult]:
    """cuMemFree: work on a stream is done at once."""
    return _result(memory.release("cuMemFreeAsync", dptr, False))


def cuMemFreeHost(p: Any) -> tuple[CUresult]:
    """Frees what cuMemAllocHost or cuMemHostAlloc gave."""
    return _result(memory.release("cuMemFreeHost", p, True))


def cuMemcpyHtoD(dstDevice: Any, srcHost: Any, ByteCount: Any) -> tuple[CUresult]:
    """Copies from host to device."""
    return _result(memory.copy("cuMemcpyHtoD", dstDevice, srcHost, ByteCount, 1))


def cuMemcpyDtoH(dstHost: Any, srcDevice: Any, ByteCount: Any) -> tuple[CUresult]:
    """Copies from device to host."""
    return _result(memory.copy("cuMemcpyDtoH", dstHost, srcDevice, ByteCount, 2))


def cuMemcpyDtoD(dstDevice: Any, srcDevice: Any, ByteCount: Any) -> tuple[CUresult]:
    """Copies within the device."""
    return _result(memory.copy("cuMemcpyDtoD", dstDevice, srcDevice, ByteCount, 3))


def cuMemcpy(dst: Any, src: Any, ByteCount: Any) -> tuple[CUresult]:
    """Copies between any addresses."""
    return _result(memory.copy("cuMemcpy", dst, src, ByteCount, 4))


def cuMemcpyHtoDAsync(
    dstDevice: Any, srcHost: Any, ByteCount: Any, hStream: Any
) -> tuple[CUresult]:
    """cuMemcpyHtoD: work on a stream is done at once."""
    return _result(memory.copy("cuMemcpyHtoDAsync", dstDevice, srcHost, ByteCount, 1))


def cuMemcpyDtoHAsync(
    dstHost: Any, srcDevice: Any, ByteCount: Any, hStream: Any
) -> tuple[CUresult]:
    """cuMemcpyDtoH: work on a stream is done at once."""
    return _result(memory.copy("cuMemcpyDtoHAsync", dstHost, srcDevice, ByteCount, 2))


def cuMemcpyDtoDAsync(
    dstDevice: Any, srcDevice: Any, ByteCount: Any, hStream: Any
) -> tuple[CUresult]:
    """cuMemcpyDtoD: work on a stream is done at once."""
    return _result(memory.copy("cuMemcpyDtoDAsync", dstDevice, srcDevice, ByteCount, 3))


def cuMemcpyAsync(dst: Any, src: Any, ByteCount: Any, hStream: Any) -> tuple[CUresult]:
    """cuMemcpy: work on a stream is done at once."""
    return _result(memory.copy("cuMemcpyAsync", dst, src, ByteCount, 4))


def cuMemsetD8(dstDevice: Any, uc: int, N: Any) -> tuple[CUresult]:
    """Fills N bytes."""
    return _result(memory.fill("cuMemsetD8", dstDevice, uc, N))


def cuMemsetD8Async(dstDevice: Any, uc: int, N: Any, hStream: Any) -> tuple[CUresult]:
    """cuMemsetD8: work on a stream is done at once."""
    return _result(memory.fill("cuMemsetD8Async", dstDevice, uc, N))


def cuStreamCreate(Flags: int) -> tuple[CUresult, CUstream]:
    """(result, stream)."""
    result, stream = device.cudaStreamCreateWithFlags(Flags)
    return CUresult(result), CUstream(int(stream))


def cuStreamDestroy(hStream: Any) -> tuple[CUresult]:
    """Ends a stream."""
    return _result(device.cudaStreamDestroy(hStream))


def cuStreamSynchronize(hStream: Any) -> tuple[CUresult]:
    """Nothing to wait for; checks the handle."""
    return _result(device.cudaStreamSynchronize(hStream))


def cuStreamQuery(hStream: Any) -> tuple[CUresult]:
    """CUDA_SUCCESS: all work is done; checks the handle."""
    return _result(device.cudaStreamQuery(hStream))


def cuStreamWaitEvent(hStream: Any, hEvent: Any, Flags: int) -> tuple[CUresult]:
    """Nothing to wait for; checks the handles."""
    return _result(device.cudaStreamWaitEvent(hStream, hEvent, Flags))


def cuEventCreate(Flags: int) -> tuple[CUresult, CUevent]:
    """(result, event)."""
    result, event = device.cudaEventCreateWithFlags(Flags)
    return CUresult(result), CUevent(int(event))


def cuEventRecord(hEvent: Any, hStream: Any) -> tuple[CUresult]:
    """Notes the time."""
    return _result(device.cudaEventRecord(hEvent, hStream))


def cuEventSynchronize(hEvent: Any) -> tuple[CUresult]:
    """Nothing to wait for; checks the handle."""
    return _result(device.cudaEventSynchronize(hEvent))


def cuEventQuery(hEvent: Any) -> tuple[CUresult]:
    """CUDA_SUCCESS: what was recorded has happened; checks the handle."""
    return _result(device.cudaEventQuery(hEvent))


def cuEventElapsedTime(hStart: Any, hEnd: Any) -> tuple[CUresult, float | None]:
    """(result, milliseconds from start to end)."""
    return _result(device.cudaEventElapsedTime(hStart, hEnd))


def cuEventDestroy(hEvent: Any) -> tuple[CUresult]:
    """Ends an event."""
    return _result(device.cudaEventDestroy(hEvent))
