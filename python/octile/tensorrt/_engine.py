"""`ICudaEngine`: a loaded engine, by names of tensors; `_bindings.py` has 8.x's numbers besides."""

from __future__ import annotations

from typing import Any, Optional

import octile

from ._bindings import EngineBindings
from ._facts import Facts, Io, facts_of_engine
from ._functions import Managed
from ._told import Told
from ._types import (
    BuilderFlag,
    DataType,
    Dims,
    EngineCapability,
    EngineStat,
    ErrorCodeTRT,
    ExecutionContextAllocationStrategy,
    HardwareCompatibilityLevel,
    IHostMemory,
    ProfilingVerbosity,
    SerializationFlag,
    Severity,
    TensorFormat,
    TensorIOMode,
    TensorLocation,
    unsupported,
)
from ._values import storage_type

__all__ = ["ICudaEngine", "IRuntimeConfig", "ISerializationConfig"]

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
        return ICudaEngine(native, facts_of_engine(native), told._logger, told._recorder)
    except octile.Error as error:
        return told._fail(place, error)
    except ValueError as error:
        return told._fail(place, str(error), code=ErrorCodeTRT.INVALID_ARGUMENT)


class IRuntimeConfig:
    """How a context shall be made; see ICudaEngine.create_runtime_config."""

    __module__ = "octile.tensorrt"

    def __init__(self) -> None:
        self._strategy = ExecutionContextAllocationStrategy.STATIC

    def set_execution_context_allocation_strategy(
        self,
        strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC,
    ) -> None:
        """Kept: a context on the CPU has memory of its own whatever the strategy."""
        if not isinstance(strategy, ExecutionContextAllocationStrategy):
            raise TypeError(f"expected ExecutionContextAllocationStrategy, not {strategy!r}")
        self._strategy = strategy

    def get_execution_context_allocation_strategy(self) -> ExecutionContextAllocationStrategy:
        return self._strategy


class ISerializationConfig:
    """What ICudaEngine.serialize_with_config leaves out; plans have no lean runtime in them."""

    __module__ = "octile.tensorrt"

    def __init__(self) -> None:
        self._flags = 0

    @property
    def flags(self) -> int:
        """A mask of SerializationFlag."""
        return self._flags

    @flags.setter
    def flags(self, flags: int) -> None:
        flags = int(flags)
        if flags < 0 or flags >> len(SerializationFlag.__members__):
            raise RuntimeError("Provided serialization flags is incorrect")
        self._flags = flags

    def set_flag(self, flag: SerializationFlag) -> bool:
        self._flags |= 1 << int(flag)
        return True

    def clear_flag(self, flag: SerializationFlag) -> bool:
        self._flags &= ~(1 << int(flag))
        return True

    def get_flag(self, flag: SerializationFlag) -> bool:
        return bool(self._flags >> int(flag) & 1)


class ICudaEngine(Told, EngineBindings, Managed):
    """Made by Runtime.deserialize_cuda_engine; contexts in several threads may share it."""

    __module__ = "octile.tensorrt"

    def __init__(self, native: "octile.Engine", facts: Facts, logger: Any, recorder: Any):
        self._native, self._facts = native, facts
        self._logger, self._recorder = logger, recorder
        self._io = facts.io
        self._by_name = {io.name: io for io in facts.io}
        self._budget = 0
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
        io = self._find(name, "isShapeInferenceIO")
        return io is not None and io.gives_shapes

    def is_debug_tensor(self, name: str) -> bool:
        return name in self._facts.config.get("debug", ())

    def get_aliased_input_tensor(self, name: str) -> Optional[str]:
        """None: no output shares an input's memory."""
        self._find(name, "getAliasedInputTensor")
        return None

    # --- formats: all are row-major, which TensorRT describes with −1 ---
    def get_tensor_format(self, name: str, profile_index: int = 0) -> TensorFormat:
        self._find(name, "getTensorFormat")
        return TensorFormat.LINEAR

    def get_tensor_format_desc(self, name: str, profile_index: int = 0) -> str:
        io = self._find(name, "getTensorFormatDesc")
        return "" if io is None else f"Row major linear {_WORDS[io.dtype]} format (kLINEAR)"

    def get_tensor_bytes_per_component(self, name: str, profile_index: int = 0) -> int:
        self._find(name, "getTensorBytesPerComponent")
        return -1

    def get_tensor_components_per_element(self, name: str, profile_index: int = 0) -> int:
        self._find(name, "getTensorComponentsPerElement")
        return -1

    def get_tensor_vectorized_dim(self, name: str, profile_index: int = 0) -> int:
        self._find(name, "getTensorVectorizedDim")
        return -1

    # --- profiles ---
    @property
    def num_optimization_profiles(self) -> int:
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
        return IRuntimeConfig()

    def create_engine_inspector(self) -> Any:
        from . import EngineInspector

        return EngineInspector(self)

    # --- bytes ---
    def serialize(self) -> IHostMemory:
        return IHostMemory(self._native.plan.serialize())

    def create_serialization_config(self) -> ISerializationConfig:
        return ISerializationConfig()

    def serialize_with_config(self, config: ISerializationConfig) -> IHostMemory:
        """As serialize(). UnsupportedError for EXCLUDE_WEIGHTS."""
        if config.get_flag(SerializationFlag.EXCLUDE_WEIGHTS):
            unsupported("SerializationFlag.EXCLUDE_WEIGHTS", "plans hold their weights")
        return self.serialize()

    # --- facts ---
    @property
    def name(self) -> str:
        """The network's name."""
        return self._facts.name

    @property
    def num_layers(self) -> int:
        """Steps of the plan: layers that were fused count once."""
        return len(self._native.plan.layers())

    @property
    def refittable(self) -> bool:
        """Whether it was built with BuilderFlag.REFIT."""
        return any(
            self._built_with(flag)
            for flag in (
                BuilderFlag.REFIT,
                BuilderFlag.REFIT_IDENTICAL,
                BuilderFlag.REFIT_INDIVIDUAL,
            )
        )

    def _built_with(self, flag: BuilderFlag) -> bool:
        return bool(self._facts.config.get("flags", 0) >> int(flag) & 1)

    @property
    def profiling_verbosity(self) -> ProfilingVerbosity:
        return ProfilingVerbosity(self._facts.config.get("verbosity", 0))

    @property
    def hardware_compatibility_level(self) -> HardwareCompatibilityLevel:
        return HardwareCompatibilityLevel(self._facts.config.get("hardware", 0))

    @property
    def engine_capability(self) -> EngineCapability:
        return EngineCapability(self._facts.config.get("capability", 0))

    @property
    def tactic_sources(self) -> int:
        return self._facts.config.get("tactic_sources", 0)

    @property
    def num_aux_streams(self) -> int:
        """0: there is one stream."""
        return 0

    @property
    def has_implicit_batch_dimension(self) -> bool:
        return False

    def get_engine_stat(self, stat: EngineStat = EngineStat.TOTAL_WEIGHTS_SIZE) -> int:
        """Bytes of weights in the plan."""
        if stat == EngineStat.STRIPPED_WEIGHTS_SIZE:
            return 0
        return sum(layer.weight_bytes for layer in self._native.plan.layers())

    # --- memory ---
    @property
    def device_memory_size_v2(self) -> int:
        """Bytes of a context's memory, of the profile that needs most."""
        return max(
            self._native.arena_bytes(profile) for profile in range(self.num_optimization_profiles)
        )

    device_memory_size = device_memory_size_v2

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        if not self._valid_profile(profile_index, "getDeviceMemorySizeForProfileV2"):
            return 0
        return self._native.arena_bytes(profile_index)

    get_device_memory_size_for_profile = get_device_memory_size_for_profile_v2

    # --- weight streaming: weights stay in memory; the budget is kept ---
    def _streams(self, function: str) -> bool:
        if self._built_with(BuilderFlag.WEIGHT_STREAMING):
            return True
        return self._fail(
            f"ICudaEngine::{function}",
            "Parameter check failed, condition: mEnableWeightStreaming. This engine was not built "
            "with weight streaming support. This engine must be rebuilt by setting "
            "BuilderFlag::kWEIGHT_STREAMING during build time.",
            False,
        )

    @property
    def streamable_weights_size(self) -> int:
        return self.get_engine_stat() if self._built_with(BuilderFlag.WEIGHT_STREAMING) else 0

    @property
    def weight_streaming_budget_v2(self) -> int:
        """Bytes of weights kept in memory: all of them, whatever was set."""
        return self._budget if self._streams("getWeightStreamingBudgetV2") else 0

    @weight_streaming_budget_v2.setter
    def weight_streaming_budget_v2(self, budget: int) -> None:
        if self._streams("setWeightStreamingBudgetV2"):
            self._budget = int(budget)

    weight_streaming_budget = weight_streaming_budget_v2

    @property
    def minimum_weight_streaming_budget(self) -> int:
        self._streams("getMinimumWeightStreamingBudget")
        return 0

    def get_weight_streaming_automatic_budget(self) -> int:
        return self.streamable_weights_size

    @property
    def weight_streaming_scratch_memory_size(self) -> int:
        return 0
