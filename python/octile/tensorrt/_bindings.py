"""The binding API of TensorRT 8.x: tensors by number, once for every profile.

Binding p · num_io_tensors + i is tensor i under profile p, named "name [profile p]" where p > 0.
"""

from __future__ import annotations

from typing import Any, Iterator, Optional, Tuple

from ._facts import Io
from ._types import DataType, Dims, TensorFormat, TensorLocation

__all__: list = []


class EngineBindings:
    """The part of ICudaEngine that 8.x had alone. `binding`: a number or a name."""

    def _binding(self, binding: Any, function: str) -> Optional[Tuple[int, Io]]:
        """(profile, tensor) of a binding; None when there is none, which is told."""
        if isinstance(binding, str):
            index = self._index(binding)
        elif hasattr(binding, "__index__"):
            index = binding.__index__()
        else:
            raise TypeError(f"a binding is a number or a name, not {binding!r}")
        if not 0 <= index < self.num_bindings:
            return self._fail(f"ICudaEngine::{function}", f"there is no binding {binding!r}")
        return index // len(self._io), self._io[index % len(self._io)]

    def _index(self, name: str) -> int:
        for index in range(self.num_bindings):
            if self._binding_name(index) == name:
                return index
        return -1

    def _binding_name(self, index: int) -> str:
        profile, io = index // len(self._io), self._io[index % len(self._io)]
        return io.name if profile == 0 else f"{io.name} [profile {profile}]"

    @property
    def num_bindings(self) -> int:
        """Inputs and outputs, once for every profile."""
        return len(self._io) * self.num_optimization_profiles

    def __len__(self) -> int:
        return self.num_bindings

    def __iter__(self) -> Iterator[str]:
        return iter([self._binding_name(index) for index in range(self.num_bindings)])

    def __getitem__(self, key: Any) -> Any:
        """The name of a binding by number, the number by name. IndexError, KeyError."""
        if isinstance(key, str):
            index = self._index(key)
            if index < 0:
                raise KeyError(key)
            return index
        index = key + self.num_bindings if key < 0 else key
        if not 0 <= index < self.num_bindings:
            raise IndexError(f"binding {key} is out of range")
        return self._binding_name(index)

    def __bool__(self) -> bool:
        return True

    def get_binding_name(self, index: int) -> Optional[str]:
        """The name of a binding; with " [profile k]" for profiles after the first. None outside."""
        found = self._binding(index, "getBindingName")
        return None if found is None else self._binding_name(index)

    def get_binding_index(self, name: str) -> int:
        """−1 for a name that no binding has."""
        index = self._index(name)
        if index < 0:
            self._binding(name, "getBindingIndex")
        return index

    def binding_is_input(self, binding: Any) -> bool:
        """Whether the binding of this number or name is an input."""
        found = self._binding(binding, "bindingIsInput")
        return found is not None and found[1].is_input

    def get_binding_shape(self, binding: Any) -> Dims:
        """Extents of a binding, −1 where dynamic."""
        found = self._binding(binding, "getBindingDimensions")
        return Dims.invalid() if found is None else Dims(found[1].shape)

    def get_binding_dtype(self, binding: Any) -> DataType:
        """The DataType of a binding."""
        found = self._binding(binding, "getBindingDataType")
        return DataType.FLOAT if found is None else found[1].dtype

    def get_location(self, binding: Any) -> TensorLocation:
        """Where the data of a binding lies."""
        found = self._binding(binding, "getLocation")
        host = found is not None and found[1].gives_shapes
        return TensorLocation.HOST if host else TensorLocation.DEVICE

    def is_shape_binding(self, binding: int) -> bool:
        """Whether the values of a binding decide shapes."""
        found = self._binding(binding, "isShapeBinding")
        return found is not None and found[1].gives_shapes

    def is_execution_binding(self, binding: int) -> bool:
        """Whether a binding's data is computed with."""
        return self._binding(binding, "isExecutionBinding") is not None

    def get_binding_format(self, index: int) -> TensorFormat:
        """The TensorFormat of a binding: LINEAR."""
        self._binding(index, "getBindingFormat")
        return TensorFormat.LINEAR

    def get_binding_format_desc(self, index: int) -> str:
        """The format of a binding in words."""
        binding = self._binding(index, "getBindingFormatDesc")
        return "" if binding is None else self.get_tensor_format_desc(binding[1].name)

    def get_binding_bytes_per_component(self, index: int) -> int:
        """−1: bindings are not vectorized."""
        self._binding(index, "getBindingBytesPerComponent")
        return -1

    def get_binding_components_per_element(self, index: int) -> int:
        """−1: bindings are not vectorized."""
        self._binding(index, "getBindingComponentsPerElement")
        return -1

    def get_binding_vectorized_dim(self, index: int) -> int:
        """−1: bindings are not vectorized."""
        self._binding(index, "getBindingVectorizedDim")
        return -1

    def get_profile_shape(self, profile_index: int, binding: Any) -> list:
        """[min, opt, max] of an input."""
        known = self._binding(binding, "getProfileDimensions")
        if known is None:
            return [Dims.invalid() for _ in range(3)]
        return self.get_tensor_profile_shape(known[1].name, profile_index)

    def get_profile_shape_input(self, profile_index: int, binding: Any) -> list:
        """[min, opt, max] values of a shape input."""
        known = self._binding(binding, "getProfileShapeValues")
        if known is None:
            return []
        return self.get_tensor_profile_values(known[1].name, profile_index)

    @property
    def max_batch_size(self) -> int:
        """1: batches are extents of the inputs."""
        return 1

    @property
    def max_workspace_size(self) -> int:
        """0: workspaces are part of a context's memory."""
        return 0
