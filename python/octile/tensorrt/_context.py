"""`IExecutionContext`: shapes, addresses and callbacks of one running instance of an engine.

`_execution.py` runs it; `_context_bindings.py` has 8.x's calls by binding numbers besides.
"""

from __future__ import annotations

import threading
from typing import Any, Optional, Sequence

import octile

from ._context_bindings import ContextBindings
from ._context_kept import ContextKept
from ._execution import Execution
from ._facts import Io
from ._functions import Managed
from ._told import Told
from ._types import (
    Dims,
    ErrorCodeTRT,
    IOutputAllocator,
    as_dims,
    volume,
)
from ._values import as_address, byte_count, stored_at

__all__ = ["IExecutionContext"]


class IExecutionContext(Told, Execution, ContextBindings, ContextKept, Managed):
    """Made by ICudaEngine.create_execution_context. Contexts in several threads are independent."""

    __module__ = "octile.tensorrt"

    def __init__(self, engine: Any, config: Any = None):
        self._engine, self._runtime_config = engine, config
        self._logger, self._recorder = engine._logger, engine._recorder
        self._lock = threading.RLock()
        self._made_by: Any = None  # the native engine of
        self._natives: dict = {}  # profile → native context, made when it is first used
        self._profile = 0
        self._addresses: dict = {}
        self._values: dict = {}  # shape inputs given by set_shape_input()
        self._allocators: dict = {}
        self._keep_defaults()
        self._forget_shapes()
        self._native()

    def _native(self) -> "octile.ExecutionContext":
        """The native context of the active profile; a new one where the engine was refitted."""
        if self._made_by is not self._engine._native:
            self._made_by, self._natives = self._engine._native, {}
        if self._profile not in self._natives:
            made = self._made_by.create_context(self._profile)
            for name, shape in self._shapes.items():
                if shape is not None:
                    made.set_input_shape(name, shape)
            self._natives[self._profile] = made
        return self._natives[self._profile]

    def _forget_shapes(self) -> None:
        self._shapes = {
            io.name: io.shape if -1 not in io.shape else None
            for io in self._engine._io
            if io.is_input
        }
        self._late_shapes: dict = {}
        self._found_shapes: dict = {}  # of the last run's outputs whose extents data decided
        self._probed: Optional[tuple] = None

    def _find(self, name: Any, function: str) -> Optional[Io]:
        """The tensor `name`; None for a name that is told to be none."""
        if not isinstance(name, str):
            raise TypeError(f"names of tensors are strings, not {type(name).__name__} {name!r}")
        found = self._engine._by_name.get(name)
        if found is None:
            self._fail(
                f"IExecutionContext::{function}",
                f"Given invalid tensor name: {name}. Get valid tensor names with getIOTensorName()",
            )
        return found

    @property
    def engine(self) -> Any:
        """The engine that the context runs."""
        return self._engine

    def get_runtime_config(self) -> Any:
        """The IRuntimeConfig that it was made with, or None."""
        return self._runtime_config

    # --- profiles ---
    @property
    def active_optimization_profile(self) -> int:
        """The number of the profile in use."""
        return self._profile

    @active_optimization_profile.setter
    def active_optimization_profile(self, profile_index: int) -> None:
        self.set_optimization_profile_async(profile_index, 0)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: Any) -> bool:
        """Shapes have to be set anew afterwards. RuntimeError for a profile that there is not."""
        count = self._engine.num_optimization_profiles
        if not 0 <= int(profile_index) < count:
            self._fail(
                "IExecutionContext::setOptimizationProfileAsync",
                f"profile {profile_index} is not in 0 … {count - 1}",
            )
            raise RuntimeError("Error in set optimization profile async.")
        with self._lock:
            if int(profile_index) != self._profile:
                self._profile = int(profile_index)
                self._forget_shapes()
            self._native()
        return True

    # --- shapes ---
    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        """Within the active profile's bounds, else False."""
        place = "IExecutionContext::setInputShape"
        io = self._find(name, "setInputShape")
        extents = tuple(as_dims(shape, "set_input_shape(): shape"))
        if io is None:
            return False
        if not io.is_input:
            return self._fail(place, f"'{name}' is an output: its shape follows from inputs", False)
        problem = self._shape_problem(io, extents)
        if problem:
            return self._fail(place, problem, False)
        with self._lock:
            self._found_shapes = {}
            if self._shapes[name] == extents:
                return True
            try:
                self._native().set_input_shape(name, extents)
            except octile.Error as error:
                return self._fail(place, error, False)
            self._shapes[name] = extents
            self._late_shapes = {}
        return True

    def _shape_problem(self, io: Io, extents: tuple) -> str:
        """Why an input cannot have a shape; empty when it can."""
        known = io.shape
        fits = len(known) == len(extents)
        if not fits or any(k >= 0 and k != e for k, e in zip(known, extents)):
            return (
                f"Static dimension mismatch while setting input shape for {io.name}. "
                f"Set dimensions are {_show(extents)}. Expected dimensions are {_show(known)}."
            )
        if -1 not in known:
            return ""
        low = self._engine._native.min_shape(io.name, self._profile)
        high = self._engine._native.max_shape(io.name, self._profile)
        if all(a <= e <= b for a, e, b in zip(low, extents, high)):
            return ""
        return (
            "Parameter check failed, condition: satisfyProfile. Set dimension "
            f"{_show(extents)} for tensor {io.name} does not satisfy any optimization profiles. "
            f"Valid range for profile {self._profile}: {_show(low)}..{_show(high)}."
        )

    def get_tensor_shape(self, name: str) -> Dims:
        """Extents under the shapes set so far; −1 where they are not known before running.

        Where data decides: those of the last run, until an input's shape is set anew; with an
        output allocator, which is told the shape, they stay −1, by which programs know it.
        """
        io = self._find(name, "getTensorShape")
        return Dims.invalid() if io is None else self._shape_of(io)

    def _shape_of(self, io: Io, found: Optional[dict] = None) -> Dims:
        """`found`: shapes of outputs that data decides, the last run's by default."""
        if io.is_input:
            return Dims(self._shapes[io.name] or io.shape)
        if any(shape is None for shape in self._shapes.values()):
            return Dims(io.shape)
        with self._lock:
            try:
                if io.late:
                    known = self._found_shapes if found is None else found
                    return Dims(known.get(io.name) or self._late_shape(io))
                if io.from_values:
                    return Dims(self._probe().get(io.name, io.shape))
                return Dims(self._native().shape(io.name))
            except octile.Error as error:
                self._fail("IExecutionContext::getTensorShape", error)
                return Dims.invalid()

    def _late_shape(self, io: Io) -> tuple:
        """The shape as it is known before running: −1 where data decides."""
        if io.name not in self._late_shapes:
            self._late_shapes[io.name] = self._native().shape(io.name)
        return self._late_shapes[io.name]

    def get_tensor_strides(self, name: str) -> Dims:
        """In elements, row-major; −1 where extents are not known."""
        io = self._find(name, "getTensorStrides")
        if io is None:
            return Dims.invalid()
        return _strides(self._shape_of(io))

    def infer_shapes(self) -> list:
        """Names of inputs that still need a shape or, where they give shapes, an address.

        Raises RuntimeError when the shapes set contradict each other (told in the log).
        """
        missing = [
            io.name
            for io in self._engine._io
            if io.is_input
            and (self._shapes[io.name] is None or (io.gives_shapes and not self._has_values(io)))
        ]
        if not missing:
            for io in self._engine._io:
                if not io.is_input and not io.from_values:
                    try:
                        self._native().shape(io.name)
                    except octile.Error as error:
                        self._fail("IExecutionContext::inferShapes", error)
                        raise RuntimeError("infer_shapes error code: -1") from None
            failure = self._unequal_labels() or self._early_failure()
            if failure:
                code = ErrorCodeTRT.FAILED_EXECUTION
                self._fail("IExecutionContext::inferShapes", failure, code=code)
                raise RuntimeError("infer_shapes error code: -1")
        return missing

    @property
    def all_binding_shapes_specified(self) -> bool:
        """Whether every dynamic input has a shape."""
        return all(shape is not None for shape in self._shapes.values())

    @property
    def all_shape_inputs_specified(self) -> bool:
        """Whether every input whose values decide shapes has values."""
        return all(self._has_values(io) for io in self._engine._io if io.gives_shapes)

    # --- inputs whose values give shapes ---
    def _has_values(self, io: Io) -> bool:
        return io.name in self._values or bool(self._addresses.get(io.name))

    def _values_of(self, io: Io) -> Any:
        """The values of a shape input. Raises octile.Error for a bad address."""
        if io.name in self._values:
            return self._values[io.name]
        what = f"shape input '{io.name}'"
        return stored_at(self._addresses.get(io.name, 0), io.dtype, self._shapes[io.name], what)

    # --- addresses ---
    def set_tensor_address(self, name: str, memory: Any) -> bool:
        """Device memory of octile.cudart or host memory; checked when it is used."""
        address = as_address(memory, "set_tensor_address()")
        if self._find(name, "setTensorAddress") is None:
            return False
        self._addresses[name] = address
        self._values.pop(name, None)
        return True

    def get_tensor_address(self, name: str) -> int:
        """0 when none was set."""
        io = self._find(name, "getTensorAddress")
        return 0 if io is None else self._addresses.get(name, 0)

    def get_max_output_size(self, name: str) -> int:
        """Bytes that the output can need under the shapes set; −1 where data decides.

        Rounded up to 512, as TensorRT does.
        """
        place = "IExecutionContext::getMaxOutputSize"
        io = self._find(name, "getMaxOutputSize")
        if io is None:
            return -1
        shape = self._shape_of(io, {})  # the next run may find more than the last one
        if io.name in self._engine._facts.most:
            shape = (self._engine._facts.most[io.name],)  # under the profiles' greatest shapes
        if io.is_input or -1 in tuple(shape):
            why = "an input" if io.is_input else f"of shape {shape}: use an IOutputAllocator"
            return self._fail(place, f"'{name}' is {why}", -1)
        return -(-byte_count(io.dtype, shape) // 512) * 512

    def set_output_allocator(self, name: str, output_allocator: Any) -> bool:
        """It gives the output's memory once the size is known; None takes the allocator back."""
        io = self._find(name, "setOutputAllocator")
        if output_allocator is not None and not isinstance(output_allocator, IOutputAllocator):
            raise TypeError(f"expected an IOutputAllocator, not {type(output_allocator).__name__}")
        if io is None or io.is_input:
            if io is not None:
                self._fail("IExecutionContext::setOutputAllocator", f"'{name}' is an input")
            return False
        self._allocators[name] = output_allocator
        return True

    def get_output_allocator(self, name: str) -> Any:
        """The allocator of an output; None without."""
        self._find(name, "getOutputAllocator")
        return self._allocators.get(name)


def _show(shape: Sequence[int]) -> str:
    return "[" + ",".join(str(extent) for extent in shape) + "]"


def _strides(shape: Sequence[int]) -> Dims:
    if -1 in tuple(shape):
        return Dims([-1] * len(shape))
    return Dims([volume(tuple(shape)[axis + 1 :]) for axis in range(len(shape))])
