"""Networks as TensorRT's API keeps them: layers in the order of adding, tensors, names, outputs.

`NetworkBase` is INetworkDefinition without its add_* methods, which come with the layers in
`_layers_*.py` (`_definition.py` puts them together). `_emission.py` makes the native network of it.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from ._emission import Emission
from ._enums import DataType, ErrorCodeTRT, Severity
from ._native_values import (  # noqa: F401  (for the layers' modules)
    ApiError,
    axes_of_mask,
    dims,
    from_native_dtype,
    to_native_dtype,
    weights_array,
)
from ._tensor import ILayer, ITensor, attribute, layer_type, output_name  # noqa: F401
from ._told import checked_recorder
from ._types import report, unsupported
from ._weight_names import WeightNames

__all__ = ["ITensor", "ILayer"]

_MAX_DIMS = 8


class NetworkBase(WeightNames):
    """What INetworkDefinition is made of, without its add_* methods."""

    def __init__(self, builder: Any, flags: int):
        self._builder = builder
        self._flags = int(flags)
        self._name = "Unnamed Network 0"  # TensorRT's
        self._layers: list = []
        self._inputs: list = []
        self._outputs: list = []
        self._debug: dict = {}  # id(tensor) → tensor
        self._recorder = None
        self._refittable: set = set()  # names of weights
        self._numbered = 0
        self._keep: list = []
        self._emission = Emission(self)

    # --- errors ---
    def _error(self, where: str, error: Exception, result: Any = None) -> Any:
        """Logs as TensorRT does and returns `result`."""
        code = error.code if isinstance(error, ApiError) else ErrorCodeTRT.INVALID_ARGUMENT
        report(
            self._builder._logger,
            self._recorder or self._builder._recorder,
            Severity.ERROR,
            code,
            where,
            str(error),
        )
        return result

    def _warning(self, text: str) -> None:
        report(self._builder._logger, None, Severity.WARNING, None, "", text)

    def _add(self, cls: type, where: str, make: Callable[[], ILayer]) -> Optional[ILayer]:
        """Adds the layer that `make` constructs; logs and returns None where a parameter is bad."""
        numbered = self._numbered
        try:
            layer = make()
        except ApiError as error:
            self._numbered = numbered
            return self._error(f"INetworkDefinition::{where}", error)
        self._layers.append(layer)
        return layer

    def _default_layer_name(self, word: str) -> str:
        name = f"(Unnamed Layer* {self._numbered}) [{word}]"
        self._numbered += 1
        return name

    def _rename(self, tensor: ITensor, name: str) -> None:
        self._emission.rename(tensor, name)
        tensor._name = name

    def _is_shape_tensor(self, tensor: ITensor) -> bool:
        seen, pending = set(), [tensor]
        while pending:
            top = pending.pop()
            if id(top) in seen:
                continue
            seen.add(id(top))
            for layer in self._layers:
                for index, known in enumerate(layer._inputs):
                    if known is not top:
                        continue
                    if index in layer._class._shape_inputs:
                        return True
                    if top.dtype in (DataType.INT32, DataType.INT64, DataType.BOOL):
                        pending.extend(layer._outputs)
        return False

    # --- public ---
    @property
    def name(self) -> str:
        """The network's name, which its engine takes."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = str(name)

    @property
    def num_layers(self) -> int:
        """How many layers were added."""
        return len(self._layers)

    @property
    def num_inputs(self) -> int:
        """How many inputs were added."""
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        """How many tensors are marked as outputs."""
        return len(self._outputs)

    @property
    def flags(self) -> int:
        """The mask that create_network() was given."""
        return self._flags

    def get_flag(self, flag: Any) -> bool:
        """Whether create_network() was given this NetworkDefinitionCreationFlag."""
        return bool(self._flags >> int(flag) & 1)

    @property
    def has_implicit_batch_dimension(self) -> bool:
        """False."""
        return False

    @property
    def has_explicit_precision(self) -> bool:
        """False, as in TensorRT 8."""
        return False

    @property
    def builder(self) -> Any:
        """The builder that made the network."""
        return self._builder

    @property
    def error_recorder(self) -> Any:
        """Its own, else the builder's."""
        return self._builder._recorder if self._recorder is None else self._recorder

    @error_recorder.setter
    def error_recorder(self, recorder: Any) -> None:
        self._recorder = checked_recorder(recorder)

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, index: int) -> ILayer:
        if not -len(self._layers) <= index < len(self._layers):
            raise IndexError("layer index out of range")
        return self._layers[index]._view()

    def __iter__(self):
        return iter([layer._view() for layer in self._layers])

    def get_layer(self, index: int) -> Optional[ILayer]:
        """A layer by its number; None outside."""
        return self._layers[index]._view() if 0 <= index < len(self._layers) else None

    def get_input(self, index: int) -> Optional[ITensor]:
        """An input by its number; None outside."""
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index: int) -> Optional[ITensor]:
        """An output by its number; None outside."""
        return self._outputs[index] if 0 <= index < len(self._outputs) else None

    def add_input(self, name: str, dtype: DataType, shape: Sequence[int]) -> Optional[ITensor]:
        """A network input; −1 extents are bounded by optimization profiles."""
        if not isinstance(name, str) or not isinstance(dtype, DataType):
            raise TypeError("add_input(): incompatible function arguments")
        where = "INetworkDefinition::addInput"
        extents = dims(shape)
        if any(tensor.name == name for tensor in self._inputs):
            return self._error(where, ApiError(f"an input named '{name}' is there already"))
        if len(extents) > _MAX_DIMS or any(extent < -1 for extent in extents):
            return self._error(where, ApiError(f"'{name}': bad dimensions {extents}"))
        to_native_dtype(dtype)  # raises for types without counterpart
        tensor = ITensor(self, None, 0, name)
        tensor._dtype, tensor._input_shape = dtype, extents
        self._inputs.append(tensor)
        return tensor

    def mark_output(self, tensor: ITensor) -> None:
        """Makes the tensor an output of the engine; they stand in the order of marking."""
        if not isinstance(tensor, ITensor):
            raise TypeError("mark_output(): incompatible function arguments")
        if tensor.is_network_output:
            self._error(
                "INetworkDefinition::markOutput", ApiError(f"'{tensor.name}' is an output already")
            )
            return
        self._outputs.append(tensor)

    def unmark_output(self, tensor: ITensor) -> None:
        """Takes mark_output() back."""
        if not tensor.is_network_output:
            self._error(
                "INetworkDefinition::unmarkOutput", ApiError(f"'{tensor.name}' is no output")
            )
            return
        self._outputs = [known for known in self._outputs if known is not tensor]

    def mark_output_for_shapes(self, tensor: ITensor) -> bool:
        """mark_output(), True if it is an output then."""
        self.mark_output(tensor)
        return True

    def unmark_output_for_shapes(self, tensor: ITensor) -> bool:
        """unmark_output(), True if it is no output then."""
        self.unmark_output(tensor)
        return True

    def remove_tensor(self, tensor: ITensor) -> None:
        """Removes a network input or an output that nothing reads."""
        self._outputs = [known for known in self._outputs if known is not tensor]
        if tensor.is_network_input:
            used = any(tensor is known for layer in self._layers for known in layer._inputs)
            if used:
                self._error(
                    "INetworkDefinition::removeTensor", ApiError(f"'{tensor.name}' is read")
                )
                return
            self._inputs = [known for known in self._inputs if known is not tensor]
            self._emission.reset()

    def mark_debug(self, tensor: ITensor) -> bool:
        """Lets contexts tell the tensor's values to an IDebugListener."""
        self._debug[id(tensor)] = tensor
        return True

    def unmark_debug(self, tensor: ITensor) -> bool:
        """Takes mark_debug() back; False if it was not marked."""
        return self._debug.pop(id(tensor), None) is not None

    def is_debug_tensor(self, tensor: ITensor) -> bool:
        """Whether the tensor is marked for debugging."""
        return id(tensor) in self._debug

    def mark_unfused_tensors_as_debug_tensors(self) -> bool:
        """Raises UnsupportedError: tensors are marked one by one."""
        unsupported("INetworkDefinition.mark_unfused_tensors_as_debug_tensors", "use mark_debug")

    def unmark_unfused_tensors_as_debug_tensors(self) -> bool:
        """Raises UnsupportedError: tensors are marked one by one."""
        return False
