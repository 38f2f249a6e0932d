"""CUDA's handles and structures as cuda-python shows them, and what its error codes mean."""

from __future__ import annotations

import re

from octile._cuda_enums import cudaError_t, cudaMemoryType

# CUDA's own words where they are no plain reading of the name.
_ERROR_TEXTS = {
    0: "no error",
    1: "invalid argument",
    2: "out of memory",
    12: "invalid pitch argument",
    21: "invalid copy direction for memcpy",
    100: "no CUDA-capable device is detected",
    101: "invalid device ordinal",
    304: "OS call failed or operation not supported on this OS",
    400: "invalid resource handle",
    600: "device not ready",
    700: "an illegal memory access was encountered",
    712: "part or all of the requested memory range is already mapped",
    713: "pointer does not correspond to a registered memory region",
    719: "unspecified launch failure",
    800: "operation not permitted",
    801: "operation not supported",
}


def error_text(code: int) -> str:
    """A line that says what a cudaError_t means: CUDA's for common codes, else from its name."""
    if code in _ERROR_TEXTS:
        return _ERROR_TEXTS[code]
    words = re.findall(r"[A-Z][a-z]*|[A-Z]+", cudaError_t(code).name.replace("cudaError", "", 1))
    return " ".join(words).lower()


class Handle:
    """An opaque handle as cuda-python shows it: made from an int, gives it back by int()."""

    _shown = ""

    def __init__(self, init_value: int = 0) -> None:
        self._value = int(init_value)

    def __int__(self) -> int:
        return self._value

    __index__ = __int__

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            return NotImplemented
        return self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"<{self._shown or type(self).__name__} {self._value:#x}>"


class CUstream(Handle):
    """A stream; the CPU device does what is put on it at once."""

    _shown = "CUstream"


class cudaStream_t(CUstream):
    """A stream of the runtime API, the driver's CUstream."""


class CUevent(Handle):
    """A point in time on a stream."""

    _shown = "CUevent"


class cudaEvent_t(CUevent):
    """An event of the runtime API, the driver's CUevent."""


class _Structure:
    """A plain record; prints one "name : value" a line as cuda-python's structures do."""

    def __repr__(self) -> str:
        return "\n".join(f"{name} : {value}" for name, value in vars(self).items())


class cudaPointerAttributes(_Structure):
    """What is known of an address; a pointer that has no such side is 0."""

    def __init__(self, kind: cudaMemoryType, device: int, on_device: int, on_host: int) -> None:
        self.type = kind
        self.device = device
        self.devicePointer = on_device
        self.hostPointer = on_host


class cudaDeviceProp(_Structure):
    """Properties of the CPU device; what has no meaning for a CPU is 0 (major and minor too)."""

    def __init__(self, **known: object) -> None:
        for name in (
            "name uuid totalGlobalMem sharedMemPerBlock regsPerBlock warpSize memPitch "
            "maxThreadsPerBlock maxThreadsDim maxGridSize clockRate totalConstMem major minor "
            "textureAlignment deviceOverlap multiProcessorCount kernelExecTimeoutEnabled "
            "integrated canMapHostMemory computeMode concurrentKernels ECCEnabled pciBusID "
            "pciDeviceID pciDomainID tccDriver asyncEngineCount unifiedAddressing memoryClockRate "
            "memoryBusWidth l2CacheSize maxThreadsPerMultiProcessor streamPrioritiesSupported "
            "sharedMemPerMultiprocessor regsPerMultiprocessor managedMemory isMultiGpuBoard "
            "pageableMemoryAccess concurrentManagedAccess hostRegisterSupported "
            "memoryPoolsSupported"
        ).split():
            setattr(self, name, known.get(name, 0))
