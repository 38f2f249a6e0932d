"""`Runtime`: makes engines of plans."""

from __future__ import annotations

import os
import struct
import tempfile
from typing import Any, Optional

import octile

from ._engine import ICudaEngine, load_engine
from ._functions import Managed
from ._plugins import get_plugin_registry
from ._told import Told
from ._types import (
    ILogger,
    IStreamReader,
    IStreamReaderV2,
    TempfileControlFlag,
    unsupported,
)

__all__ = ["Runtime"]

_PREAMBLE = 64  # bytes of a plan file that tell its length (docs/plan_format.md)


class Runtime(Told, Managed):
    """`Runtime(logger)`; failing calls tell the logger and return None."""

    __module__ = "octile.tensorrt"

    def __init__(self, logger: ILogger):
        if not isinstance(logger, ILogger):
            raise TypeError(
                f"Runtime() takes an ILogger (trt.Logger()), not {type(logger).__name__} {logger!r}"
            )
        self._logger = logger
        self._threads = 0  # all cores
        self._folder = tempfile.gettempdir()
        self._tempfiles = sum(1 << int(f) for f in TempfileControlFlag.__members__.values())
        self._host_code = False
        self._allocator: Any = None

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Optional[ICudaEngine]:
        """An engine from bytes, an IHostMemory or a stream reader; None when it fails.

        Bytes of TensorRT's own engines are refused: they hold code for a GPU.
        """
        place = "IRuntime::deserializeCudaEngine"
        try:
            if isinstance(serialized_engine, (IStreamReader, IStreamReaderV2)):
                data = _read_all(serialized_engine)
            else:
                data = memoryview(serialized_engine).cast("B")
        except octile.Error as error:
            return self._fail(place, error)
        except (TypeError, BufferError):
            raise TypeError(
                "deserialize_cuda_engine() takes bytes, an IHostMemory or a stream reader, not "
                f"{type(serialized_engine).__name__}"
            ) from None
        except Exception as error:  # what a reader raises
            name = type(serialized_engine).__name__
            return self._fail(
                place, f"Exception caught in read() of {name}: {type(error).__name__}: {error}"
            )
        return load_engine(data, self, place, self._threads)

    def load_runtime(self, path: str) -> Any:
        """Raises UnsupportedError: there are no lean and dispatch runtimes to load."""
        unsupported("Runtime.load_runtime", "this runtime reads plans of its own version alone")

    def get_plugin_registry(self) -> Any:
        """The registry of plugins, which is empty."""
        return get_plugin_registry()

    @property
    def max_threads(self) -> int:
        """Threads that an engine's contexts use; all cores at first."""
        return self._threads or os.cpu_count() or 1

    @max_threads.setter
    def max_threads(self, threads: int) -> None:
        threads = int(threads)
        if threads < 1:
            self._fail("IRuntime::setMaxThreads", f"{threads} threads cannot run")
            return
        self._threads = min(threads, os.cpu_count() or 1)

    # --- kept, since it cannot change results ---
    @property
    def engine_host_code_allowed(self) -> bool:
        """Kept: plans hold no code."""
        return self._host_code

    @engine_host_code_allowed.setter
    def engine_host_code_allowed(self, allowed: bool) -> None:
        self._host_code = bool(allowed)

    @property
    def temporary_directory(self) -> str:
        """Kept: loading a plan writes no files."""
        return self._folder

    @temporary_directory.setter
    def temporary_directory(self, folder: Any) -> None:
        self._folder = os.fspath(folder) if folder is not None else tempfile.gettempdir()

    @property
    def tempfile_control_flags(self) -> int:
        """Kept: a mask of TempfileControlFlag."""
        return self._tempfiles

    @tempfile_control_flags.setter
    def tempfile_control_flags(self, flags: Any) -> None:
        self._tempfiles = int(flags)

    gpu_allocator = property(doc="Kept: memory of contexts on the CPU is the engine's own.")

    @gpu_allocator.setter
    def gpu_allocator(self, allocator: Any) -> None:
        self._allocator = allocator

    # --- devices ---
    @property
    def num_DLA_cores(self) -> int:
        """0: there is no DLA."""
        return 0

    @property
    def DLA_core(self) -> int:
        """−1: there is no DLA."""
        return -1

    @DLA_core.setter
    def DLA_core(self, core: int) -> None:
        if int(core) >= 0:
            unsupported(f"Runtime.DLA_core = {core}", "there is no DLA")


def _read_all(reader: Any) -> bytes:
    """All bytes of a plan, in two reads where the reader gives what is asked for."""
    start = _read(reader, _PREAMBLE)
    if len(start) < _PREAMBLE or not start.startswith(b"OCTPLAN\0"):
        raise octile.InvalidFile(
            f"{type(reader).__name__}: these bytes are no plan of Octile (they begin with "
            f"{start[:8]!r})"
        )
    offset, payload = struct.unpack_from("<QQ", start, 24)
    total = offset + payload
    return start + _read(reader, total - _PREAMBLE)


def _read(reader: Any, size: int) -> bytes:
    """`size` bytes, fewer at the end."""
    parts, missing = [], size
    while missing > 0:
        if isinstance(reader, IStreamReaderV2):
            part = bytes(memoryview(reader.read(missing, 0)).cast("B"))
        else:
            part = bytes(memoryview(reader.read(missing)).cast("B"))
        if not part:
            break
        parts.append(part[:missing])
        missing -= len(parts[-1])
    return b"".join(parts)
