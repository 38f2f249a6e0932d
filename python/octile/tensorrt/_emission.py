"""How a TensorRT network becomes a native one: `Emission`, lazily, layer by layer.

Start reading at `Emission.emit`. An edit takes back the edited layer and all that was written after
it (`invalidate`); what is asked next writes them anew.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Optional

import numpy as np

import octile

from ._enums import DataType, ErrorCodeTRT
from ._native_values import LOW, ApiError, from_native_dtype, to_native_dtype
from ._tensor import ILayer, ITensor


def int8_scale(tensor: ITensor) -> float:
    """What one step of an INT8 tensor is worth, by its dynamic range."""
    if tensor._range is None:
        raise ApiError(f"'{tensor.name}' is of type INT8: it needs a dynamic range")
    most = max(abs(bound) for bound in tensor._range)
    if most == 0:
        raise ApiError(f"the dynamic range of '{tensor.name}' is empty")
    return most / 127


class Emission:
    """The native network of a TensorRT network, as far as it was written."""

    def __init__(self, network: Any, shapes: Optional[dict] = None, values: Optional[dict] = None):
        """By names of inputs: shapes that are others than the network's, known values or None."""
        self._network, self._shapes, self._values = network, shapes or {}, values or {}
        self.bounds: Optional[tuple] = None  # greatest shapes and values of inputs, by name
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
        self.provisional: set = set()  # loops of which only the shapes are right, without bounds

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the network's layers are written here: loops write their bodies themselves."""
        kept, self._network._emission = self._network._emission, self
        try:
            yield
        finally:
            self._network._emission = kept

    def bound(self, shapes: dict, values: dict) -> None:
        """The profiles' greatest shapes and values of inputs: they bound loops."""
        if self._network.__dict__.get("_loops") and self.bounds != (shapes, values):
            self.bounds = (shapes, values)
            self.reset()

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
            native = self.net.add_input(
                known.name, to_native_dtype(dtype), self._shapes.get(known.name, known._input_shape)
            )
            if dtype == DataType.INT8 and known._range is not None:  # floats, handed in as INT8
                scale, name = int8_scale(known), f"{known.name}.dequantized"
                native, dtype = self.net.dequantize(native, scale, name=name), DataType.FLOAT
            self._tensors[known], self._dtypes[known] = native, dtype
        for known in self._network._inputs:
            if known.name in self._values:
                self._tensors[known] = self._with_values(self._tensors[known])

    def _with_values(self, native: "octile.Tensor") -> "octile.Tensor":
        """A list of integers, those elements of it constant whose values are known."""
        parts = [
            self.net.slice(native, [index], [1])
            if value is None
            else self.net.constant(np.array([value], native.dtype))
            for index, value in enumerate(self._values[native.name])
        ]
        return self.net.concatenation(parts, axis=0)

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
                for t in top._class._needs(top)
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
        for tensor in layer._class._needs(layer):
            if tensor is not None:
                self.tensor(tensor)  # network inputs
        mark = self.net.layer_count
        name = self._free_name(layer._name)
        try:
            outputs, dtypes = self.written(layer, name)
            for tensor, output in zip(layer._outputs, outputs):
                self._call(output, tensor.name)
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

    def written(self, layer: ILayer, name: str) -> tuple:
        """The layer in native layers, on what its inputs are at present: outputs and dtypes."""
        needs = layer._class._needs(layer)
        inputs = [None if t is None else self._tensors[t] for t in needs]
        types = [self._dtypes[t] for t in needs if t is not None]
        outputs = list(layer._class._emit(layer, self.net, inputs, name))
        dtypes = []
        for index, output in enumerate(outputs):
            dtype = layer._class._output_dtype(layer, index, from_native_dtype(output.dtype), types)
            wanted = layer._output_types.get(index)
            if wanted is not None and wanted != dtype:
                output, dtype = self.cast(output, dtype, wanted, f"{name}.cast{index}"), wanted
            # A layer that hands its input through keeps both names.
            if output.producer is None or any(t is not None and t == output for t in inputs):
                output = self.net.identity(output, name=f"{name}.output{index}")
            outputs[index] = output
            dtypes.append(dtype)
        return outputs, dtypes

    def cast(
        self, tensor: "octile.Tensor", dtype: DataType, wanted: DataType, name: str
    ) -> "octile.Tensor":
        """`tensor`, shown as `dtype`, as `wanted`: HALF and BF16 are rounded, kept as float32."""
        native = to_native_dtype(wanted)
        if wanted in LOW:
            short = "float16" if wanted == DataType.HALF else "bfloat16"
            tensor = self.net.cast(tensor, short, name=f"{name}.round")
        return self.net.cast(tensor, native, name=name)

    def _call(self, output: "octile.Tensor", name: str) -> None:
        """Names a layer's output; a tensor inside of the layer that has the name makes way."""
        taken = self.net.find_tensor(name)
        if taken is not None and taken != output and taken not in self._tensors.values():
            taken.name = f"{name}.inside"
        output.name = name

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
            raise ApiError("Network must have at least one output", ErrorCodeTRT.INVALID_CONFIG)
        places = [id(layer.__dict__) for layer in network._layers]
        if [id(layer.__dict__) for layer in self._stack] != places[: len(self._stack)]:
            self.reset()  # the engine must not depend on which shapes were asked for before
        for tensor in network._inputs:
            self.tensor(tensor)
        for layer in network._layers:
            self._emit_with_producers(layer)
        if self.provisional:
            raise ApiError(f"{min(self.provisional)}: no profile bounds its number of iterations")
        net = self.net.copy()
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
        for tensor in network._outputs:
            net.mark_output(self._typed_output(net, tensor))
        return net

    def _typed_output(self, net: "octile.Network", tensor: ITensor) -> "octile.Tensor":
        """The native output, cast where its dtype was set; floats become INT8 by their range."""
        native, wanted = net.find_tensor(self.tensor(tensor).name), tensor._dtype
        if tensor._producer is None or wanted is None:
            return native
        dtype = to_native_dtype(wanted)
        if dtype == native.dtype:  # HALF and BF16 are made where the output is handed out
            return native
        name = native.name
        native.name = f"{name}.{native.dtype}"
        if wanted == DataType.INT8 and native.dtype == np.dtype("float32"):
            typed = net.quantize(native, int8_scale(tensor), lo=-128, hi=127, name=f"{name}.int8")
        else:
            typed = net.cast(native, dtype, name=f"{name}.{dtype}")
        typed.name = name
        return typed

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
