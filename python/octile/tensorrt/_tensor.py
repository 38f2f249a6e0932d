"""`ITensor` and `ILayer`: what a network of TensorRT's API is made of.

A layer's state is its `__dict__`; several objects may share it (`ILayer._view`), since programs
turn a plain ILayer into its own class by assigning `__class__`.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Optional, Sequence

import numpy as np

import octile

from ._enums import DataType, LayerType, NetworkDefinitionCreationFlag, TensorLocation
from ._functions import Sealed
from ._native_values import LOW, ApiError, dims
from ._types import Dims, unsupported

__all__ = ["ITensor", "ILayer"]


class attribute:
    """A property of a layer or tensor, kept in its state; setting it takes back what was emitted.

    `convert` checks and converts what is set (TypeError or ValueError for what cannot be).
    """

    def __init__(self, convert: Optional[Callable] = None, default: Any = None, doc: str = ""):
        self._convert, self._default, self.__doc__ = convert, default, doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._key = name, "_a_" + name
        self.__doc__ = self.__doc__ or f"TensorRT's `{name}`; {self._default} until set."

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        if instance is None:
            return self
        return instance.__dict__.get(self._key, self._default)

    def __set__(self, instance: Any, value: Any) -> None:
        if self._convert is not None:
            try:
                value = self._convert(value)
            except ApiError as error:
                instance._network._error(f"{instance._where()}::set_{self._name}", error)
                return
        instance.__dict__[self._key] = value
        instance._changed()


_EVERY_FORMAT = 0x7FFFFFFF


class ITensor(Sealed):
    """A tensor of a network: a network input, or an output of a layer."""

    __module__ = "octile.tensorrt"

    def __init__(self, network: Any, producer: Optional["ILayer"], index: int, name: str):
        self._network, self._producer, self._index, self._name = network, producer, index, name
        self._dtype: Optional[DataType] = None  # asked for; None: what the layer makes
        self._input_shape: Optional[tuple] = None  # of network inputs
        self._range: Optional[tuple] = None
        self._dimension_names: dict = {}
        self._location = TensorLocation.DEVICE
        self._formats = _EVERY_FORMAT
        self._broadcast = False

    # --- what it is ---
    @property
    def name(self) -> str:
        """Unique in its network; the key of calibration caches."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError("ITensor.name must be a string")
        self._network._rename(self, name)

    @property
    def shape(self) -> Dims:
        """Extents, −1 where they are not known before run time. Rank −1 after an error (logged)."""
        found = self._network._emission.shape(self)
        return Dims.invalid() if found is None else Dims(found)

    @shape.setter
    def shape(self, shape: Sequence[int]) -> None:
        if not self.is_network_input:
            self._network._error(
                "ITensor::setDimensions", ApiError(f"'{self._name}' is no network input")
            )
            return
        self._input_shape = dims(shape)
        self._network._emission.reset()

    @property
    def dtype(self) -> DataType:
        """The element type; of a layer's output what the layer makes, unless it was set."""
        if self._dtype is not None:
            return self._dtype
        return self._network._emission.dtype(self)

    @dtype.setter
    def dtype(self, dtype: DataType) -> None:
        if not isinstance(dtype, DataType):
            raise TypeError("ITensor.dtype must be a DataType")
        self._dtype = dtype
        if self.is_network_input:
            self._network._emission.reset()
        elif not self.is_network_output:
            self._network._warning(
                f"ITensor::setType({dtype.name}) was called on non I/O tensor: {self._name}. This "
                "has no effect unless the tensor is marked as an output."
            )

    @property
    def is_network_input(self) -> bool:
        """Whether add_input() made the tensor."""
        return self._producer is None

    @property
    def is_network_output(self) -> bool:
        """Whether the tensor is marked as an output."""
        return any(tensor is self for tensor in self._network._outputs)

    @property
    def is_shape_tensor(self) -> bool:
        """Whether its values give extents: it is, or feeds, a shape argument of a layer."""
        return self._network._is_shape_tensor(self)

    @property
    def is_execution_tensor(self) -> bool:
        """Whether the tensor's data is computed with."""
        return True

    # --- INT8 ---
    def set_dynamic_range(self, min: float, max: float) -> bool:
        """A range for INT8 that beats the calibrator's."""
        low, high = float(min), float(max)
        if not (np.isfinite(low) and np.isfinite(high) and low <= high):
            return self._network._error(
                "ITensor::setDynamicRange", ApiError(f"({low}, {high}) is no range"), False
            )
        self._range = (low, high)
        self._range_changed()
        return True

    def reset_dynamic_range(self) -> None:
        """Takes the range back."""
        self._range = None
        self._range_changed()

    def _range_changed(self) -> None:
        if self._producer is not None:
            self._producer._class._range_changed(self._producer)
        elif self._dtype == DataType.INT8:
            self._network._emission.reset()

    @property
    def dynamic_range(self) -> Optional[tuple]:
        """(min, max), or None when it was not set."""
        return self._range

    @dynamic_range.setter
    def dynamic_range(self, value: Sequence[float]) -> None:
        self.set_dynamic_range(*value)

    def get_dynamic_range(self) -> Optional[tuple]:
        """(min, max) as it was set; None without."""
        return self._range

    # --- what cannot change results on the CPU: kept and given back ---
    @property
    def location(self) -> TensorLocation:
        """Where the tensor lies; kept, without effect."""
        return self._location

    @location.setter
    def location(self, location: TensorLocation) -> None:
        self._location = TensorLocation(location)

    @property
    def allowed_formats(self) -> int:
        """A mask of 1 << TensorFormat; of inputs and outputs: a build needs LINEAR in it."""
        outer = self.is_network_input or self.is_network_output
        return self._formats if outer else _EVERY_FORMAT

    @allowed_formats.setter
    def allowed_formats(self, formats: int) -> None:
        if not self.is_network_input and not self.is_network_output:
            self._network._warning(
                "Tensor Formats are determined at build time for tensors not marked as input or "
                "output."
            )
        self._formats = int(formats)

    @property
    def broadcast_across_batch(self) -> bool:
        """Kept, without effect: batches are explicit."""
        return self._broadcast

    @broadcast_across_batch.setter
    def broadcast_across_batch(self, value: bool) -> None:
        self._broadcast = bool(value)

    def set_dimension_name(self, index: int, name: str) -> None:
        """Extents of inputs with one name are equal at run time."""
        self._dimension_names[int(index)] = name

    def get_dimension_name(self, index: int) -> Optional[str]:
        """The name of an axis; None without."""
        return self._dimension_names.get(int(index))


class ILayer(Sealed):
    """A layer of a network. `type` is its LayerType; subclasses may hide it, as TensorRT's do."""

    __module__ = "octile.tensorrt"
    _word = ""  # in the default name "(Unnamed Layer* 3) [word]"
    _layer_type: LayerType
    _outputs_count = 1
    _shape_inputs: tuple = ()  # inputs whose values give extents

    def __init__(self, network: Any, inputs: Sequence[Optional[ITensor]]):
        self._network = network
        self._class = type(self)
        self._inputs = list(inputs)
        self._name = network._default_layer_name(self._word)
        self._outputs = []
        self._precision: Optional[DataType] = None
        self._output_types: dict = {}
        self._metadata = ""
        self._set_output_count(self._outputs_count)

    def _set_output_count(self, count: int) -> None:
        for index in range(len(self._outputs), count):
            self._outputs.append(
                ITensor(self._network, self, index, output_name(self._name, index))
            )
        del self._outputs[count:]

    # --- how it becomes native layers: for subclasses ---
    def _needs(self) -> list:
        """The tensors that `_emit` gets and that are written before: the inputs, by default."""
        return self._inputs

    def _emit(self, net: "octile.Network", inputs: list, name: str) -> list:
        """Adds native layers for native `inputs` (None: left out); returns native outputs."""
        raise NotImplementedError

    def _output_dtype(self, index: int, native: DataType, inputs: Sequence[DataType]) -> DataType:
        """The type that the output shows: float layers keep their inputs' HALF or BF16."""
        if native != DataType.FLOAT:
            return native
        floats = [t for t in inputs if t == DataType.FLOAT or t in LOW]
        if floats and all(t == floats[0] for t in floats):
            return floats[0]
        return native

    def _changed(self) -> None:
        self._network._emission.invalidate(self)

    def _range_changed(self) -> None:
        """An output's dynamic range changed: for layers that are written otherwise then."""

    def _where(self) -> str:
        return self._class.__name__

    # --- asking ---
    @property
    def type(self) -> LayerType:
        """The LayerType."""
        return self._class._layer_type

    @property
    def name(self) -> str:
        """The layer's name; "(Unnamed Layer* 3) [Softmax]" and the like until set."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError("ILayer.name must be a string")
        self._name = name
        self._changed()

    @property
    def metadata(self) -> str:
        """A text; kept and given back."""
        return self._metadata

    @metadata.setter
    def metadata(self, metadata: str) -> None:
        self._metadata = str(metadata)

    @property
    def num_ranks(self) -> int:
        """1: one device computes the layer."""
        return 1

    @num_ranks.setter
    def num_ranks(self, count: int) -> None:
        if count != 1:
            unsupported("ILayer.num_ranks other than 1", "a network runs on one device")

    @property
    def num_inputs(self) -> int:
        """How many inputs the layer has."""
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        """How many outputs the layer has."""
        return len(self._outputs)

    def get_input(self, index: int) -> Optional[ITensor]:
        """The tensor of an input; None outside."""
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index: int) -> Optional[ITensor]:
        """An output by its number; None outside."""
        return self._outputs[index] if 0 <= index < len(self._outputs) else None

    def set_input(self, index: int, tensor: ITensor) -> None:
        """Another tensor for an input; one past the last adds an optional input."""
        if tensor is not None and not isinstance(tensor, ITensor):
            raise TypeError("set_input(): tensor must be an ITensor")
        limit = self._most_inputs()
        if not 0 <= index < limit:
            self._network._error(
                f"{self._where()}::setInput",
                ApiError(f"layer '{self._name}' has no input {index} (at most {limit})"),
            )
            return
        self._changed()
        while len(self._inputs) <= index:
            self._inputs.append(None)
        self._inputs[index] = tensor

    def _decides_types(self, function: str) -> bool:
        """Whether the network is strongly typed: it takes no requests then, which is told."""
        strongly = self._network.get_flag(NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        if strongly:
            self._network._error(
                f"ILayer::{function}",
                ApiError(
                    "Parameter check failed, condition: !mNetwork->usingStronglyTyped(). "
                    f"INetworkLayer::{function} cannot be called for a strongly typed network."
                ),
            )
        return strongly

    def _most_inputs(self) -> int:
        return max(len(self._inputs), 1)

    # --- precision ---
    @property
    def precision(self) -> DataType:
        """What was asked for; float32 when nothing was."""
        return DataType.FLOAT if self._precision is None else self._precision

    @precision.setter
    def precision(self, dtype: DataType) -> None:
        if not isinstance(dtype, DataType):
            raise TypeError("ILayer.precision must be a DataType")
        if not self._decides_types("setPrecision"):
            self._precision = dtype

    @property
    def precision_is_set(self) -> bool:
        """Whether `precision` was set."""
        return self._precision is not None

    def reset_precision(self) -> None:
        """Takes `precision` back."""
        self._precision = None

    def set_output_type(self, index: int, dtype: DataType) -> None:
        """Another type for an output: an implicit Cast behind the layer."""
        if not isinstance(dtype, DataType):
            raise TypeError("set_output_type(): dtype must be a DataType")
        if self._decides_types("setOutputType"):
            return
        if not 0 <= index < len(self._outputs):
            self._network._error(
                f"{self._where()}::setOutputType",
                ApiError(f"layer '{self._name}' has no output {index}"),
            )
            return
        self._output_types[index] = dtype
        self._changed()

    def get_output_type(self, index: int) -> DataType:
        """The DataType of an output."""
        return self._outputs[index].dtype if 0 <= index < len(self._outputs) else DataType.FLOAT

    def output_type_is_set(self, index: int) -> bool:
        """Whether set_output_type() was called for an output."""
        return index in self._output_types

    def reset_output_type(self, index: int) -> None:
        """Takes set_output_type() back."""
        self._output_types.pop(index, None)
        self._changed()

    def _view(self) -> "ILayer":
        """The same layer as a plain ILayer, as INetworkDefinition.get_layer gives it."""
        view = ILayer.__new__(ILayer)
        view.__dict__ = self.__dict__
        return view


def output_name(layer_name: str, index: int) -> str:
    """TensorRT's default name of a layer's output, by which calibration caches know it."""
    return f"{layer_name}_output" + ("" if index == 0 else f"_{index + 1}")


def layer_type(word: str, kind: LayerType, outputs: int = 1, shape_inputs: Iterable[int] = ()):
    """Class decorator: the layer's word in default names, its LayerType, its outputs."""

    def decorate(cls: type) -> type:
        cls._word, cls._layer_type, cls._outputs_count = word, kind, outputs
        cls.__module__ = ILayer.__module__
        cls._shape_inputs = tuple(shape_inputs)
        return cls

    return decorate
