"""Device, streams and events of the CPU device by the CUDA runtime's names.

Work that is put on a stream is done before the call returns, which is a legal schedule of any
CUDA program: so synchronizing is checking the handle, and an event's time is when it was recorded.
"""

from __future__ import annotations

import itertools
import os
import platform
import threading
import time
from collections.abc import Callable
from typing import Any

from octile._cuda_enums import cudaDeviceAttr, cudaError_t
from octile._cuda_report import fail, handle, last_error
from octile._cuda_types import cudaDeviceProp, cudaEvent_t, cudaStream_t, error_text
from octile._native import host_memory

CUDART_VERSION = 13000  # whose API this follows
_SUCCESS = cudaError_t.cudaSuccess
_OK = (_SUCCESS,)
_DISABLE_TIMING = 2

# Handles are numbers that no address of the process has, so that mixing them up is found.
_numbers = itertools.count(0x10000, 16)
_streams: dict[int, tuple[int, int]] = {0: (0, 0), 1: (0, 0), 2: (0, 0)}  # flags, priority
_events: dict[int, list[Any]] = {}  # flags, perf_counter_ns when recorded or None
_lock = threading.Lock()


def _ending(table: dict[int, Any]) -> Callable[[Any], bool]:
    """Takes a created handle out of its table: False if it is not there.

    Needs no global name and no builtin: objects may die after both are gone.
    """
    number_of, part = int, getattr

    def end(value: Any) -> bool:
        number = number_of(part(value, "handle", value) or 0)
        return number > 2 and table.pop(number, None) is not None

    return end


# Defaults of the functions that __del__ calls: at interpreter exit a module's names may be gone.
_END_STREAM, _END_EVENT = _ending(_streams), _ending(_events)

cudaStreamLegacy = 1
cudaStreamPerThread = 2


def new_number() -> int:
    """A number for a handle: none before had it."""
    with _lock:
        return next(_numbers)


def cpu_name() -> str:
    """The model name that the operating system reports."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cudaDeviceSynchronize(*, _ok: Any = _OK) -> tuple[cudaError_t]:
    """Nothing to wait for: work is done at once."""
    return _ok


def cudaDeviceReset() -> tuple[cudaError_t]:
    """Forgets the last error. Allocations, streams and events stay: objects still free theirs."""
    last_error(reset=True)
    return (_SUCCESS,)


def check_device(what: str, device: Any) -> cudaError_t:
    """cudaSuccess for device 0, else the error that was reported."""
    if int(device) == 0:
        return _SUCCESS
    text = f"{what}: no device {int(device)}; the CPU is the only one, 0"
    return fail(cudaError_t.cudaErrorInvalidDevice, text)


def cudaSetDevice(device: int) -> tuple[cudaError_t]:
    """Accepts device 0, the CPU."""
    return (check_device("cudaSetDevice", device),)


def cudaGetDevice() -> tuple[cudaError_t, int]:
    """(error, 0)."""
    return _SUCCESS, 0


def cudaGetDeviceCount() -> tuple[cudaError_t, int]:
    """(error, 1): the CPU."""
    return _SUCCESS, 1


def cudaGetDeviceProperties(device: int) -> tuple[cudaError_t, cudaDeviceProp | None]:
    """(error, cudaDeviceProp). `name` is bytes; `major` and `minor` are 0: a CPU has no SM."""
    error = check_device("cudaGetDeviceProperties", device)
    if error != _SUCCESS:
        return error, None
    properties = cudaDeviceProp(
        name=cpu_name().encode(),
        totalGlobalMem=host_memory.total_bytes(),
        multiProcessorCount=_processors(),
        warpSize=1,
        maxThreadsPerBlock=1,
        maxThreadsPerMultiProcessor=1,
        maxThreadsDim=[1, 1, 1],
        maxGridSize=[1, 1, 1],
        integrated=1,
        canMapHostMemory=1,
        unifiedAddressing=1,
        managedMemory=1,
        pageableMemoryAccess=1,
        concurrentManagedAccess=1,
        hostRegisterSupported=1,
    )
    return _SUCCESS, properties


_ATTRIBUTE_ONE = (
    "WarpSize MaxThreadsPerBlock MaxBlockDimX MaxBlockDimY MaxBlockDimZ MaxGridDimX MaxGridDimY "
    "MaxGridDimZ MaxThreadsPerMultiProcessor Integrated CanMapHostMemory UnifiedAddressing "
    "ManagedMemory PageableMemoryAccess ConcurrentManagedAccess HostRegisterSupported"
).split()


def cudaDeviceGetAttribute(attr: cudaDeviceAttr, device: int) -> tuple[cudaError_t, int | None]:
    """(error, value); what has no meaning for a CPU is 0, the compute capability too."""
    error = check_device("cudaDeviceGetAttribute", device)
    if error != _SUCCESS:
        return error, None
    try:
        name = cudaDeviceAttr(attr).name.replace("cudaDevAttr", "", 1)
    except ValueError:
        text = f"cudaDeviceGetAttribute: the CPU device has no attribute {attr}"
        return fail(cudaError_t.cudaErrorInvalidValue, text), None
    if name == "MultiProcessorCount":
        return _SUCCESS, _processors()
    return _SUCCESS, 1 if name in _ATTRIBUTE_ONE else 0


def cudaDriverGetVersion() -> tuple[cudaError_t, int]:
    """(error, 1000 * major + 10 * minor) of the API that this follows."""
    return _SUCCESS, CUDART_VERSION


def cudaRuntimeGetVersion() -> tuple[cudaError_t, int]:
    """(error, 1000 * major + 10 * minor) of the API that this follows."""
    return _SUCCESS, CUDART_VERSION


def cudaGetLastError() -> tuple[cudaError_t]:
    """This thread's last error; the next call gives cudaSuccess."""
    return (last_error(reset=True),)


def cudaPeekAtLastError() -> tuple[cudaError_t]:
    """This thread's last error, which stays."""
    return (last_error(reset=False),)


def cudaGetErrorName(error: cudaError_t) -> tuple[cudaError_t, bytes]:
    """(cudaSuccess, the name as bytes)."""
    return _SUCCESS, cudaError_t(error).name.encode()


def cudaGetErrorString(error: cudaError_t) -> tuple[cudaError_t, bytes]:
    """(cudaSuccess, a line about the code as bytes); last_error_message() says more."""
    return _SUCCESS, error_text(cudaError_t(error)).encode()


def cudaProfilerStart() -> tuple[cudaError_t]:
    """Nothing to do; IExecutionContext.profiler times layers."""
    return (_SUCCESS,)


def cudaProfilerStop() -> tuple[cudaError_t]:
    """Nothing to do."""
    return (_SUCCESS,)


def _check_stream(what: str, stream: Any) -> cudaError_t:
    if handle(stream) in _streams:
        return _SUCCESS
    text = f"{what}: {handle(stream):#x} is no stream, or was destroyed"
    return fail(cudaError_t.cudaErrorInvalidResourceHandle, text)


def cudaStreamCreate() -> tuple[cudaError_t, cudaStream_t]:
    """(error, stream)."""
    return cudaStreamCreateWithPriority(0, 0)


def cudaStreamCreateWithFlags(flags: int) -> tuple[cudaError_t, cudaStream_t]:
    """(error, stream); the flags order work among streams, which is done at once here."""
    return cudaStreamCreateWithPriority(flags, 0)


def cudaStreamCreateWithPriority(flags: int, priority: int) -> tuple[cudaError_t, cudaStream_t]:
    """(error, stream); the only priority is 0, to which others are clamped."""
    number = new_number()
    _streams[number] = (int(flags), 0)
    return _SUCCESS, cudaStream_t(number)


def cudaDeviceGetStreamPriorityRange() -> tuple[cudaError_t, int, int]:
    """(error, least, greatest): 0 and 0, no priorities."""
    return _SUCCESS, 0, 0


def cudaStreamGetPriority(hStream: Any) -> tuple[cudaError_t, int | None]:
    """(error, priority)."""
    error = _check_stream("cudaStreamGetPriority", hStream)
    return error, _streams[handle(hStream)][1] if error == _SUCCESS else None


def cudaStreamGetFlags(hStream: Any) -> tuple[cudaError_t, int | None]:
    """(error, flags)."""
    error = _check_stream("cudaStreamGetFlags", hStream)
    return error, _streams[handle(hStream)][0] if error == _SUCCESS else None


def cudaStreamDestroy(
    stream: Any, *, _end: Any = _END_STREAM, _ok: Any = _OK
) -> tuple[cudaError_t]:
    """Ends a stream that was created; the default streams cannot end."""
    if _end(stream):
        return _ok
    text = f"cudaStreamDestroy: {handle(stream):#x} is no created stream, or was destroyed already"
    return (fail(cudaError_t.cudaErrorInvalidResourceHandle, text),)


def cudaStreamSynchronize(stream: Any) -> tuple[cudaError_t]:
    """Nothing to wait for; checks the handle."""
    return (_check_stream("cudaStreamSynchronize", stream),)


def cudaStreamQuery(stream: Any) -> tuple[cudaError_t]:
    """cudaSuccess: all work is done; checks the handle."""
    return (_check_stream("cudaStreamQuery", stream),)


def cudaStreamWaitEvent(stream: Any, event: Any, flags: int = 0) -> tuple[cudaError_t]:
    """Nothing to wait for; checks the handles."""
    error = _check_stream("cudaStreamWaitEvent", stream)
    return (error if error != _SUCCESS else _check_event("cudaStreamWaitEvent", event),)


def _check_event(what: str, event: Any) -> cudaError_t:
    if handle(event) in _events:
        return _SUCCESS
    text = f"{what}: {handle(event):#x} is no event, or was destroyed"
    return fail(cudaError_t.cudaErrorInvalidResourceHandle, text)


def cudaEventCreate() -> tuple[cudaError_t, cudaEvent_t]:
    """(error, event)."""
    return cudaEventCreateWithFlags(0)


def cudaEventCreateWithFlags(flags: int) -> tuple[cudaError_t, cudaEvent_t]:
    """(error, event); cudaEventDisableTiming forbids cudaEventElapsedTime."""
    number = new_number()
    _events[number] = [int(flags), None]
    return _SUCCESS, cudaEvent_t(number)


def cudaEventRecord(event: Any, stream: Any = 0) -> tuple[cudaError_t]:
    """Notes the time."""
    error = _check_event("cudaEventRecord", event)
    if error == _SUCCESS:
        error = _check_stream("cudaEventRecord", stream)
    if error == _SUCCESS:
        _events[handle(event)][1] = time.perf_counter_ns()
    return (error,)


def cudaEventSynchronize(event: Any) -> tuple[cudaError_t]:
    """Nothing to wait for; checks the handle."""
    return (_check_event("cudaEventSynchronize", event),)


def cudaEventQuery(event: Any) -> tuple[cudaError_t]:
    """cudaSuccess: what was recorded has happened; checks the handle."""
    return (_check_event("cudaEventQuery", event),)


def cudaEventElapsedTime(start: Any, end: Any) -> tuple[cudaError_t, float | None]:
    """(error, milliseconds from start to end), both recorded and with timing."""
    for event in (start, end):
        error = _check_event("cudaEventElapsedTime", event)
        if error != _SUCCESS:
            return error, None
        flags, when = _events[handle(event)]
        if flags & _DISABLE_TIMING or when is None:
            why = "was created without timing" if when is not None else "was not recorded"
            text = f"cudaEventElapsedTime: event {handle(event):#x} {why}"
            return fail(cudaError_t.cudaErrorInvalidResourceHandle, text), None
    return _SUCCESS, (_events[handle(end)][1] - _events[handle(start)][1]) / 1e6


def cudaEventDestroy(event: Any, *, _end: Any = _END_EVENT, _ok: Any = _OK) -> tuple[cudaError_t]:
    """Ends an event."""
    return _ok if _end(event) else (_check_event("cudaEventDestroy", event),)
