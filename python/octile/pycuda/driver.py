"""pycuda.driver on the CPU device: memory, streams, events, the device and its contexts.

Errors raise LogicError or MemoryError, as in pycuda. Work on streams is done at once.
"""

from __future__ import annotations

import threading
import time

from octile import _cuda_device
from octile._cuda_enums import cudaDeviceAttr
from octile._native import host_memory
from octile.pycuda._errors import Error, LaunchError, LogicError, MemoryError, RuntimeError
from octile.pycuda._memory import (
    DeviceAllocation,
    PointerHolderBase,
    from_device,
    from_device_like,
    managed_empty,
    mem_alloc,
    mem_alloc_pitch,
    mem_get_info,
    memcpy_dtod,
    memcpy_dtod_async,
    memcpy_dtoh,
    memcpy_dtoh_async,
    memcpy_htod,
    memcpy_htod_async,
    memset_d8,
    memset_d16,
    memset_d32,
    pagelocked_empty,
    pagelocked_empty_like,
    pagelocked_zeros,
    pagelocked_zeros_like,
    register_host_memory,
    to_device,
)

__all__ = [
    "Context", "Device", "DeviceAllocation", "Error", "Event", "LaunchError", "LogicError",
    "MemoryError", "PointerHolderBase", "RuntimeError", "Stream", "ctx_flags", "device_attribute",
    "event_flags", "from_device", "from_device_like", "get_driver_version", "get_version",
    "host_alloc_flags", "init", "managed_empty", "mem_alloc", "mem_alloc_pitch",
    "mem_attach_flags", "mem_get_info", "mem_host_register_flags", "memcpy_dtod",
    "memcpy_dtod_async", "memcpy_dtoh", "memcpy_dtoh_async", "memcpy_htod", "memcpy_htod_async",
    "memset_d16", "memset_d32", "memset_d8", "pagelocked_empty", "pagelocked_empty_like",
    "pagelocked_zeros", "pagelocked_zeros_like", "register_host_memory", "to_device",
]  # fmt: skip


class ctx_flags:
    """How a thread waits for a GPU: without effect."""

    SCHED_AUTO, SCHED_SPIN, SCHED_YIELD, BLOCKING_SYNC, SCHED_BLOCKING_SYNC = 0, 1, 2, 4, 4
    MAP_HOST = 8


class event_flags:
    """Flags of Event."""

    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING, INTERPROCESS = 0, 1, 2, 4


class host_alloc_flags:
    """Flags of pagelocked arrays: without effect."""

    PORTABLE, DEVICEMAP, WRITECOMBINED = 1, 2, 4


class mem_host_register_flags:
    """Flags of register_host_memory: without effect."""

    PORTABLE, DEVICEMAP = 1, 2


class mem_attach_flags:
    """Flags of managed arrays: without effect."""

    GLOBAL, HOST, SINGLE = 1, 2, 4


# device_attribute.MULTIPROCESSOR_COUNT …, by the numbers of cudaDeviceAttr
_WORDS = {
    "MAX_THREADS_PER_BLOCK": "MaxThreadsPerBlock",
    "WARP_SIZE": "WarpSize",
    "MULTIPROCESSOR_COUNT": "MultiProcessorCount",
    "CLOCK_RATE": "ClockRate",
    "INTEGRATED": "Integrated",
    "CAN_MAP_HOST_MEMORY": "CanMapHostMemory",
    "CONCURRENT_KERNELS": "ConcurrentKernels",
    "MEMORY_CLOCK_RATE": "MemoryClockRate",
    "GLOBAL_MEMORY_BUS_WIDTH": "GlobalMemoryBusWidth",
    "L2_CACHE_SIZE": "L2CacheSize",
    "ASYNC_ENGINE_COUNT": "AsyncEngineCount",
    "UNIFIED_ADDRESSING": "UnifiedAddressing",
    "MANAGED_MEMORY": "ManagedMemory",
    "COMPUTE_CAPABILITY_MAJOR": "ComputeCapabilityMajor",
    "COMPUTE_CAPABILITY_MINOR": "ComputeCapabilityMinor",
}
device_attribute = type(
    "device_attribute",
    (),
    {name: cudaDeviceAttr["cudaDevAttr" + word] for name, word in _WORDS.items()},
)

_current = threading.local()  # the stack of contexts of a thread


def _stack() -> list[Context]:
    stack: list[Context] = _current.__dict__.setdefault("stack", [])
    return stack


def init(flags: int = 0) -> None:
    """Nothing to do."""


def get_version() -> tuple[int, int, int]:
    """(major, minor, 0) of the CUDA API that this follows."""
    return _cuda_device.CUDART_VERSION // 1000, _cuda_device.CUDART_VERSION % 1000 // 10, 0


def get_driver_version() -> int:
    """1000 * major + 10 * minor of the CUDA API that this follows."""
    return _cuda_device.CUDART_VERSION


class Device:
    """The CPU, device 0. Raises LogicError for any other number."""

    def __init__(self, number: int | str = 0) -> None:
        if int(number) != 0:
            raise LogicError(f"cuDeviceGet failed: no device {number}; the CPU is the only one, 0")

    @staticmethod
    def count() -> int:
        """1."""
        return 1

    def name(self) -> str:
        """The model name of the CPU."""
        return _cuda_device.cpu_name()

    def compute_capability(self) -> tuple[int, int]:
        """(0, 0): a CPU has none."""
        return 0, 0

    def total_memory(self) -> int:
        """Bytes of the machine's memory."""
        return int(host_memory.total_bytes())

    def pci_bus_id(self) -> str:
        """Zeros: the CPU is on no bus."""
        return "0000:00:00.0"

    def get_attribute(self, attr: cudaDeviceAttr) -> int:
        """The value; 0 for what has no meaning for a CPU."""
        return int(_cuda_device.cudaDeviceGetAttribute(attr, 0)[1] or 0)

    def get_attributes(self) -> dict[cudaDeviceAttr, int]:
        """All of device_attribute."""
        attributes = [getattr(device_attribute, name) for name in _WORDS]
        return {attribute: self.get_attribute(attribute) for attribute in attributes}

    def make_context(self, flags: int = 0) -> Context:
        """A context, which is made current."""
        context = Context()
        context.push()
        return context

    def retain_primary_context(self) -> Context:
        """A context, which is not made current."""
        return Context()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device)

    def __hash__(self) -> int:
        return 0


class Context:
    """A name for the CPU device's one state; pushing and popping are checked as in CUDA."""

    def __init__(self) -> None:
        self.handle = _cuda_device.new_number()

    def push(self) -> None:
        """Makes it this thread's current context."""
        _stack().append(self)

    @staticmethod
    def pop() -> None:
        """Ends being current for the one that is. Raises LogicError when none is."""
        if not _stack():
            raise LogicError("context::pop failed: invalid device context - no context is current")
        _stack().pop()

    def detach(self) -> None:
        """Ends it; memory and streams stay."""
        _current.stack = [context for context in _stack() if context is not self]

    @staticmethod
    def get_current() -> Context | None:
        """This thread's current context."""
        return _stack()[-1] if _stack() else None

    @staticmethod
    def get_device() -> Device:
        """The CPU device."""
        return Device(0)

    @staticmethod
    def synchronize() -> None:
        """Nothing to wait for."""

    def get_api_version(self) -> int:
        """1000 * major + 10 * minor of the CUDA API that this follows."""
        return _cuda_device.CUDART_VERSION


class Stream:
    """A stream; what is put on it is done at once. `handle` goes to execute_async."""

    def __init__(self, flags: int = 0) -> None:
        self.handle = int(_cuda_device.cudaStreamCreateWithFlags(flags)[1])

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def is_done(self) -> bool:
        """True."""
        return True

    def wait_for_event(self, event: Event) -> None:
        """Nothing to wait for."""

    def __int__(self) -> int:
        return self.handle


class Event:
    """A point in time."""

    def __init__(self, flags: int = 0) -> None:
        self._when: float | None = None

    def record(self, stream: Stream | None = None) -> Event:
        """Notes the time; returns itself."""
        self._when = time.perf_counter()
        return self

    def synchronize(self) -> Event:
        """Nothing to wait for; returns itself."""
        return self

    def query(self) -> bool:
        """True."""
        return True

    def time_since(self, event: Event) -> float:
        """Milliseconds from the other event to this. Raises LogicError unless both are recorded."""
        if self._when is None or event._when is None:
            raise LogicError("cuEventElapsedTime failed: invalid resource handle - not recorded")
        return (self._when - event._when) * 1e3

    def time_till(self, event: Event) -> float:
        """Milliseconds from this event to the other."""
        return event.time_since(self)


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(
        f"octile.pycuda.driver has no {name}: the CPU device has memory, streams and events; "
        "kernels, textures, arrays, graphs, IPC and peers need a GPU"
    )
