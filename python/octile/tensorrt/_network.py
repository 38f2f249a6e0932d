"""Networks as TensorRT's API keeps them, and how they become a native `octile.Network`.

`NetworkBase` holds TensorRT's own objects (layers in the order of adding, tensors, names). The native
network is written from them lazily: `Emission` adds a layer's native layers once somebody asks for a
shape or builds; an edit takes back everything from the edited layer on. Start reading at
`Emission.emit`. The layers themselves are in `_layers_*.py`.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Optional, Sequence

import numpy as np

import octile

from ._enums import DataType, ErrorCode, LayerType, TensorFormat, TensorLocation
from ._types import Dims, Weights, nptype, report, unsupported

__all__ = ["ITensor", "ILayer"]

_MAX_DIMS = 8
_LOW = (DataType.HALF, DataType.BF16)
_NO_COUNTERPART = tuple(
    getattr(DataType, name) for name in ("FP8", "INT4", "FP4", "E8M0") if hasattr(DataType, name)
)


class ApiError(Exception):
    """A call that TensorRT answers with a logged error and None, False or −1."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.INVALID_ARGUMENT):
        super().__init__(message)
        self.code = code


def to_native_dtype(dtype: DataType) -> np.dtype:
    """The dtype that the native network computes in: float32 for HALF and BF16."""
    if dtype in _NO_COUNTERPART:
        raise unsupported(f"DataType.{dtype.name}", "Octile computes in float32 and INT8")
    return np.dtype("float32") if dtype in _LOW else np.dtype(nptype(dtype))


def from_native_dtype(dtype: np.dtype) -> DataType:
    """TensorRT's name of a native tensor's dtype."""
    if dtype == "bfloat16":
        return DataType.BF16
    try:
        return _FROM_NUMPY[np.dtype(dtype).name]
    except KeyError:
        raise unsupported(f"dtype {dtype}", "cast it to a type that TensorRT has") from None


_FROM_NUMPY = {
    "float32": DataType.FLOAT,
    "float16": DataType.HALF,
    "int8": DataType.INT8,
    "uint8": DataType.UINT8,
    "int32": DataType.INT32,
    "int64": DataType.INT64,
    "bool": DataType.BOOL,
}


def weights_array(weights: Any) -> Optional[np.ndarray]:
    """The values of `Weights` (or of an array) as float32 where they are float16; None when empty."""
    if weights is None:
        return None
    if not isinstance(weights, Weights):
        weights = Weights(np.ascontiguousarray(weights))
    if weights.size == 0:
        return None
    array = weights.numpy()
    return array.astype(np.float32) if array.dtype == np.float16 else array


def dims(value: Any) -> tuple:
    """A tuple of ints from Dims, a sequence or one int."""
    if isinstance(value, (int, np.integer)):
        return (int(value),)
    return tuple(int(v) for v in value)


def axes_of_mask(mask: int, rank: int) -> list:
    """The axes whose bits are set, ascending."""
    if mask <= 0 or mask >> rank:
        raise ApiError(f"axes mask {mask:#x} does not name axes of a tensor of rank {rank}")
    return [axis for axis in range(rank) if mask >> axis & 1]


class attribute:
    """A property of a layer or tensor, kept in its state; setting it takes back what was emitted.

    `convert` checks and converts what is set (TypeError or ValueError for what cannot be).
    """

    def __init__(self, convert: Optional[Callable] = None, default: Any = None, doc: str = ""):
        self._convert, self._default, self.__doc__ = convert, default, doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._key = name, "_a_" + name

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


class ITensor:
    """A tensor of a network: a network input, or an output of a layer."""

    def __init__(self, network: "NetworkBase", producer: Optional["ILayer"], index: int, name: str):
        self._network, self._producer, self._index, self._name = network, producer, index, name
        self._dtype: Optional[DataType] = None  # asked for; None: what the layer makes
        self._input_shape: Optional[tuple] = None  # of network inputs
        self._range: Optional[tuple] = None
        self._dimension_names: dict = {}
        self._location = TensorLocation.DEVICE
        self._formats = 0x7FFFFFFF
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
        return Dims._invalid() if found is None else Dims(found)

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

    @property
    def is_network_input(self) -> bool:
        return self._producer is None

    @property
    def is_network_output(self) -> bool:
        return any(tensor is self for tensor in self._network._outputs)

    @property
    def is_shape_tensor(self) -> bool:
        """Whether its values give extents: it is, or feeds, a shape argument of a layer."""
        return self._network._is_shape_tensor(self)

    @property
    def is_execution_tensor(self) -> bool:
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
        return True

    def reset_dynamic_range(self) -> None:
        self._range = None

    @property
    def dynamic_range(self) -> Optional[tuple]:
        """(min, max), or None when it was not set."""
        return self._range

    @dynamic_range.setter
    def dynamic_range(self, value: Sequence[float]) -> None:
        self.set_dynamic_range(*value)

    def get_dynamic_range(self) -> Optional[tuple]:
        return self._range

    # --- what cannot change results on the CPU: kept and given back ---
    @property
    def location(self) -> TensorLocation:
        return self._location

    @location.setter
    def location(self, location: TensorLocation) -> None:
        self._location = TensorLocation(location)

    @property
    def allowed_formats(self) -> int:
        return self._formats

    @allowed_formats.setter
    def allowed_formats(self, formats: int) -> None:
        formats = int(formats)
        if not formats & 1 << int(TensorFormat.LINEAR):
            raise unsupported(
                "ITensor.allowed_formats without TensorFormat.LINEAR", "bindings are row-major"
            )
        self._formats = formats

    @property
    def broadcast_across_batch(self) -> bool:
        return self._broadcast

    @broadcast_across_batch.setter
    def broadcast_across_batch(self, value: bool) -> None:
        self._broadcast = bool(value)

    def set_dimension_name(self, index: int, name: str) -> None:
        """Extents of inputs with one name are equal at run time."""
        self._dimension_names[int(index)] = name

    def get_dimension_name(self, index: int) -> Optional[str]:
        return self._dimension_names.get(int(index))


class ILayer:
    """A layer of a network. `type` is its LayerType; subclasses may hide it, as TensorRT's do."""

    _word = ""  # in the default name "(Unnamed Layer* 3) [word]"
    _layer_type: LayerType
    _outputs_count = 1
    _shape_inputs: tuple = ()  # inputs whose values give extents

    def __init__(self, network: "NetworkBase", inputs: Sequence[Optional[ITensor]]):
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
    def _emit(self, net: "octile.Network", inputs: list, name: str) -> list:
        """Adds native layers for native `inputs` (None: left out); returns native outputs."""
        raise NotImplementedError

    def _output_dtype(self, index: int, native: DataType, inputs: Sequence[DataType]) -> DataType:
        """The type that the output shows: float layers keep their inputs' HALF or BF16."""
        if native != DataType.FLOAT:
            return native
        floats = [t for t in inputs if t == DataType.FLOAT or t in _LOW]
        if floats and all(t == floats[0] for t in floats):
            return floats[0]
        return native

    def _changed(self) -> None:
        self._network._emission.invalidate(self)

    def _where(self) -> str:
        return self._class.__name__

    # --- asking ---
    @property
    def type(self) -> LayerType:
        return self._class._layer_type

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError("ILayer.name must be a string")
        self._name = name
        self._changed()

    @property
    def metadata(self) -> str:
        return self._metadata

    @metadata.setter
    def metadata(self, metadata: str) -> None:
        self._metadata = str(metadata)

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        return len(self._outputs)

    def get_input(self, index: int) -> Optional[ITensor]:
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index: int) -> Optional[ITensor]:
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
        self._precision = dtype

    @property
    def precision_is_set(self) -> bool:
        return self._precision is not None

    def reset_precision(self) -> None:
        self._precision = None

    def set_output_type(self, index: int, dtype: DataType) -> None:
        """Another type for an output: an implicit Cast behind the layer."""
        if not isinstance(dtype, DataType):
            raise TypeError("set_output_type(): dtype must be a DataType")
        if not 0 <= index < len(self._outputs):
            self._network._error(
                f"{self._where()}::setOutputType",
                ApiError(f"layer '{self._name}' has no output {index}"),
            )
            return
        self._output_types[index] = dtype
        self._changed()

    def get_output_type(self, index: int) -> DataType:
        return self._outputs[index].dtype if 0 <= index < len(self._outputs) else DataType.FLOAT

    def output_type_is_set(self, index: int) -> bool:
        return index in self._output_types

    def reset_output_type(self, index: int) -> None:
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
        cls._shape_inputs = tuple(shape_inputs)
        return cls

    return decorate


class Emission:
    """The native network of a TensorRT network, as far as it was written."""

    def __init__(self, network: "NetworkBase"):
        self._network = network
        self.reset()

    def reset(self) -> None:
        """Forgets all: inputs changed."""
        self.net = octile.Network(self._network._name)
        self._stack: list = []  # emitted layers in order
        self._marks: list = []  # native layer handles before each
        self._place: dict = {}  # id(layer state) → index in the stack
        self._tensors: dict = {}  # ITensor → native tensor
        self._dtypes: dict = {}
        self._errors: dict = {}  # id(layer state) → exception
        self._told: set = set()
        self._names: set = set()

    def invalidate(self, layer: ILayer) -> None:
        """Takes back the layer and everything emitted after it."""
        self._errors.clear()
        self._told.clear()
        place = self._place.get(id(layer.__dict__))
        if place is None:
            return
        self.net.truncate(self._marks[place])
        for gone in self._stack[place:]:
            del self._place[id(gone.__dict__)]
            self._names.discard(gone._emitted_name)
            for tensor in gone._emitted_outputs:
                self._tensors.pop(tensor, None)
                self._dtypes.pop(tensor, None)
        del self._stack[place:], self._marks[place:]

    # --- asking; None and an error in the log where there is no answer ---
    def shape(self, tensor: ITensor) -> Optional[tuple]:
        native = self._ask(tensor)
        return None if native is None else tuple(native.shape)

    def dtype(self, tensor: ITensor) -> DataType:
        if self._ask(tensor) is None:
            return DataType.FLOAT
        return self._dtypes[tensor]

    def value(self, tensor: ITensor) -> Optional[np.ndarray]:
        """The value of a constant, else None."""
        native = self._ask(tensor)
        return None if native is None else native.value

    def _ask(self, tensor: ITensor) -> Optional["octile.Tensor"]:
        try:
            return self.tensor(tensor)
        except (ApiError, octile.Error) as error:
            if str(error) not in self._told:
                self._told.add(str(error))
                self._network._error("ITensor::getDimensions", error)
            return None

    # --- writing ---
    def tensor(self, tensor: ITensor) -> "octile.Tensor":
        """The native tensor, emitting what it needs. Raises ApiError or octile.Error."""
        if tensor not in self._tensors:
            if tensor._producer is None:
                self._add_input(tensor)
            else:
                self._emit_with_producers(tensor._producer)
        if tensor not in self._tensors:  # a layer that lost this output
            raise ApiError(f"'{tensor.name}' is no output of a layer any more")
        return self._tensors[tensor]

    def _add_input(self, tensor: ITensor) -> None:
        if not any(tensor is known for known in self._network._inputs):
            raise ApiError(f"'{tensor.name}' is no tensor of this network")
        # All inputs at once, in their order: the order of the engine's bindings.
        for known in self._network._inputs:
            if known in self._tensors:
                continue
            dtype = known._dtype or DataType.FLOAT
            self._tensors[known] = self.net.add_input(
                known.name, to_native_dtype(dtype), known._input_shape
            )
            self._dtypes[known] = dtype

    def _emit_with_producers(self, layer: ILayer) -> None:
        """Depth first without recursion: networks are deeper than Python's stack."""
        pending, open_layers = [layer], set()
        while pending:
            top = pending[-1]
            key = id(top.__dict__)
            if key in self._place:
                pending.pop()
                continue
            if key in self._errors:
                raise self._errors[key]
            missing = [
                t._producer
                for t in top._inputs
                if t is not None and t._producer is not None and t not in self._tensors
            ]
            if missing:
                if key in open_layers:
                    raise ApiError(f"layer '{top._name}' depends on its own output")
                open_layers.add(key)
                pending.extend(missing)
                continue
            self.emit(top)
            pending.pop()

    def emit(self, layer: ILayer) -> None:
        """Writes one layer whose inputs are there. All or nothing."""
        for tensor in layer._inputs:
            if tensor is not None:
                self.tensor(tensor)  # network inputs
        mark = self.net.layer_count
        name = self._free_name(layer._name)
        inputs = [None if t is None else self._tensors[t] for t in layer._inputs]
        types = [self._dtypes[t] for t in layer._inputs if t is not None]
        try:
            outputs = list(layer._class._emit(layer, self.net, inputs, name))
            dtypes = []
            for index, output in enumerate(outputs):
                dtype = layer._class._output_dtype(
                    layer, index, from_native_dtype(output.dtype), types
                )
                wanted = layer._output_types.get(index)
                if wanted is not None and wanted != dtype:
                    output, dtype = self.cast(output, dtype, wanted, f"{name}.cast{index}"), wanted
                # A layer that hands its input through keeps both names.
                if output.producer is None or output in inputs:
                    output = self.net.identity(output, name=f"{name}.output{index}")
                outputs[index] = output
                dtypes.append(dtype)
            for tensor, output in zip(layer._outputs, outputs):
                output.name = tensor.name
        except (ApiError, octile.Error, ValueError, TypeError, IndexError) as error:
            self.net.truncate(mark)
            self._names.discard(name)
            if not isinstance(error, (ApiError, octile.Error)):
                error = ApiError(str(error))
            place = f"{layer._name}: "
            if isinstance(error, ApiError) and not str(error).startswith(place):
                error = ApiError(place + str(error), error.code)
            self._errors[id(layer.__dict__)] = error
            raise error from None
        layer._emitted_name, layer._emitted_outputs = name, list(layer._outputs)
        self._place[id(layer.__dict__)] = len(self._stack)
        self._stack.append(layer)
        self._marks.append(mark)
        for tensor, output, dtype in zip(layer._outputs, outputs, dtypes):
            self._tensors[tensor], self._dtypes[tensor] = output, dtype

    def cast(
        self, tensor: "octile.Tensor", dtype: DataType, wanted: DataType, name: str
    ) -> "octile.Tensor":
        """`tensor`, shown as `dtype`, as `wanted`: HALF and BF16 are rounded, kept as float32."""
        native = to_native_dtype(wanted)
        if wanted in _LOW:
            short = "float16" if wanted == DataType.HALF else "bfloat16"
            tensor = self.net.cast(tensor, short, name=f"{name}.round")
        return self.net.cast(tensor, native, name=name)

    def _free_name(self, name: str) -> str:
        free, copy = name, 2
        while free in self._names or self.net.find_layer(free) is not None:
            free, copy = f"{name}#{copy}", copy + 1
        self._names.add(free)
        return free

    def complete(self) -> "octile.Network":
        """A copy of the whole network with outputs marked and requests set, ready to build.

        Raises ApiError or octile.Error naming what is wrong.
        """
        network = self._network
        if not network._outputs:
            raise ApiError("Network must have at least one output", ErrorCode.INTERNAL_ERROR)
        for tensor in network._inputs:
            self.tensor(tensor)
        for layer in network._layers:
            self._emit_with_producers(layer)
        net = self.net.copy()
        for tensor in network._outputs:
            net.mark_output(net.find_tensor(self.tensor(tensor).name))
        for tensor, native in self._tensors.items():
            if tensor._range is not None:
                net.find_tensor(native.name).dynamic_range = tensor._range
        for layer in network._layers:
            if layer._precision is None:
                continue
            wanted = "int8" if layer._precision == DataType.INT8 else "float32"
            for output in layer._emitted_outputs:
                found = net.find_tensor(self._tensors[output].name)
                if found.producer is not None:
                    found.producer.precision = wanted
        return net

    def rename(self, tensor: ITensor, name: str) -> None:
        native = self._tensors.get(tensor)
        if native is None:
            return
        if tensor._producer is None:
            self.reset()
            return
        try:
            native.name = name
        except octile.Error:
            self.invalidate(tensor._producer)


class NetworkBase:
    """What INetworkDefinition is made of, without its add_* methods."""

    def __init__(self, builder: Any, flags: int):
        self._builder = builder
        self._flags = int(flags)
        self._name = ""
        self._layers: list = []
        self._inputs: list = []
        self._outputs: list = []
        self._debug: dict = {}  # id(tensor) → tensor
        self._recorder = None
        self._numbered = 0
        self._keep: list = []
        self._emission = Emission(self)

    # --- errors ---
    def _error(self, where: str, error: Exception, result: Any = None) -> Any:
        """Logs as TensorRT does and returns `result`."""
        code = error.code if isinstance(error, ApiError) else ErrorCode.INVALID_ARGUMENT
        report(self._builder._logger, self._builder._recorder, None, code, where, str(error))
        return result

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
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = str(name)

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        return len(self._outputs)

    @property
    def flags(self) -> int:
        return self._flags

    def get_flag(self, flag: Any) -> bool:
        return bool(self._flags >> int(flag) & 1)

    @property
    def has_implicit_batch_dimension(self) -> bool:
        return False

    @property
    def has_explicit_precision(self) -> bool:
        return False

    @property
    def builder(self) -> Any:
        return self._builder

    @property
    def error_recorder(self) -> Any:
        return self._recorder

    @error_recorder.setter
    def error_recorder(self, recorder: Any) -> None:
        self._recorder = recorder

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, index: int) -> ILayer:
        if not -len(self._layers) <= index < len(self._layers):
            raise IndexError("layer index out of range")
        return self._layers[index]._view()

    def __iter__(self):
        return iter([layer._view() for layer in self._layers])

    def get_layer(self, index: int) -> Optional[ILayer]:
        return self._layers[index]._view() if 0 <= index < len(self._layers) else None

    def get_input(self, index: int) -> Optional[ITensor]:
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index: int) -> Optional[ITensor]:
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
        if not isinstance(tensor, ITensor):
            raise TypeError("mark_output(): incompatible function arguments")
        if tensor.is_network_output:
            self._error(
                "INetworkDefinition::markOutput", ApiError(f"'{tensor.name}' is an output already")
            )
            return
        self._outputs.append(tensor)

    def unmark_output(self, tensor: ITensor) -> None:
        if not tensor.is_network_output:
            self._error(
                "INetworkDefinition::unmarkOutput", ApiError(f"'{tensor.name}' is no output")
            )
            return
        self._outputs = [known for known in self._outputs if known is not tensor]

    def mark_output_for_shapes(self, tensor: ITensor) -> bool:
        self.mark_output(tensor)
        return True

    def unmark_output_for_shapes(self, tensor: ITensor) -> bool:
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
        self._debug[id(tensor)] = tensor
        return True

    def unmark_debug(self, tensor: ITensor) -> bool:
        return self._debug.pop(id(tensor), None) is not None

    def is_debug_tensor(self, tensor: ITensor) -> bool:
        return id(tensor) in self._debug

    def mark_unfused_tensors_as_debug_tensors(self) -> bool:
        raise unsupported("INetworkDefinition.mark_unfused_tensors_as_debug_tensors", "use mark_debug")

    def unmark_unfused_tensors_as_debug_tensors(self) -> bool:
        return False

    def set_weights_name(self, weights: Any, name: str) -> bool:
        """Names weights for the Refitter."""
        self._weight_names = getattr(self, "_weight_names", [])
        self._weight_names.append((name, weights))
        return True
