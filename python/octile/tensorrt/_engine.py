"""`ICudaEngine`: a loaded engine, by names of tensors; `_bindings.py` has 8.x's numbers besides."""

from __future__ import annotations

from typing import Any, Optional

import octile

from ._bindings import EngineBindings
from ._engine_about import EngineAbout
from ._engine_config import IRuntimeConfig, ISerializationConfig
from ._facts import Facts, Io, facts_of_engine
from ._functions import Managed
from ._told import Told
from ._types import (
    DataType,
    Dims,
    ErrorCodeTRT,
    ExecutionContextAllocationStrategy,
    IHostMemory,
    SerializationFlag,
    Severity,
    TensorFormat,
    TensorIOMode,
    TensorLocation,
    unsupported,
)
from ._values import storage_type

__all__ = ["ICudaEngine"]

_WORDS = {
    DataType.FLOAT: "FP32",
    DataType.HALF: "FP16",
    DataType.BF16: "BF16",
    DataType.INT8: "INT8",
    DataType.INT32: "INT32",
    DataType.INT64: "INT64",
    DataType.BOOL: "BOOL",
    DataType.UINT8: "UINT8",
}


def load_engine(plan: Any, told: Any, place: str, threads: int = 0) -> Optional["ICudaEngine"]:
    """An engine from a plan or its bytes for `told` (a Builder or Runtime), who tells errors."""

    def log(level: str, message: str) -> None:
        told._log(Severity.INFO if level == "warning" else Severity.VERBOSE, message)

    try:
        native = octile.Engine(plan, threads=threads, log=log)
        engine = ICudaEngine(native, facts_of_engine(native), told._logger, told._recorder)
        engine._threads = threads
        return engine
    except octile.Error as error:
        return told._fail(place, error)
    except ValueError as error:
        return told._fail(place, str(error), code=ErrorCodeTRT.INVALID_ARGUMENT)


class ICudaEngine(Told, EngineBindings, EngineAbout, Managed):
    """Made by Runtime.deserialize_cuda_engine; contexts in several threads may share it."""

    __module__ = "octile.tensorrt"

    def __init__(self, native: "octile.Engine", facts: Facts, logger: Any, recorder: Any):
        self._native, self._facts = native, facts
        self._logger, self._recorder = logger, recorder
        self._io = facts.io
        self._by_name = {io.name: io for io in facts.io}
        self._budget = 0
        self._threads = 0  # all cores
        types = {binding.name: str(binding.dtype) for binding in native.bindings}
        for io in facts.io + facts.debug:
            io.converts = types[io.name] != storage_type(io.dtype).name or io.dtype == DataType.BF16

    def _find(self, name: Any, function: str) -> Optional[Io]:
        """The tensor `name`; None for a name that is told to be none."""
        if not isinstance(name, str):
            raise TypeError(f"names of tensors are strings, not {type(name).__name__} {name!r}")
        found = self._by_name.get(name)
        if found is None:
            self._fail(
                f"ICudaEngine::{function}",
                f"Given invalid tensor name: {name}. Get valid tensor names with getIOTensorName()",
            )
        return found

    # --- tensors ---
    @property
    def num_io_tensors(self) -> int:
        """How many inputs and outputs there are: inputs first, in the order of adding."""
        return len(self._io)

    def get_tensor_name(self, index: int) -> Optional[str]:
        """Inputs in the order of adding, then outputs in the order of marking."""
        if not 0 <= index < len(self._io):
            return self._fail(
                "ICudaEngine::getIOTensorName",
                f"index {index} is not in 0 … {len(self._io) - 1}",
            )
        return self._io[index].name

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        """INPUT or OUTPUT; NONE, and a line in the log, for other names."""
        io = self._find(name, "getTensorIOMode")
        if io is None:
            return TensorIOMode.NONE
        return TensorIOMode.INPUT if io.is_input else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> Dims:
        """Extents; −1 where a profile bounds them or data decides them."""
        io = self._find(name, "getTensorShape")
        return Dims.invalid() if io is None else Dims(io.shape)

    def get_tensor_dtype(self, name: str) -> DataType:
        """What a binding holds: real halves for HALF, though the CPU computes float32."""
        io = self._find(name, "getTensorDataType")
        return DataType.FLOAT if io is None else io.dtype

    def get_tensor_location(self, name: str) -> TensorLocation:
        """HOST for inputs whose values are extents."""
        io = self._find(name, "getTensorLocation")
        host = io is not None and io.gives_shapes
        return TensorLocation.HOST if host else TensorLocation.DEVICE

    def is_shape_inference_io(self, name: str) -> bool:
        """Whether the tensor's values decide shapes."""
        io = self._find(name, "isShapeInferenceIO")
        return io is not None and io.gives_shapes

    def is_debug_tensor(self, name: str) -> bool:
        """Whether the tensor was marked for debugging."""
        return name in self._facts.config.get("debug", ())

    def get_aliased_input_tensor(self, name: str) -> Optional[str]:
        """The input in whose memory the output is to stand (KVCacheUpdate), or None."""
        self._find(name, "getAliasedInputTensor")
        return self._facts.aliases.get(name)

    # --- formats: all are row-major, which TensorRT describes with −1 ---
    def get_tensor_format(self, name: str, profile_index: int = 0) -> TensorFormat:
        """The TensorFormat: LINEAR."""
        self._find(name, "getTensorFormat")
        return TensorFormat.LINEAR

    def get_tensor_format_desc(self, name: str, profile_index: int = 0) -> str:
        """The format in words."""
        io = self._find(name, "getTensorFormatDesc")
        return "" if io is None else f"Row major linear {_WORDS[io.dtype]} format (kLINEAR)"

    def get_tensor_bytes_per_component(self, name: str, profile_index: int = 0) -> int:
        """−1: tensors are not vectorized."""
        self._find(name, "getTensorBytesPerComponent")
        return -1

    def get_tensor_components_per_element(self, name: str, profile_index: int = 0) -> int:
        """−1: tensors are not vectorized."""
        self._find(name, "getTensorComponentsPerElement")
        return -1

    def get_tensor_vectorized_dim(self, name: str, profile_index: int = 0) -> int:
        """−1: tensors are not vectorized."""
        self._find(name, "getTensorVectorizedDim")
        return -1

    # --- profiles ---
    @property
    def num_optimization_profiles(self) -> int:
        """How many profiles the engine has; at least 1."""
        return max(self._native.profile_count, 1)

    def _valid_profile(self, profile_index: int, function: str) -> bool:
        if 0 <= profile_index < self.num_optimization_profiles:
            return True
        return self._fail(
            f"ICudaEngine::{function}",
            f"profile {profile_index} is not in 0 … {self.num_optimization_profiles - 1}",
            False,
        )

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list:
        """[min, opt, max] of an input; shapes of rank −1 for anything else."""
        io = self._find(name, "getProfileShape")
        valid = io is not None and self._valid_profile(profile_index, "getProfileShape")
        if valid and not io.is_input:
            self._fail("ICudaEngine::getProfileShape", f"'{name}' is no input")
            valid = False
        if not valid:
            return [Dims.invalid() for _ in range(3)]
        if -1 not in io.shape:
            return [Dims(io.shape) for _ in range(3)]
        native = self._native
        return [
            Dims(bound(name, profile_index))
            for bound in (native.min_shape, native.opt_shape, native.max_shape)
        ]

    def get_tensor_profile_values(self, name: Any, profile_index: Any) -> list:
        """[min, opt, max] values of a shape input (the arguments may stand in either order)."""
        if isinstance(profile_index, str):
            name, profile_index = profile_index, name
        io = self._find(name, "getProfileTensorValues")
        if io is None or not io.gives_shapes:
            raise RuntimeError("Binding index does not correspond to an input shape tensor.")
        if not self._valid_profile(profile_index, "getProfileTensorValues"):
            return []
        values = self._facts.profile_values
        known = values[profile_index].get(name, []) if profile_index < len(values) else []
        return [list(value) for value in known]

    # --- contexts ---
    def create_execution_context(
        self, strategy: Any = ExecutionContextAllocationStrategy.STATIC, runtime_config: Any = None
    ) -> Any:
        """A context that begins with profile 0. The strategy cannot change results."""
        from ._context import IExecutionContext

        config = strategy if isinstance(strategy, IRuntimeConfig) else runtime_config
        try:
            return IExecutionContext(self, config)
        except octile.Error as error:
            return self._fail("ICudaEngine::createExecutionContext", error)

    def create_execution_context_without_device_memory(self) -> Any:
        """The same: memory that is handed in later is not needed on the CPU."""
        return self.create_execution_context()

    def create_runtime_config(self) -> IRuntimeConfig:
        """Settings for create_execution_context()."""
        return IRuntimeConfig()

    def create_engine_inspector(self) -> Any:
        """An inspector, which tells of layers in text or JSON."""
        from . import EngineInspector

        return EngineInspector(self)

    # --- bytes ---
    def serialize(self) -> IHostMemory:
        """The plan's bytes as an IHostMemory."""
        return IHostMemory(self._native.plan.serialize())

    def create_serialization_config(self) -> ISerializationConfig:
        """Settings for serialize_with_config()."""
        return ISerializationConfig()

    def serialize_with_config(self, config: ISerializationConfig) -> IHostMemory:
        """As serialize(). UnsupportedError for EXCLUDE_WEIGHTS."""
        if config.get_flag(SerializationFlag.EXCLUDE_WEIGHTS):
            unsupported("SerializationFlag.EXCLUDE_WEIGHTS", "plans hold their weights")
        return self.serialize()
