"""LRN and Normalization (of layers, instances and groups)."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

import octile
from octile import ops

from ._enums import DataType, LayerType
from ._layer_tools import (
    add,
    integer,
    last_axes,
    member,
    number,
    require,
    reshaped,
    scalar,
)
from ._network import ILayer, ITensor, attribute, axes_of_mask, layer_type

__all__ = ["ILRNLayer", "INormalizationLayer"]


def _window(value: Any) -> int:
    value = integer(1, 15)(value)
    require(value % 2 == 1, f"the window {value} must be odd")
    return value


@layer_type("LRN", LayerType.LRN)
class ILRNLayer(ILayer):
    """x / (k + alpha / window · sum of x² over the channels around) ^ beta; channels are the third
    axis from the end."""

    window_size = attribute(_window, doc="How many channels are summed: odd, at most 15.")
    alpha = attribute(number(-1e20, 1e20), doc="The sum's factor.")
    beta = attribute(number(0.01, 1e5), doc="The exponent.")
    k = attribute(number(1e-5, 1e10), doc="The offset.")

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        shape = tuple(inputs[0].shape)
        require(len(shape) >= 3, f"an input of rank 3 or more is needed, not {shape}")
        x = last_axes(net, inputs[0], 4, f"{name}.flatten")
        attributes = {
            "size": self.window_size,
            "alpha": float(self.alpha),
            "beta": float(self.beta),
            "bias": float(self.k),
        }
        y = net.onnx_node("LRN", [x], attributes, name=name)[0]
        return [reshaped(net, y, shape, f"{name}.restore")]


def _precision(value: Any) -> DataType:
    value = member(DataType)(value)
    known = (DataType.FLOAT, DataType.HALF, DataType.BF16)
    require(value in known, f"normalizations are computed in FLOAT, HALF or BF16, not {value}")
    return value


@layer_type("Normalization", LayerType.NORMALIZATION)
class INormalizationLayer(ILayer):
    """(x − mean) / √(variance + epsilon) · scale + bias over axes.

    With groups, the channels (axis 1) of one group are normalized together. scale and bias have
    x's rank; with groups their channels are the groups', where add_normalization() made the layer.
    """

    axes = attribute(integer(1, 2**32 - 1), doc="Bit i: axis i is normalized.")
    epsilon = attribute(number(0.0), float(np.float32(1e-5)), "Added to the variance.")
    num_groups = attribute(integer(1), 1, "Groups of channels.")
    compute_precision = attribute(
        _precision, DataType.FLOAT, "HALF and BF16 round inputs and output; sums are float32's."
    )
    _is_v2 = False

    @property
    def is_v2(self) -> bool:
        """Whether add_normalization_v2() made it."""
        return self._is_v2

    def _most_inputs(self) -> int:
        return 3

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x, scale, bias = (self._rounded(net, t, name, i) for i, t in enumerate(inputs))
        shape, axes = tuple(x.shape), axes_of_mask(self.axes, len(x.shape))
        for what, parameter in (("scale", scale), ("bias", bias)):
            require(
                len(parameter.shape) == len(shape),
                f"{what} {tuple(parameter.shape)} must have the rank of {shape}",
            )
        if self.num_groups == 1:
            y = self._affine(net, self._normalized(net, x, axes, name), scale, bias, name)
        else:
            y = self._by_groups(net, x, axes, scale, bias, name)
        return [self._rounded(net, y, name, "output")]

    def _by_groups(
        self, net: octile.Network, x: octile.Tensor, axes: list, scale: Any, bias: Any, name: str
    ) -> octile.Tensor:
        shape, groups = tuple(x.shape), self.num_groups
        require(len(shape) >= 2, f"{shape} has no channels")
        channels = shape[1]
        require(
            channels != -1 and channels % groups == 0,
            f"{channels} channels do not split into {groups} groups",
        )
        split = (shape[0], groups, channels // groups, *shape[2:])
        y = reshaped(net, x, split, f"{name}.split")
        inner = sorted({2} | {axis + (axis > 0) for axis in axes if axis != 1})
        y = self._normalized(net, y, inner, name)
        if scale.shape[1] == groups and not self._is_v2:
            wide = [
                reshaped(net, t, (*t.shape[:2], 1, *t.shape[2:]), f"{name}.{what}_of_groups")
                for what, t in (("scale", scale), ("bias", bias))
            ]
            y = self._affine(net, y, *wide, name)
            return reshaped(net, y, shape, f"{name}.join")
        y = reshaped(net, y, shape, f"{name}.join")
        return self._affine(net, y, scale, bias, name)

    def _normalized(
        self, net: octile.Network, x: octile.Tensor, axes: list, name: str
    ) -> octile.Tensor:
        kinds = ops.ElementwiseKind
        mean_of = ops.Reduce(kind=ops.ReduceKind.MEAN, axes=axes, keep_dims=True)
        mean = net.add(mean_of, [x], f"{name}.mean").output(0)
        centred = net.elementwise(x, mean, kinds.SUB, name=f"{name}.centred")
        square = net.elementwise(centred, centred, kinds.MUL, name=f"{name}.square")
        variance = net.add(mean_of, [square], f"{name}.variance").output(0)
        epsilon = scalar(net, self.epsilon, np.float32, f"{name}.epsilon")
        spread = net.elementwise(variance, epsilon, kinds.ADD, name=f"{name}.spread")
        root = net.unary(spread, ops.UnaryKind.SQRT, name=f"{name}.root")
        return net.elementwise(centred, root, kinds.DIV, name=f"{name}.normalized")

    def _affine(
        self, net: octile.Network, y: octile.Tensor, scale: Any, bias: Any, name: str
    ) -> octile.Tensor:
        y = net.elementwise(y, scale, ops.ElementwiseKind.MUL, name=f"{name}.scaled")
        return net.elementwise(y, bias, ops.ElementwiseKind.ADD, name=name)

    def _rounded(
        self, net: octile.Network, x: octile.Tensor, name: str, what: Any
    ) -> octile.Tensor:
        if self.compute_precision == DataType.FLOAT:
            return x
        short = "float16" if self.compute_precision == DataType.HALF else "bfloat16"
        x = net.cast(x, short, name=f"{name}.{what}_rounded")
        return net.cast(x, "float32", name=f"{name}.{what}_widened")


class _NormalizationV2(INormalizationLayer):
    """Makes an INormalizationLayer that add_normalization_v2() adds."""

    _word = "NormalizationV2"

    def __init__(self, network: Any, inputs: Sequence[ITensor]):
        super().__init__(network, inputs)
        self.__class__ = self._class = INormalizationLayer
        self._is_v2 = True


class AddNormalize:
    """The add_* functions of this file's layers."""

    def add_lrn(
        self, input: ITensor, window: int, alpha: float, beta: float, k: float
    ) -> Optional[ILRNLayer]:
        """Local response normalization over `window` channels."""
        values = {"window_size": window, "alpha": alpha, "beta": beta, "k": k}
        return add(self, ILRNLayer, "addLRN", [input], **values)

    def add_normalization(
        self, input: ITensor, scale: ITensor, bias: ITensor, axesMask: int
    ) -> Optional[INormalizationLayer]:
        """Normalization over the axes of the mask; of groups with parameters (1, groups, 1 …)."""
        inputs = [input, scale, bias]
        return add(self, INormalizationLayer, "addNormalization", inputs, axes=axesMask)

    def add_normalization_v2(
        self, input: ITensor, scale: ITensor, bias: ITensor, axesMask: int
    ) -> Optional[INormalizationLayer]:
        """Normalization over the axes of the mask; of groups with parameters (1, C, 1 …)."""
        inputs = [input, scale, bias]
        return add(self, _NormalizationV2, "addNormalizationV2", inputs, axes=axesMask)
