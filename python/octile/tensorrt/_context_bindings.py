"""Calls of TensorRT 8.x's IExecutionContext that name tensors by binding numbers."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

from ._facts import Io
from ._types import Dims
from ._values import storage_type

__all__: list = []


class ContextBindings:
    """The part of IExecutionContext that 8.x had alone. `binding`: a number or a name."""

    def _bound(self, binding: Any, function: str) -> Optional[Io]:
        """The tensor of a binding of the active profile; None when it is told to be none."""
        found = self._engine._binding(binding, function)
        if found is None:
            return None
        profile, io = found
        if profile != self._profile and not isinstance(binding, str):
            return self._fail(
                f"IExecutionContext::{function}",
                f"binding {binding} belongs to profile {profile}, but profile {self._profile} is "
                "active",
            )
        return io

    def set_binding_shape(self, binding: Any, shape: Sequence[int]) -> bool:
        """Within the profile's bounds, else False."""
        io = self._bound(binding, "setBindingDimensions")
        return io is not None and self.set_input_shape(io.name, shape)

    def get_binding_shape(self, binding: Any) -> Dims:
        """Under the shapes set so far; the engine's for a profile that is not active."""
        found = self._engine._binding(binding, "getBindingDimensions")
        if found is None:
            return Dims.invalid()
        profile, io = found
        active = profile == self._profile or isinstance(binding, str)
        return self._shape_of(io) if active else Dims(io.shape)

    def get_strides(self, binding: Any) -> Dims:
        """Elements between neighbours along each axis of a binding."""
        io = self._bound(binding, "getStrides")
        return Dims.invalid() if io is None else self.get_tensor_strides(io.name)

    def set_shape_input(self, binding: Any, shape: Sequence[int]) -> bool:
        """The values of an input that gives shapes."""
        io = self._bound(binding, "setInputShapeBinding")
        if io is None:
            return False
        values = np.asarray(list(shape), storage_type(io.dtype))
        extents = self._shapes.get(io.name)
        if not io.gives_shapes or extents is None or values.size != int(np.prod(extents)):
            return self._fail(
                "IExecutionContext::setInputShapeBinding",
                f"'{io.name}' takes no {values.size} values that give shapes",
                False,
            )
        self._values[io.name] = values.reshape(extents)
        return True

    def get_shape(self, binding: Any) -> list:
        """The values of an input that gives shapes."""
        io = self._bound(binding, "getShapeBinding")
        if io is None or not io.gives_shapes or not self._has_values(io):
            raise RuntimeError("the binding is no shape tensor whose values are set")
        return [int(value) for value in self._values_of(io).reshape(-1)]

    def execute(self, batch_size: int = 1, bindings: Sequence[int] = ()) -> bool:
        """False: it is for implicit batches, which TensorRT 10 dropped."""
        return self._implicit("execute")

    def execute_async(
        self,
        batch_size: int = 1,
        bindings: Sequence[int] = (),
        stream_handle: Any = 0,
        input_consumed: Any = None,
    ) -> bool:
        """False: it is for implicit batches, which TensorRT 10 dropped."""
        return self._implicit("enqueue")

    def _implicit(self, function: str) -> bool:
        return self._fail(
            f"IExecutionContext::{function}",
            "Parameter check failed, condition: mEngine.hasImplicitBatchDimension(). Networks have "
            "explicit batches: use execute_v2() or execute_async_v3()",
            False,
        )
