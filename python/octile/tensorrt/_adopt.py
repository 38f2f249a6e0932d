"""Layers of a native network as layers of an INetworkDefinition. Start reading at `adopt`.

What means the same in both becomes TensorRT's class with its attributes (`_adoption.py`), so that
a program can read and edit what it knows; everything else becomes a `NativeLayer`. As long as
a layer is not edited the native op itself is written, so that the engine is the model's own.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import numpy as np

import octile
from octile import ops

from . import _adopt_layers, _adopt_tensors  # noqa: F401  (they register)
from ._adoption import Adoption, adoption_of, folds
from ._enums import LayerType
from ._layer_tools import initialize
from ._native_values import ApiError, from_native_dtype
from ._tensor import ILayer, ITensor
from ._types import UnsupportedError, Weights

_TYPES = {
    "Slice": "SLICE",
    "SliceBetween": "SLICE",
    "Expand": "SLICE",
    "Padding": "SLICE",
    "TopKOf": "TOPK",
    "Quantize": "QUANTIZE",
    "Dequantize": "DEQUANTIZE",
    "NonZero": "NON_ZERO",
    "NonMaxSuppression": "NMS",
    "Counting": "FILL",
    "CumulativeSum": "CUMULATIVE",
    "Constant": "CONSTANT",
    "Convolution": "CONVOLUTION",
    "Deconvolution": "DECONVOLUTION",
    "Activation": "ACTIVATION",
    "Pooling": "POOLING",
    "Elementwise": "ELEMENTWISE",
    "Unary": "UNARY",
    "Reduce": "REDUCE",
    "MatrixMultiply": "MATRIX_MULTIPLY",
    "Softmax": "SOFTMAX",
    "Resize": "RESIZE",
    "Scale": "SCALE",
    "ScatterElements": "SCATTER",
    "ScatterNd": "SCATTER",
}
_SHAPE_INPUTS = {"SliceBetween": (1, 2), "Expand": (1,), "TopKOf": (1,), "Counting": (0, 1, 2)}


class NativeLayer(ILayer):
    """A layer that keeps a native op; its LayerType is the nearest of TensorRT's."""

    _layer_type = LayerType.PLUGIN_V2

    def __init__(self, network: Any, inputs: list, layer: "octile.Layer"):
        self._outputs_count = len(layer.outputs)
        super().__init__(network, inputs)
        self._class = _native_class(type(layer.op).__name__)
        self._op = layer.op
        self._value = layer.outputs[0].value if isinstance(layer.op, ops.Constant) else None

    def _emit(self, net: "octile.Network", inputs: list, name: str) -> list:
        edited = [key[3:] for key in self.__dict__ if key.startswith("_a_")]
        if edited:
            raise ApiError(
                f"{edited[0]} was set, but the model's operator ({type(self._op).__name__}) has "
                "attributes that TensorRT's layer cannot express: edit the model instead"
            )
        if self._value is not None:
            return [net.constant(self._value, name=name)]
        return net.add(self._op, inputs, name=name).outputs


_native_classes: Dict[str, type] = {}


def _native_class(op: str) -> type:
    """NativeLayer with the LayerType and the shape inputs of a native op."""
    if op not in _native_classes:
        kind = getattr(LayerType, _TYPES.get(op, "PLUGIN_V2"))
        facts = {"_layer_type": kind, "_shape_inputs": _SHAPE_INPUTS.get(op, ())}
        _native_classes[op] = type("NativeLayer", (NativeLayer,), facts)
    return _native_classes[op]


class Origin:
    """What an adopted layer was: its native op, and its state as long as nobody edited it."""

    def __init__(self, layer: ILayer, native: "octile.Layer", adoption: Adoption, folded: dict):
        self.op, self.adoption = native.op, adoption
        self.folded = folded  # place among the native inputs → (attribute, name, value)
        self.state, self.count = _state(layer), len(layer._inputs)

    def holds(self, layer: ILayer) -> bool:
        """Whether the layer still is what the model says (other input tensors do not matter)."""
        state = _state(layer)
        same = len(layer._inputs) == self.count and state.keys() == self.state.keys()
        return same and all(_equal(value, self.state[key]) for key, value in state.items())

    def emit(self, layer: ILayer, net: "octile.Network", inputs: list, name: str) -> list:
        """The native op itself, with the names that its weights have in the model."""
        if isinstance(self.op, ops.Constant):
            return [net.constant(self.adoption.value, name=name)]
        given = iter(inputs[: len(inputs) - self.adoption.scales])
        count = len(inputs) - self.adoption.scales + len(self.folded)
        operands: List[Any] = []
        for place in range(count):
            if place not in self.folded:
                operands.append(next(given))
                continue
            attribute, known, value = self.folded[place]
            tensor = _constant(net, known, value, f"{name}.{attribute}")
            layer._weight_tensors[attribute] = tensor.name
            operands.append(tensor)
        return net.add(self.op, operands, name=name).outputs


def _state(layer: ILayer) -> dict:
    kept = ("_order", "_reshape_dims", "_axes")
    return {
        key: dict(value) if isinstance(value, dict) else value
        for key, value in layer.__dict__.items()
        if key.startswith("_a_") or key in kept
    }


def _equal(a: Any, b: Any) -> bool:
    return a is b if isinstance(a, Weights) or isinstance(b, Weights) else bool(a == b)


def _constant(
    net: "octile.Network", name: str, value: np.ndarray, otherwise: str
) -> "octile.Tensor":
    """The constant `name`, which several layers may share; where the name is taken another."""
    found = net.find_tensor(name)
    if found is None and net.find_layer(name) is None:
        return net.constant(value, name=name)
    known = None if found is None else found.value
    same = known is not None and known.dtype == value.dtype and np.array_equal(known, value)
    return found if same else net.constant(value, name=otherwise)


_adopted_classes: Dict[type, type] = {}


def _adopted_class(cls: type) -> type:
    """`cls` that writes its native op as long as it was not edited."""
    if cls not in _adopted_classes:

        def emit(layer: ILayer, net: "octile.Network", inputs: list, name: str) -> list:
            origin = layer._origin
            if origin.holds(layer):
                return origin.emit(layer, net, inputs, name)
            return origin.adoption.edited(cls, layer, net, inputs, name)

        def most_inputs(layer: ILayer) -> int:
            return max(cls._most_inputs(layer), layer._origin.count)

        methods = {"_emit": emit, "_most_inputs": most_inputs}
        _adopted_classes[cls] = type(cls.__name__, (cls,), methods)
    return _adopted_classes[cls]


class Adopter:
    """One adoption: the tensors and layers made so far."""

    def __init__(self, network: Any, native: "octile.Network", declared: dict):
        self._network, self._native, self._declared = network, native, declared
        self._tensors: Dict[str, ITensor] = {}
        self.layers: Dict[str, ILayer] = {}  # by the native layer's name
        self._folded = _only_folded(native)

    def run(self) -> None:
        for tensor in self._native.inputs:
            made = ITensor(self._network, None, 0, tensor.name)
            made._dtype, made._input_shape = from_native_dtype(tensor.dtype), tuple(tensor.shape)
            self._network._inputs.append(made)
            self._tensors[tensor.name] = made
            self._declare(made)
        for layer in self._native.layers:
            if layer.outputs[0].name not in self._folded:
                self._add(layer)
        self._network._emission.reset()
        for tensor in self._native.outputs:
            self._network._outputs.append(self._tensors[tensor.name])
            self._declare(self._tensors[tensor.name])

    def _declare(self, tensor: ITensor) -> None:
        """Types that the native network computes in float32, and names of extents."""
        known = self._declared.get(tensor.name)
        if known is None:
            return
        if known.dtype is not None:
            tensor._dtype = known.dtype
        if tensor._producer is None:
            tensor._dimension_names = {i: name for i, name in enumerate(known.names) if name}

    def _add(self, layer: "octile.Layer") -> None:
        made = self._as_tensorrt(layer)
        if made is None:
            inputs = [self._tensors[tensor.name] for tensor in layer.inputs]
            made = NativeLayer(self._network, inputs, layer)
        made._name = layer.name
        for output, tensor in zip(made._outputs, layer.outputs):
            output._name, output._range = tensor.name, tensor.dynamic_range
            self._tensors[tensor.name] = output
        self._network._layers.append(made)
        self.layers[layer.name] = made

    def _as_tensorrt(self, layer: "octile.Layer") -> Optional[ILayer]:
        numbered = self._network._numbered
        try:
            adoption = adoption_of(layer)
            if adoption is None:
                return None
            inputs, folded = self._inputs(layer)
            inputs += self._scale_layers(layer, adoption)
            made = initialize(adoption.cls, self._network, inputs, adoption.attributes)
        except (ApiError, UnsupportedError, TypeError):
            self._network._numbered = numbered
            return None
        made.__dict__.update(adoption.state)
        for attribute, _, value in folded.values():
            made.__dict__[getattr(adoption.cls, attribute)._key] = Weights(value)
        made._weight_names = {attribute: name for attribute, name, _ in folded.values()}
        if isinstance(layer.op, ops.Constant):
            made._weight_names = {"weights": layer.outputs[0].name}
        made._weight_tensors = {}
        made._class = _adopted_class(adoption.cls)
        made._origin = Origin(made, layer, adoption, folded)
        return made

    def _inputs(self, layer: "octile.Layer") -> tuple:
        """Tensors, and constants that become attributes: place → (attribute, name, value)."""
        inputs, folded = [], {}
        for place, tensor in enumerate(layer.inputs):
            attribute = folds(layer, place)
            if attribute is None:
                inputs.append(self._tensors[tensor.name])
            else:
                folded[place] = (attribute, tensor.name, tensor.value)
        return inputs, folded

    def _scale_layers(self, layer: "octile.Layer", adoption: Adoption) -> list:
        """Constant layers for scales, which are inputs in TensorRT."""
        if not adoption.scales:
            return []
        from ._layers_linear import IConstantLayer

        scale = np.asarray(layer.op.scale, np.float32)
        scale = scale.reshape(()) if scale.size == 1 else scale
        values = {"shape": scale.shape, "weights": scale}
        made = initialize(IConstantLayer, self._network, [], values)
        made._name = f"{layer.name}.scale"
        made._outputs[0]._name = f"{layer.name}.scale"
        self._network._layers.append(made)
        return [made._outputs[0]]


def _only_folded(native: "octile.Network") -> set:
    """Names of constants that become attributes of all layers that read them."""
    kept = {tensor.name for tensor in native.outputs}
    folded = set()
    for layer in native.layers:
        for place, tensor in enumerate(layer.inputs):
            (kept if folds(layer, place) is None else folded).add(tensor.name)
    return folded - kept


def adopt(
    network: Any, native: "octile.Network", declared: Optional[dict] = None
) -> Dict[str, ILayer]:
    """Adds inputs, layers and outputs of `native` to `network`; returns the layers by name.

    `declared`: what the model says of inputs and outputs besides (`_onnx_values.py`). All or
    nothing. Raises octile.Error where a name is taken.
    """
    known = {tensor.name for tensor in network._inputs}
    for tensor in native.inputs:
        if tensor.name in known:
            raise octile.InvalidArgument(f"the network has an input '{tensor.name}' already")
    counts = [len(kept) for kept in (network._inputs, network._layers, network._outputs)]
    adopter = Adopter(network, native, declared or {})
    try:
        adopter.run()
    except octile.Error:
        for kept, count in zip((network._inputs, network._layers, network._outputs), counts):
            del kept[count:]
        network._emission.reset()
        raise
    return adopter.layers
