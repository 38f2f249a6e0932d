"""`Adoption`: TensorRT's class and attributes for a native layer.

`_adopt_layers.py` and `_adopt_tensors.py` say for each op which they are; an op that TensorRT's
layer cannot express has none.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

import numpy as np

import octile
from octile import ops

from ._enums import MatrixOperation
from ._layers_linear import IMatrixMultiplyLayer
from ._layers_pointwise import IElementWiseLayer
from ._layers_shape import ISelectLayer


class Adoption:
    """How a native layer looks as one of TensorRT's."""

    def __init__(self, cls: type, **attributes: Any):
        self.cls, self.attributes = cls, attributes
        self.state: dict = {}  # what is kept beside attributes
        self.scales = 0  # constant inputs of TensorRT's layer that the native one keeps itself
        self.value: Any = None  # of a constant

    def edited(self, cls: type, layer: Any, net: Any, inputs: list, name: str) -> list:
        """Writes the layer as TensorRT's class does, after an edit."""
        if cls in (IElementWiseLayer, ISelectLayer):
            return cls._emit(layer, net, _equal_ranks(net, inputs, name), name)
        if cls is not IMatrixMultiplyLayer:
            return cls._emit(layer, net, inputs, name)
        if MatrixOperation.VECTOR not in (layer.op0, layer.op1):
            inputs = [*_equal_ranks(net, inputs[:2], name), *inputs[2:]]
        if len(inputs) < 3:
            return cls._emit(layer, net, inputs, name)
        product = cls._emit(layer, net, inputs[:2], f"{name}.product")[0]
        bias = _equal_ranks(net, [product, inputs[2]], name)[1]
        return [net.elementwise(product, bias, ops.ElementwiseKind.ADD, name=name)]


def _equal_ranks(net: Any, inputs: list, name: str) -> list:
    """ONNX puts 1s in front of the shorter shape, TensorRT wants equal ranks."""
    rank, made = max(len(x.shape) for x in inputs), []
    for index, x in enumerate(inputs):
        shape, part = (1,) * (rank - len(x.shape)) + tuple(x.shape), f"{name}.rank{index}"
        if len(x.shape) == rank:
            made.append(x)
        elif x.value is not None:  # stays a constant: INT8 weights have to be
            made.append(net.constant(x.value.reshape(shape), name=part))
        else:
            made.append(net.reshape(x, shape, name=part))  # at most one is unknown
    return made


_makers: Dict[type, Callable] = {}


def adopted_from(op: type) -> Callable:
    """Decorator of the function that gives the Adoption of layers with such an op, or None."""

    def keep(make: Callable) -> Callable:
        _makers[op] = make
        return make

    return keep


def adoption_of(layer: "octile.Layer") -> Optional[Adoption]:
    """TensorRT's class and attributes for a native layer; None where there is none."""
    make = _makers.get(type(layer.op))
    return None if make is None else make(layer.op, layer)


def folds(layer: "octile.Layer", place: int) -> Optional[str]:
    """The attribute that a constant input of the layer becomes; None: it stays an input."""
    op, names = layer.op, []
    if isinstance(op, (ops.Convolution, ops.Deconvolution)):
        names = ["", "kernel", "bias"]
    elif isinstance(op, ops.Scale):
        given = ((op.has_scale, "scale"), (op.has_shift, "shift"), (op.has_power, "power"))
        names = ["", *(name for has, name in given if has)]
    if not 0 < place < len(names):
        return None
    tensor = layer.inputs[place]
    return names[place] if tensor.value is not None and tensor.dtype == np.float32 else None


def member_of(kind: Any, name: str) -> Any:
    """The member of an enumeration; None where it has none of that name."""
    return kind.__members__.get(name)
