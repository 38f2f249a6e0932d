"""Interfaces that a program may implement: allocators, streams, progress, debugging, algorithms.

The builder, the runtime and the contexts call them or, where Octile has nothing to call them for,
say so when one is set.
"""

from __future__ import annotations

from typing import Any

from ._dims import Dims
from ._enums import DataType, SeekPosition, TensorLocation
from ._logger import IVersionedInterface, abstract


class IGpuAllocator(IVersionedInterface):
    """Base of allocators of device memory; addresses are integers, 0 means failure."""

    __module__ = "octile.tensorrt"
    _interface = ("IGpuAllocator", 1, 0)

    @abstract
    def allocate(self, size: int, alignment: int, flags: int) -> int:
        """The address of `size` new bytes."""

    def reallocate(self, address: int, alignment: int, new_size: int) -> int:
        """The address of the memory at `address` grown to `new_size` bytes; 0: it cannot grow."""
        return 0

    @abstract
    def deallocate(self, memory: int) -> bool:
        """Frees the memory at `memory`."""

    def free(self, memory: int) -> None:
        """Frees the memory at `memory` (the name until 8.x)."""
        self.deallocate(memory)

    def allocate_async(self, size: int, alignment: int, flags: int, stream: int) -> int:
        """`allocate` in the order of a stream."""
        return self.allocate(size, alignment, flags)

    def deallocate_async(self, memory: int, stream: int) -> bool:
        """`deallocate` in the order of a stream."""
        return self.deallocate(memory)


class IGpuAsyncAllocator(IGpuAllocator):
    """Base of allocators that work in the order of a stream."""

    __module__ = "octile.tensorrt"
    _interface = ("IGpuAsyncAllocator", 1, 0)

    def allocate(self, size: int, alignment: int, flags: int) -> int:
        """`allocate_async` on the default stream."""
        return self.allocate_async(size, alignment, flags, 0)

    def deallocate(self, memory: int) -> bool:
        """`deallocate_async` on the default stream."""
        return self.deallocate_async(memory, 0)

    @abstract
    def allocate_async(self, size: int, alignment: int, flags: int, stream: int) -> int:
        """The address of `size` new bytes."""

    @abstract
    def deallocate_async(self, memory: int, stream: int) -> bool:
        """Frees the memory at `memory`."""


class IOutputAllocator(IVersionedInterface):
    """Base of allocators for outputs whose shape is known only after the inference."""

    __module__ = "octile.tensorrt"
    _interface = ("IOutputAllocator", 1, 0)

    @abstract
    def reallocate_output(self, tensor_name: str, memory: int, size: int, alignment: int) -> int:
        """The address of at least `size` bytes for the output; `memory` was the one before."""

    def reallocate_output_async(
        self, tensor_name: str, memory: int, size: int, alignment: int, stream: int
    ) -> int:
        """`reallocate_output` in the order of a stream."""
        return self.reallocate_output(tensor_name, memory, size, alignment)

    @abstract
    def notify_shape(self, tensor_name: str, shape: Dims) -> None:
        """Takes the shape that the output has."""


class IDebugListener(IVersionedInterface):
    """Base of listeners that are shown tensors marked for debugging."""

    __module__ = "octile.tensorrt"
    _interface = ("IDebugListener", 1, 0)

    @abstract
    def process_debug_tensor(
        self,
        addr: int,
        location: TensorLocation,
        type: DataType,
        shape: Dims,
        name: str,
        stream: int,
    ) -> bool:
        """Takes a tensor; the memory at `addr` is valid only during the call."""


class IProgressMonitor(IVersionedInterface):
    """Base of monitors that are told how far a build is."""

    __module__ = "octile.tensorrt"
    _interface = ("IProgressMonitor", 1, 0)

    @abstract
    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """A phase of `num_steps` steps begins, within `parent_phase` or (None) outside of any."""

    @abstract
    def step_complete(self, phase_name: str, step: int) -> bool:
        """Step `step` (from 0) is done; False ends the build."""

    @abstract
    def phase_finish(self, phase_name: str) -> None:
        """The phase is over."""


class IStreamReader(IVersionedInterface):
    """Base of readers from which `Runtime.deserialize_cuda_engine` takes an engine."""

    __module__ = "octile.tensorrt"
    _interface = ("IStreamReader", 1, 0)

    @abstract
    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end."""


class IStreamReaderV2(IVersionedInterface):
    """Base of readers that can also be positioned."""

    __module__ = "octile.tensorrt"
    _interface = ("IStreamReaderV2", 1, 0)

    @abstract
    def read(self, num_bytes: int, stream: int) -> bytes:
        """The next bytes, at most `num_bytes`; none at the end."""

    @abstract
    def seek(self, offset: int, where: SeekPosition) -> bool:
        """Moves to `offset` bytes from `where`."""


class IStreamWriter(IVersionedInterface):
    """Base of writers to which a builder hands an engine."""

    __module__ = "octile.tensorrt"
    _interface = ("IStreamWriter", 1, 0)

    @abstract
    def write(self, data: bytes) -> int:
        """Takes bytes and returns how many it took."""


class IAlgorithmSelector:
    """Base of selectors of algorithms; Octile chooses its own: a builder given one says so."""

    __module__ = "octile.tensorrt"

    def select_algorithms(self, context: Any, choices: list) -> list[int]:
        """The indices of the choices to keep: all."""
        return list(range(len(choices)))

    def report_algorithms(self, contexts: list, choices: list) -> None:
        """Takes what was chosen."""


class IAlgorithm:
    """One algorithm of a layer, as an IAlgorithmSelector sees it; Octile makes none."""

    __module__ = "octile.tensorrt"


class IAlgorithmContext:
    """A layer, as an IAlgorithmSelector sees it; Octile makes none."""

    __module__ = "octile.tensorrt"


class IAlgorithmIOInfo:
    """A tensor of an algorithm, as an IAlgorithmSelector sees it; Octile makes none."""

    __module__ = "octile.tensorrt"


class IAlgorithmVariant:
    """Implementation and tactic of an algorithm; Octile makes none."""

    __module__ = "octile.tensorrt"


__all__ = [
    "IAlgorithm",
    "IAlgorithmContext",
    "IAlgorithmIOInfo",
    "IAlgorithmSelector",
    "IAlgorithmVariant",
    "IDebugListener",
    "IGpuAllocator",
    "IGpuAsyncAllocator",
    "IOutputAllocator",
    "IProgressMonitor",
    "IStreamReader",
    "IStreamReaderV2",
    "IStreamWriter",
]
