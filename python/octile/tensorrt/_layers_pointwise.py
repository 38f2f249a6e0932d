"""Activation, Scale, ElementWise, Unary, ParametricReLU, Identity and Cast: element by element."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

import octile
from octile import ops

from ._emission import int8_scale
from ._enums import (
    ActivationType,
    DataType,
    ElementWiseOperation,
    LayerType,
    ScaleMode,
    UnaryOperation,
)
from ._layer_tools import add, integer, member, number, require, scalar, weights
from ._maker import Maker
from ._network import ILayer, ITensor, attribute, layer_type, to_native_dtype, weights_array

__all__ = [
    "IActivationLayer",
    "IScaleLayer",
    "IElementWiseLayer",
    "IUnaryLayer",
    "IParametricReLULayer",
    "IIdentityLayer",
    "ICastLayer",
]

_INTEGERS = (np.dtype("int32"), np.dtype("int64"))


@layer_type("Activation", LayerType.ACTIVATION)
class IActivationLayer(ILayer):
    """A function of one number. What alpha and beta mean hangs on `type`."""

    type = attribute(member(ActivationType), doc="The function.")
    alpha = attribute(number(), 0.0, "0 until set, whatever the function.")
    beta = attribute(number(), 0.0, "0 until set, whatever the function.")

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x = inputs[0]
        if self.type == ActivationType.RELU and x.dtype in _INTEGERS:
            zero = scalar(net, 0, x.dtype, f"{name}.zero")
            return [net.elementwise(x, zero, ops.ElementwiseKind.MAX, name=name)]
        kind = getattr(ops.ActivationKind, self.type.name)
        return [net.activation(x, kind, self.alpha, self.beta, name=name)]


@layer_type("Scale", LayerType.SCALE)
class IScaleLayer(ILayer):
    """(x · scale + shift) ^ power; empty weights are 1, 0 and 1."""

    mode = attribute(member(ScaleMode), doc="What one weight holds for.")
    shift = weights("Added; empty: 0.")
    scale = weights("Multiplies; empty: 1.")
    power = weights("The exponent; empty: 1.")
    channel_axis = attribute(integer(0), 1, "The axis of channels in mode CHANNEL.")

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x, shape, axis = inputs[0], tuple(inputs[0].shape), self.channel_axis
        require(axis < len(shape), f"channel_axis {axis} is no axis of {shape}")
        wanted = {
            ScaleMode.UNIFORM: (),
            ScaleMode.CHANNEL: shape[axis : axis + 1],
            ScaleMode.ELEMENTWISE: shape[axis:],
        }[self.mode]
        require(-1 not in wanted, f"extents {wanted} of {shape} must be known for {self.mode}")
        values = {}
        for what in ("scale", "shift", "power"):
            value = weights_array(getattr(IScaleLayer, what).given(self))
            if value is None:
                continue
            require(
                value.size == int(np.prod(wanted)),
                f"{what} has {value.size} weights, but {self.mode} needs {int(np.prod(wanted))}",
            )
            values[what] = value.astype(np.float32, copy=False).reshape(wanted)
        if not values:
            return [x]
        if self.mode == ScaleMode.ELEMENTWISE and axis != 1:
            return [self._by_steps(net, x, values, name)]
        return [net.scale(x, **values, axis=axis, name=name)]

    def _by_steps(self, net: octile.Network, x: octile.Tensor, values: dict, name: str) -> Any:
        for what, kind in (("scale", "MUL"), ("shift", "ADD"), ("power", "POW")):
            if what in values:
                value = net.constant(values[what], name=f"{name}.{what}")
                kind = getattr(ops.ElementwiseKind, kind)
                x = net.elementwise(x, value, kind, name=f"{name}.by_{what}")
        return x


_ELEMENTWISE = {
    "SUM": "ADD",
    "PROD": "MUL",
    "AND": "AND",
    "OR": "OR",
    "XOR": "XOR",
}
_LOGIC = (ElementWiseOperation.AND, ElementWiseOperation.OR, ElementWiseOperation.XOR)


@layer_type("ElementWise", LayerType.ELEMENTWISE)
class IElementWiseLayer(ILayer):
    """A function of two tensors of one rank; extents of 1 are repeated."""

    op = attribute(member(ElementWiseOperation), doc="The function.")

    def _most_inputs(self) -> int:
        return 2

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        a, b = Maker(net, name).same_types(inputs)
        require(
            len(a.shape) == len(b.shape),
            f"{self.op} needs inputs of one rank, not {tuple(a.shape)} and {tuple(b.shape)}",
        )
        require(
            a.dtype == b.dtype,
            f"{self.op} has incompatible input types {a.dtype} and {b.dtype}",
        )
        require(
            self.op not in _LOGIC or a.dtype == np.dtype("bool"),
            f"operation {self.op.name} needs inputs of type BOOL, not {a.dtype}",
        )
        kind = getattr(ops.ElementwiseKind, _ELEMENTWISE.get(self.op.name, self.op.name))
        return [net.elementwise(a, b, kind, name=name)]


_UNARY = {"RECIP": "RECIPROCAL", "ISINF": "IS_INF", "ISNAN": "IS_NAN"}


@layer_type("Unary", LayerType.UNARY)
class IUnaryLayer(ILayer):
    """A function of one tensor. ROUND takes halves to even numbers."""

    op = attribute(member(UnaryOperation), doc="The function.")

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        require(
            self.op != UnaryOperation.NOT or inputs[0].dtype == np.dtype("bool"),
            f"operation NOT needs an input of type BOOL, not {inputs[0].dtype}",
        )
        kind = getattr(ops.UnaryKind, _UNARY.get(self.op.name, self.op.name))
        return [net.unary(inputs[0], kind, name=name)]


@layer_type("Parametric ReLU", LayerType.PARAMETRIC_RELU)
class IParametricReLULayer(ILayer):
    """x where it is positive, else x · slope; the slopes have x's rank and are repeated."""

    def _most_inputs(self) -> int:
        return 2

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x, slopes = inputs
        require(
            len(x.shape) == len(slopes.shape),
            f"slopes {tuple(slopes.shape)} must have the rank of {tuple(x.shape)}",
        )
        require(
            all(s in (1, -1) or n in (s, -1) for s, n in zip(slopes.shape, x.shape)),
            f"slopes {tuple(slopes.shape)} cannot be repeated to {tuple(x.shape)}",
        )
        kinds = ops.ElementwiseKind
        value = slopes.value
        if value is not None and value.size == 1:  # one kernel, and INT8 where that is on
            slope = float(value.reshape(-1)[0])
            return [net.activation(x, ops.ActivationKind.LEAKY_RELU, slope, 0.0, name=name)]
        zero = scalar(net, 0, np.float32, f"{name}.zero")
        above = net.activation(x, ops.ActivationKind.RELU, name=f"{name}.positive")
        below = net.elementwise(x, zero, kinds.MIN, name=f"{name}.negative")
        below = net.elementwise(below, slopes, kinds.MUL, name=f"{name}.sloped")
        return [net.elementwise(above, below, kinds.ADD, name=name)]


@layer_type("Identity", LayerType.IDENTITY)
class IIdentityLayer(ILayer):
    """x, in another type where set_output_type() or the output's dtype asks for it."""

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        return [net.identity(inputs[0], name=name)]


def _type_of_cast(value: Any) -> DataType:
    value = member(DataType)(value)
    to_native_dtype(value)  # raises for types without counterpart
    return value


@layer_type("Cast", LayerType.CAST)
class ICastLayer(ILayer):
    """x in another type. To INT8 with a dynamic range of the output: quantized by that range."""

    to_type = attribute(_type_of_cast, doc="The type of the output.")

    def _output_dtype(self, index: int, native: DataType, inputs: Sequence[DataType]) -> DataType:
        return self.to_type

    def _range_changed(self) -> None:
        self._changed()

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x, wanted = inputs[0], self.to_type
        native = to_native_dtype(wanted)
        if wanted == DataType.UINT8 and x.dtype != np.dtype("bool"):
            return [self._wrapped(net, x, name)]
        ranged = self._outputs[0]._range is not None
        if wanted == DataType.INT8 and x.dtype == np.dtype("float32") and ranged:
            scale = int8_scale(self._outputs[0])
            return [net.quantize(x, scale, lo=-128, hi=127, name=name)]
        if wanted in (DataType.HALF, DataType.BF16):
            x = net.cast(x, "float16" if wanted == DataType.HALF else "bfloat16", f"{name}.round")
        return [net.cast(x, native, name=name)]

    def _wrapped(self, net: octile.Network, x: octile.Tensor, name: str) -> octile.Tensor:
        """To UINT8 as a GPU casts: negative floats are 0, what is too large wraps."""
        kinds = ops.ElementwiseKind
        if x.dtype == np.dtype("float32"):
            x = net.activation(x, ops.ActivationKind.RELU, name=f"{name}.positive")
        x = net.cast(x, "int64", name=f"{name}.whole")
        bound = scalar(net, 256, np.int64, f"{name}.bound")
        x = net.elementwise(x, bound, kinds.MOD, name=f"{name}.wrapped")
        return net.cast(x, "uint8", name=name)


class AddPointwise:
    """The add_* functions of this file's layers."""

    def add_activation(self, input: ITensor, type: ActivationType) -> Optional[IActivationLayer]:
        """`type` of each element; its alpha and beta are 0 until set."""
        return add(self, IActivationLayer, "addActivation", [input], type=type)

    def add_scale(
        self,
        input: ITensor,
        mode: ScaleMode,
        shift: Any = None,
        scale: Any = None,
        power: Any = None,
    ) -> Optional[IScaleLayer]:
        """(x · scale + shift) ^ power with channels on axis 1."""
        values = {"mode": mode, "shift": shift, "scale": scale, "power": power}
        return add(self, IScaleLayer, "addScale", [input], **values)

    def add_scale_nd(
        self,
        input: ITensor,
        mode: ScaleMode,
        shift: Any = None,
        scale: Any = None,
        power: Any = None,
        channel_axis: int = 0,
    ) -> Optional[IScaleLayer]:
        """(x · scale + shift) ^ power with channels on `channel_axis`."""
        values = {"mode": mode, "shift": shift, "scale": scale, "power": power}
        return add(self, IScaleLayer, "addScaleNd", [input], **values, channel_axis=channel_axis)

    def add_elementwise(
        self, input1: ITensor, input2: ITensor, op: ElementWiseOperation
    ) -> Optional[IElementWiseLayer]:
        """`op` of two tensors of one rank and type."""
        return add(self, IElementWiseLayer, "addElementWise", [input1, input2], op=op)

    def add_unary(self, input: ITensor, op: UnaryOperation) -> Optional[IUnaryLayer]:
        """`op` of each element."""
        return add(self, IUnaryLayer, "addUnary", [input], op=op)

    def add_parametric_relu(
        self, input: ITensor, slopes: ITensor
    ) -> Optional[IParametricReLULayer]:
        """x where positive, else x · slopes."""
        return add(self, IParametricReLULayer, "addParametricReLU", [input, slopes])

    def add_identity(self, input: ITensor) -> Optional[IIdentityLayer]:
        """The same tensor under another name, perhaps in another type."""
        return add(self, IIdentityLayer, "addIdentity", [input])

    def add_cast(self, input: ITensor, to_type: DataType) -> Optional[ICastLayer]:
        """x in another type."""
        return add(self, ICastLayer, "addCast", [input], to_type=to_type)
