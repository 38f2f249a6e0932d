"""Layers of a native network as layers of an INetworkDefinition.

What has the same meaning in both becomes TensorRT's class, so that a program finds the attributes
that it knows; everything else becomes a `NativeLayer`, which keeps the native op.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

import octile

from ._enums import LayerType
from ._network import ApiError, ILayer, ITensor, from_native_dtype

_TYPES = {
    "Convolution": "CONVOLUTION",
    "Deconvolution": "DECONVOLUTION",
    "Activation": "ACTIVATION",
    "Pooling": "POOLING",
    "Scale": "SCALE",
    "Elementwise": "ELEMENTWISE",
    "Unary": "UNARY",
    "Reduce": "REDUCE",
    "MatrixMultiply": "MATRIX_MULTIPLY",
    "Constant": "CONSTANT",
    "Shuffle": "SHUFFLE",
    "ReshapeTo": "SHUFFLE",
    "Concatenation": "CONCATENATION",
    "Slice": "SLICE",
    "SliceBetween": "SLICE",
    "Expand": "SLICE",
    "Padding": "SLICE",
    "Softmax": "SOFTMAX",
    "TopK": "TOPK",
    "TopKOf": "TOPK",
    "Gather": "GATHER",
    "GatherElements": "GATHER",
    "GatherNd": "GATHER",
    "ScatterElements": "SCATTER",
    "ScatterNd": "SCATTER",
    "Resize": "RESIZE",
    "Select": "SELECT",
    "Cast": "CAST",
    "Identity": "IDENTITY",
    "Quantize": "QUANTIZE",
    "Dequantize": "DEQUANTIZE",
    "GridSample": "GRID_SAMPLE",
    "NonZero": "NON_ZERO",
    "NonMaxSuppression": "NMS",
    "ShapeOf": "SHAPE",
    "Counting": "FILL",
    "CumulativeSum": "CUMULATIVE",
}


class NativeLayer(ILayer):
    """A layer that keeps a native op; its LayerType is the nearest of TensorRT's."""

    _layer_type = LayerType.PLUGIN_V2

    def __init__(self, network: Any, inputs: list, layer: "octile.Layer"):
        self._outputs_count = len(layer.outputs)
        super().__init__(network, inputs)
        self._op = layer.op
        self._value = layer.output(0).value if type(layer.op).__name__ == "Constant" else None

    @property
    def type(self) -> LayerType:
        return getattr(LayerType, _TYPES.get(type(self._op).__name__, "PLUGIN_V2"))

    def _view(self) -> ILayer:
        view = NativeLayer.__new__(NativeLayer)
        view.__dict__ = self.__dict__
        return view

    def _emit(self, net: "octile.Network", inputs: list, name: str) -> list:
        if self._value is not None:
            return [net.constant(self._value, name=name)]
        return net.add(self._op, inputs, name=name).outputs


def adopt(network: Any, native: "octile.Network") -> Dict[str, ILayer]:
    """Adds inputs, layers and outputs of `native` to `network`; returns the layers by name.

    All or nothing. Raises octile.Error where a name is taken.
    """
    known = {tensor.name for tensor in network._inputs}
    for tensor in native.inputs:
        if tensor.name in known:
            raise octile.InvalidArgument(f"the network has an input '{tensor.name}' already")
    tensors: dict = {}
    for tensor in native.inputs:
        made = ITensor(network, None, 0, tensor.name)
        made._dtype, made._input_shape = from_native_dtype(tensor.dtype), tuple(tensor.shape)
        network._inputs.append(made)
        tensors[tensor.name] = made
    layers = {}
    for layer in native.layers:
        inputs = [tensors[tensor.name] for tensor in layer.inputs]
        made = _as_tensorrt(network, layer, inputs) or NativeLayer(network, inputs, layer)
        made._name = layer.name
        for output, tensor in zip(made._outputs, layer.outputs):
            output._name = tensor.name
            output._range = tensor.dynamic_range
            tensors[tensor.name] = output
        network._layers.append(made)
        layers[layer.name] = made
    network._emission.reset()
    for tensor in native.outputs:
        network._outputs.append(tensors[tensor.name])
    return layers


def _as_tensorrt(network: Any, layer: "octile.Layer", inputs: list) -> Optional[ILayer]:
    make = _MAKERS.get(type(layer.op).__name__)
    if make is None:
        return None
    try:
        return make(network, layer.op, layer, inputs)
    except ApiError:
        return None


_MAKERS: Dict[str, Callable] = {}
