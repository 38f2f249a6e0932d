"""CUDA's names and numbers as cuda-python shows them: enums, handles, structures.

The values are those of CUDA's public headers. Only what the CPU device can answer is here.
"""

from __future__ import annotations

import re
from enum import IntEnum


class CudaEnum(IntEnum):
    """An IntEnum that prints as cuda-python's do: ``<cudaError_t.cudaSuccess: 0>``."""

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else repr(self)


def _enum(name: str, prefix: str, table: str) -> type[CudaEnum]:
    """An enum from "Name=value" words; every name gets the prefix."""
    members = [word.split("=") for word in table.split()]
    return CudaEnum(name, {prefix + key: int(value) for key, value in members}, module=__name__)


cudaError_t = _enum(
    "cudaError_t",
    "cuda",
    """
    Success=0 ErrorInvalidValue=1 ErrorMemoryAllocation=2 ErrorInitializationError=3
    ErrorCudartUnloading=4 ErrorProfilerDisabled=5 ErrorProfilerNotInitialized=6
    ErrorProfilerAlreadyStarted=7 ErrorProfilerAlreadyStopped=8 ErrorInvalidConfiguration=9
    ErrorInvalidPitchValue=12 ErrorInvalidSymbol=13 ErrorInvalidHostPointer=16
    ErrorInvalidDevicePointer=17 ErrorInvalidTexture=18 ErrorInvalidTextureBinding=19
    ErrorInvalidChannelDescriptor=20 ErrorInvalidMemcpyDirection=21 ErrorInvalidFilterSetting=26
    ErrorInvalidNormSetting=27 ErrorNotYetImplemented=31 ErrorStubLibrary=34
    ErrorInsufficientDriver=35 ErrorCallRequiresNewerDriver=36 ErrorInvalidSurface=37
    ErrorDevicesUnavailable=46 ErrorIncompatibleDriverContext=49 ErrorInvalidDeviceFunction=98
    ErrorNoDevice=100 ErrorInvalidDevice=101 ErrorDeviceNotLicensed=102 ErrorStartupFailure=127
    ErrorInvalidKernelImage=200 ErrorDeviceUninitialized=201 ErrorAlreadyMapped=208
    ErrorNoKernelImageForDevice=209 ErrorNotMapped=211 ErrorECCUncorrectable=214
    ErrorUnsupportedLimit=215 ErrorDeviceAlreadyInUse=216 ErrorPeerAccessUnsupported=217
    ErrorInvalidPtx=218 ErrorJitCompilerNotFound=221 ErrorUnsupportedPtxVersion=222
    ErrorInvalidSource=300 ErrorFileNotFound=301 ErrorSharedObjectSymbolNotFound=302
    ErrorSharedObjectInitFailed=303 ErrorOperatingSystem=304 ErrorInvalidResourceHandle=400
    ErrorIllegalState=401 ErrorSymbolNotFound=500 ErrorNotReady=600 ErrorIllegalAddress=700
    ErrorLaunchOutOfResources=701 ErrorLaunchTimeout=702 ErrorPeerAccessAlreadyEnabled=704
    ErrorPeerAccessNotEnabled=705 ErrorSetOnActiveProcess=708 ErrorContextIsDestroyed=709
    ErrorAssert=710 ErrorTooManyPeers=711 ErrorHostMemoryAlreadyRegistered=712
    ErrorHostMemoryNotRegistered=713 ErrorHardwareStackError=714 ErrorIllegalInstruction=715
    ErrorMisalignedAddress=716 ErrorInvalidAddressSpace=717 ErrorInvalidPc=718
    ErrorLaunchFailure=719 ErrorCooperativeLaunchTooLarge=720 ErrorNotPermitted=800
    ErrorNotSupported=801 ErrorSystemNotReady=802 ErrorSystemDriverMismatch=803
    ErrorStreamCaptureUnsupported=900 ErrorStreamCaptureInvalidated=901 ErrorTimeout=909
    ErrorGraphExecUpdateFailure=910 ErrorExternalDevice=911 ErrorUnknown=999
    """,
)

cudaMemcpyKind = _enum(
    "cudaMemcpyKind",
    "cudaMemcpy",
    "HostToHost=0 HostToDevice=1 DeviceToHost=2 DeviceToDevice=3 Default=4",
)

cudaMemoryType = _enum("cudaMemoryType", "cudaMemoryType", "Unregistered=0 Host=1 Device=2 Managed=3")

cudaDeviceAttr = _enum(
    "cudaDeviceAttr",
    "cudaDevAttr",
    """
    MaxThreadsPerBlock=1 MaxBlockDimX=2 MaxBlockDimY=3 MaxBlockDimZ=4 MaxGridDimX=5 MaxGridDimY=6
    MaxGridDimZ=7 MaxSharedMemoryPerBlock=8 TotalConstantMemory=9 WarpSize=10 MaxPitch=11
    MaxRegistersPerBlock=12 ClockRate=13 TextureAlignment=14 GpuOverlap=15 MultiProcessorCount=16
    KernelExecTimeout=17 Integrated=18 CanMapHostMemory=19 ComputeMode=20 ConcurrentKernels=31
    EccEnabled=32 PciBusId=33 PciDeviceId=34 TccDriver=35 MemoryClockRate=36
    GlobalMemoryBusWidth=37 L2CacheSize=38 MaxThreadsPerMultiProcessor=39 AsyncEngineCount=40
    UnifiedAddressing=41 PciDomainId=50 ComputeCapabilityMajor=75 ComputeCapabilityMinor=76
    StreamPrioritiesSupported=78 ManagedMemory=83 IsMultiGpuBoard=84 PageableMemoryAccess=88
    ConcurrentManagedAccess=89 CooperativeLaunch=95 HostRegisterSupported=99
    MemoryPoolsSupported=115
    """,
)

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
            "textureAlignment deviceOverlap multiProcessorCount kernelExecTimeoutEnabled integrated "
            "canMapHostMemory computeMode concurrentKernels ECCEnabled pciBusID pciDeviceID "
            "pciDomainID tccDriver asyncEngineCount unifiedAddressing memoryClockRate "
            "memoryBusWidth l2CacheSize maxThreadsPerMultiProcessor streamPrioritiesSupported "
            "sharedMemPerMultiprocessor regsPerMultiprocessor managedMemory isMultiGpuBoard "
            "pageableMemoryAccess concurrentManagedAccess hostRegisterSupported "
            "memoryPoolsSupported"
        ).split():
            setattr(self, name, known.get(name, 0))
