"""Profilers, debug listeners, and what a context keeps since it cannot change results."""

from __future__ import annotations

from typing import Any, Sequence

from ._types import ErrorCodeTRT, ProfilingVerbosity, unsupported
from ._values import as_address

__all__: list = []


class ContextKept:
    """The part of IExecutionContext that takes callbacks and settings."""

    name = ""
    enqueue_emits_profile = True
    debug_sync = False
    nvtx_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
    persistent_cache_limit = 0
    temporary_allocator: Any = None

    def _keep_defaults(self) -> None:
        self._profiler: Any = None
        self._times: list = []  # (layer, milliseconds) of the last run
        self._listener: Any = None
        self._watched: set = set()  # debug tensors that are shown
        self._event = 0
        self._device_memory = 0

    # --- profiling ---
    @property
    def profiler(self) -> Any:
        """An IProfiler, told the time of every layer after a run."""
        return self._profiler

    @profiler.setter
    def profiler(self, profiler: Any) -> None:
        self._profiler = profiler

    def report_to_profiler(self) -> bool:
        """Tells the profiler the times of the last run; False when there are none."""
        if self._profiler is None or not self._times:
            return self._fail(
                "IExecutionContext::reportToProfiler",
                "there is no run with a profiler to report",
                False,
                ErrorCodeTRT.INVALID_STATE,
            )
        self._report_times()
        return True

    # --- debug tensors ---
    def set_debug_listener(self, listener: Any) -> bool:
        """Takes an IDebugListener, which is told debug tensors; None for nobody."""
        self._listener = listener
        return True

    def get_debug_listener(self) -> Any:
        """The listener that was set; None without."""
        return self._listener

    def set_tensor_debug_state(self, name: str, flag: bool) -> bool:
        """Whether the listener is shown a tensor that was marked for debugging."""
        if not self._engine.is_debug_tensor(name):
            return self._fail(
                "IExecutionContext::setTensorDebugState", f"'{name}' is no debug tensor", False
            )
        (self._watched.add if flag else self._watched.discard)(name)
        return True

    def set_all_tensors_debug_state(self, flag: bool) -> bool:
        """Switches all debug tensors on or off."""
        self._watched = set(self._engine._facts.config.get("debug", ())) if flag else set()
        return True

    def get_debug_state(self, name: str) -> bool:
        """Whether the listener is told this tensor."""
        return name in self._watched

    @property
    def unfused_tensors_debug_state(self) -> bool:
        """False: tensors are marked for debugging one by one."""
        return False

    @unfused_tensors_debug_state.setter
    def unfused_tensors_debug_state(self, flag: bool) -> None:
        if flag:
            unsupported("IExecutionContext.unfused_tensors_debug_state", "mark tensors one by one")

    # --- memory, streams: kept ---
    device_memory = property(doc="Kept: a context on the CPU has memory of its own.")

    @device_memory.setter
    def device_memory(self, memory: Any) -> None:
        self._device_memory = as_address(memory, "device_memory")

    def set_device_memory(self, memory: Any, size: int) -> None:
        """Kept: a context on the CPU has memory of its own."""
        self._device_memory = as_address(memory, "set_device_memory()")

    def update_device_memory_size_for_shapes(self) -> int:
        """Bytes of the context's memory."""
        return self._engine._native.arena_bytes(self._profile)

    def set_aux_streams(self, aux_streams: Sequence[int]) -> None:
        """Kept: there is one stream."""
        for stream in aux_streams:
            as_address(stream, "set_aux_streams()")

    def set_input_consumed_event(self, event: Any) -> bool:
        """An event of octile.cudart, recorded when a run has read its inputs."""
        self._event = as_address(event, "set_input_consumed_event()")
        return True

    def get_input_consumed_event(self) -> int:
        """The event that was set; 0 without."""
        return self._event

    def set_communicator(self, communicator: Any) -> bool:
        """False: engines are for one device."""
        return self._fail(
            "IExecutionContext::setCommunicator",
            "Parameter check failed, condition: mIsMdEngine == true. The engine is not a "
            "multi-device engine.",
            False,
        )
