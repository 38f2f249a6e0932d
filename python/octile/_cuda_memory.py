"""Memory of the CPU device by the CUDA runtime's names (octile.cudart shows them)."""

from __future__ import annotations

import threading
from typing import Any

from octile._cuda_enums import cudaError_t, cudaMemcpyKind, cudaMemoryType
from octile._cuda_report import address, attempt, fail, size_t
from octile._cuda_types import cudaPointerAttributes
from octile._native import host_memory

_PITCH = 512  # bytes to which cudaMallocPitch rounds a row

# Defaults of the functions that __del__ calls: at interpreter exit a module's names may be gone.
_FREE, _OK = host_memory.try_free, (cudaError_t.cudaSuccess,)

_registered: dict[int, int] = {}  # cudaHostRegister: first address -> bytes
_lock = threading.Lock()


def allocate(what: str, nbytes: Any, kind: str) -> tuple[cudaError_t, int | None]:
    """(error, address) of an allocation of host_memory's kind."""
    count = size_t(nbytes)
    try:
        return cudaError_t.cudaSuccess, host_memory.alloc(count, kind)
    except MemoryError:
        total, live = host_memory.total_bytes(), host_memory.live_bytes()
        text = f"{what}: no memory for {count} bytes beside {live} in use, of {total} in all"
        return fail(cudaError_t.cudaErrorMemoryAllocation, text), None


def cudaMalloc(size: Any) -> tuple[cudaError_t, int | None]:
    """(error, address of `size` zeroed bytes); 0 bytes give address 0."""
    return allocate("cudaMalloc", size, "device")


def cudaMallocAsync(size: Any, hStream: Any) -> tuple[cudaError_t, int | None]:
    """cudaMalloc: work on a stream is done at once."""
    return allocate("cudaMallocAsync", size, "device")


def cudaMallocManaged(size: Any, flags: int = 1) -> tuple[cudaError_t, int | None]:
    """cudaMalloc; every address of the CPU device is one of the host too."""
    return allocate("cudaMallocManaged", size, "managed")


def cudaMallocHost(size: Any) -> tuple[cudaError_t, int | None]:
    """(error, address of host memory), freed by cudaFreeHost."""
    return allocate("cudaMallocHost", size, "pinned")


def cudaHostAlloc(size: Any, flags: int = 0) -> tuple[cudaError_t, int | None]:
    """cudaMallocHost; the flags speak of page tables and caches that a CPU shares anyway."""
    return allocate("cudaHostAlloc", size, "pinned")


def cudaMallocPitch(width: Any, height: Any) -> tuple[cudaError_t, int | None, int | None]:
    """(error, address, bytes from row to row) for `height` rows of `width` bytes."""
    pitch = -(-size_t(width) // _PITCH) * _PITCH
    error, result = allocate("cudaMallocPitch", pitch * size_t(height), "device")
    return error, result, None if result is None else pitch


def release(what: str, pointer: Any, pinned: bool) -> tuple[cudaError_t]:
    """Frees an allocation; 0 is ignored."""
    where = address(pointer)
    return attempt(what, lambda: host_memory.free(where, pinned, what))[:1]


def cudaFree(devPtr: Any, *, _free: Any = _FREE, _ok: Any = _OK) -> tuple[cudaError_t]:
    """Frees what cudaMalloc… gave; 0 is ignored."""
    return _ok if _free(devPtr, False) else release("cudaFree", devPtr, False)


def cudaFreeAsync(
    devPtr: Any, hStream: Any, *, _free: Any = _FREE, _ok: Any = _OK
) -> tuple[cudaError_t]:
    """cudaFree: work on a stream is done at once."""
    return _ok if _free(devPtr, False) else release("cudaFreeAsync", devPtr, False)


def cudaFreeHost(ptr: Any, *, _free: Any = _FREE, _ok: Any = _OK) -> tuple[cudaError_t]:
    """Frees what cudaMallocHost or cudaHostAlloc gave; 0 is ignored."""
    return _ok if _free(ptr, True) else release("cudaFreeHost", ptr, True)


_NAMED_HOST = {0: ("dst", "src"), 1: ("src",), 2: ("dst",)}  # by cudaMemcpyKind


def _bad_kind(what: str, kind: Any, dst: int, src: int) -> cudaError_t | None:
    """The error of a direction that is none, or that says host of what cudaMalloc gave."""
    number = int(kind)
    if not 0 <= number < len(cudaMemcpyKind):
        return fail(
            cudaError_t.cudaErrorInvalidMemcpyDirection, f"{what}: no cudaMemcpyKind {kind}"
        )
    for side in _NAMED_HOST.get(number, ()):
        where = dst if side == "dst" else src
        if host_memory.find(where)[2] == "device":
            text = f"{what}: {cudaMemcpyKind(number).name}, but {side} {where:#x} is device memory"
            return fail(cudaError_t.cudaErrorInvalidValue, text)
    return None


def copy(what: str, dst: Any, src: Any, count: Any, kind: Any) -> tuple[cudaError_t]:
    """Copies bytes between checked addresses."""
    to, of, nbytes = address(dst), address(src), size_t(count)
    bad = _bad_kind(what, kind, to, of)
    if bad is not None:
        return (bad,)
    return attempt(what, lambda: host_memory.copy(to, of, nbytes, what))[:1]


def cudaMemcpy(dst: Any, src: Any, count: Any, kind: Any) -> tuple[cudaError_t]:
    """Copies `count` bytes. Host memory may stand on the device's side, not the reverse."""
    return copy("cudaMemcpy", dst, src, count, kind)


def cudaMemcpyAsync(dst: Any, src: Any, count: Any, kind: Any, stream: Any) -> tuple[cudaError_t]:
    """cudaMemcpy: work on a stream is done at once."""
    return copy("cudaMemcpyAsync", dst, src, count, kind)


def copy_2d(
    what: str, dst: Any, dpitch: Any, src: Any, spitch: Any, width: Any, height: Any, kind: Any
) -> tuple[cudaError_t]:
    """Copies rows between checked addresses."""
    to, of = address(dst), address(src)
    columns, rows, to_pitch, of_pitch = (
        size_t(width),
        size_t(height),
        size_t(dpitch),
        size_t(spitch),
    )
    bad = _bad_kind(what, kind, to, of)
    if bad is not None:
        return (bad,)
    if columns > min(to_pitch, of_pitch):
        text = f"{what}: width {columns} exceeds a pitch (dst {to_pitch}, src {of_pitch})"
        return (fail(cudaError_t.cudaErrorInvalidPitchValue, text),)
    return attempt(
        what, lambda: host_memory.copy_rows(to, to_pitch, of, of_pitch, columns, rows, what)
    )[:1]


def cudaMemcpy2D(
    dst: Any, dpitch: Any, src: Any, spitch: Any, width: Any, height: Any, kind: Any
) -> tuple[cudaError_t]:
    """Copies `height` rows of `width` bytes that start each pitch."""
    return copy_2d("cudaMemcpy2D", dst, dpitch, src, spitch, width, height, kind)


def cudaMemcpy2DAsync(
    dst: Any, dpitch: Any, src: Any, spitch: Any, width: Any, height: Any, kind: Any, stream: Any
) -> tuple[cudaError_t]:
    """cudaMemcpy2D: work on a stream is done at once."""
    return copy_2d("cudaMemcpy2DAsync", dst, dpitch, src, spitch, width, height, kind)


def fill(what: str, where: Any, value: int, count: Any) -> tuple[cudaError_t]:
    """Sets every byte of a range."""
    to, nbytes = address(where), size_t(count)
    return attempt(what, lambda: host_memory.set(to, int(value) & 255, nbytes, what))[:1]


def cudaMemset(devPtr: Any, value: int, count: Any) -> tuple[cudaError_t]:
    """Fills `count` bytes with the low byte of `value`."""
    return fill("cudaMemset", devPtr, value, count)


def cudaMemsetAsync(devPtr: Any, value: int, count: Any, stream: Any) -> tuple[cudaError_t]:
    """cudaMemset: work on a stream is done at once."""
    return fill("cudaMemsetAsync", devPtr, value, count)


def cudaMemGetInfo() -> tuple[cudaError_t, int, int]:
    """(error, bytes free, bytes in all) of the machine's memory."""
    total = host_memory.total_bytes()
    free = total - min(total, host_memory.live_bytes())
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    free = min(free, int(line.split()[1]) * 1024)
    except OSError:
        pass  # no /proc: what is not allocated counts as free
    return cudaError_t.cudaSuccess, free, total


def cudaHostRegister(ptr: Any, size: Any, flags: int = 0) -> tuple[cudaError_t]:
    """Notes host memory as registered; nothing needs pinning for a CPU."""
    where, nbytes = address(ptr), int(size)
    if nbytes == 0 or where == 0:
        text = "cudaHostRegister: no memory (0 bytes or address 0)"
        return (fail(cudaError_t.cudaErrorInvalidValue, text),)
    error, _ = attempt(
        "cudaHostRegister", lambda: host_memory.check(where, nbytes, "cudaHostRegister")
    )
    if error != cudaError_t.cudaSuccess:
        return (error,)
    with _lock:
        if any(where < base + n and base < where + nbytes for base, n in _registered.items()):
            text = f"cudaHostRegister: {where:#x} is registered already"
            return (fail(cudaError_t.cudaErrorHostMemoryAlreadyRegistered, text),)
        _registered[where] = nbytes
    return (cudaError_t.cudaSuccess,)


def cudaHostUnregister(ptr: Any) -> tuple[cudaError_t]:
    """Ends a cudaHostRegister of that address."""
    where = address(ptr)
    with _lock:
        if _registered.pop(where, None) is not None:
            return (cudaError_t.cudaSuccess,)
    text = f"cudaHostUnregister: {where:#x} is not registered"
    return (fail(cudaError_t.cudaErrorHostMemoryNotRegistered, text),)


def cudaHostGetDevicePointer(pHost: Any, flags: int = 0) -> tuple[cudaError_t, int]:
    """(error, the same address): the CPU device sees host memory as it is."""
    return cudaError_t.cudaSuccess, address(pHost)


def cudaPointerGetAttributes(ptr: Any) -> tuple[cudaError_t, cudaPointerAttributes]:
    """(error, what kind of memory an address is); of what is no allocation: Unregistered."""
    where = address(ptr)
    state = host_memory.find(where)[2]
    with _lock:
        if any(base <= where < base + nbytes for base, nbytes in _registered.items()):
            state = "pinned"
    if state == "device":
        result = cudaPointerAttributes(cudaMemoryType.cudaMemoryTypeDevice, 0, where, 0)
    elif state in ("managed", "pinned"):
        managed = state == "managed"
        kind = (
            cudaMemoryType.cudaMemoryTypeManaged if managed else cudaMemoryType.cudaMemoryTypeHost
        )
        result = cudaPointerAttributes(kind, 0, where, where)
    else:
        kind = cudaMemoryType.cudaMemoryTypeUnregistered
        result = cudaPointerAttributes(kind, -2, 0, where)  # -2: CUDA's "no device"
    return cudaError_t.cudaSuccess, result
