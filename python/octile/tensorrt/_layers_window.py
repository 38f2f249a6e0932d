"""Convolution and Deconvolution, and what all layers with a moving window share.

The window lies on the last two or three axes; the axis before them holds channels, those before it
are batches.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

import octile
from octile import ops

from ._enums import LayerType, PaddingMode
from ._layer_tools import (
    add,
    extents,
    integer,
    last_axes,
    member,
    require,
    reshaped,
    same_as,
    weights,
)
from ._network import ILayer, ITensor, attribute, layer_type, weights_array
from ._types import DimsHW

__all__ = ["IConvolutionLayer", "IDeconvolutionLayer"]

CAFFE = (PaddingMode.CAFFE_ROUND_DOWN, PaddingMode.CAFFE_ROUND_UP)
_SAME = {
    PaddingMode.SAME_UPPER: ops.PaddingMode.SAME_UPPER,
    PaddingMode.SAME_LOWER: ops.PaddingMode.SAME_LOWER,
}
_ROUND_UP = (PaddingMode.EXPLICIT_ROUND_UP, PaddingMode.CAFFE_ROUND_UP)


class WindowLayer(ILayer):
    """Strides and paddings."""

    stride_nd = extents(1, 1, doc="The window's step on each axis; 1 until set.")
    pre_padding = extents(0, 0, doc="Elements added before each axis.")
    post_padding = extents(0, 0, doc="Elements added behind each axis.")
    padding_mode = attribute(
        member(PaddingMode), PaddingMode.EXPLICIT_ROUND_DOWN, "How output extents are derived."
    )
    stride = same_as("stride_nd", DimsHW)

    def _rank(self) -> int:
        raise NotImplementedError

    @property
    def padding_nd(self) -> Any:
        """The paddings before each axis; setting it sets those before and behind."""
        return self.pre_padding

    @padding_nd.setter
    def padding_nd(self, value: Sequence[int]) -> None:
        self.pre_padding = value
        self.post_padding = value

    padding = same_as("padding_nd", DimsHW)

    def _window(self, kernel: tuple, dilation: tuple, spatial: tuple) -> ops.Window:
        """The native window on an image of `spatial` extents (−1: unknown)."""
        rank = len(kernel)
        for what in ("stride_nd", "pre_padding", "post_padding"):
            values = getattr(self, what)
            require(
                len(values) == rank, f"{what} {values} must have one entry for each of {rank} axes"
            )
        mode, before, after = self._paddings(kernel, dilation, spatial)
        return ops.Window(
            kernel=list(kernel),
            stride=list(self.stride_nd),
            dilation=list(dilation),
            mode=mode,
            pad_before=list(before),
            pad_after=list(after),
        )

    def _paddings(self, kernel: tuple, dilation: tuple, spatial: tuple) -> tuple:
        """The native mode, the paddings before and those behind."""
        before, after = tuple(self.pre_padding), tuple(self.post_padding)
        if self.padding_mode in _SAME:
            return _SAME[self.padding_mode], (), ()
        if self.padding_mode in CAFFE:
            after = before
        if self.padding_mode not in _ROUND_UP:
            return ops.PaddingMode.EXPLICIT, before, after
        if self._drops_last_windows() or -1 in spatial:
            return ops.PaddingMode.CEIL, before, after
        # The native rule drops a last window that begins behind the image. Where that would be,
        # paddings that need no rounding give the same extents with that window.
        filled, drops = [], False
        for axis, extent in enumerate(spatial):
            stride, reach = self.stride_nd[axis], dilation[axis] * (kernel[axis] - 1) + 1
            steps = -(-(extent + before[axis] + after[axis] - reach) // stride)
            drops = drops or steps * stride >= extent + before[axis]
            filled.append(steps * stride + reach - extent - before[axis])
        if drops:
            return ops.PaddingMode.EXPLICIT, before, filled
        return ops.PaddingMode.CEIL, before, after

    def _drops_last_windows(self) -> bool:
        """Whether a last window that begins behind the image is left out (Caffe's pooling)."""
        return False


class _WeightedLayer(WindowLayer):
    """What convolution and deconvolution share. Kernel and bias may be inputs 1 and 2 instead."""

    num_output_maps = attribute(integer(1), doc="The number of output channels.")
    kernel_size_nd = extents(1, doc="The kernel's extents, one an axis.")
    kernel = weights("All kernels, flat. Empty when input 1 gives them.")
    bias = weights("One an output map; empty: none.")
    dilation_nd = extents(1, 1, doc="The distance of the kernel's elements; 1 until set.")
    num_groups = attribute(integer(1), 1, "Channels of one group do not see another's.")
    kernel_size = same_as("kernel_size_nd", DimsHW)
    dilation = same_as("dilation_nd", DimsHW)

    def _rank(self) -> int:
        return len(self.kernel_size_nd)

    def _most_inputs(self) -> int:
        return 3

    def _kernel_shape(self, channels: int) -> tuple:
        """The extents of the kernel for an input of so many channels."""
        raise NotImplementedError

    def _operands(self, net: octile.Network, inputs: list, x: octile.Tensor, name: str) -> list:
        channels = x.shape[1]
        maps, groups = self.num_output_maps, self.num_groups
        require(channels != -1, "the channel dimension of the input must be known at build time")
        require(
            channels % groups == 0 and maps % groups == 0,
            f"{channels} channels and {maps} output maps do not split into {groups} groups",
        )
        kernel, bias = weights_array(self._given("kernel")), weights_array(self._given("bias"))
        given = inputs[1] if len(inputs) > 1 else None
        require(kernel is not None or given is not None, "it has neither a kernel nor an input 1")
        require(kernel is None or given is None, "its kernel must be empty, for input 1 gives it")
        operands = [x, given]
        if kernel is not None:
            shape = self._kernel_shape(channels)
            require(
                kernel.size == int(np.prod(shape)),
                f"the kernel has {kernel.size} weights, but {channels} input channels, {maps} "
                f"output maps, {groups} groups and a {tuple(self.kernel_size_nd)} window need "
                f"{int(np.prod(shape))}",
            )
            kernel = kernel.astype(np.float32, copy=False).reshape(shape)
            operands[1] = net.constant(kernel, name=f"{name}.kernel")
        if len(inputs) > 2 and inputs[2] is not None:
            require(bias is None, "its bias must be empty, for input 2 gives it")
            operands.append(inputs[2])
        elif bias is not None:
            require(bias.size == maps, f"the bias has {bias.size} weights for {maps} output maps")
            operands.append(net.constant(bias.astype(np.float32, copy=False), name=f"{name}.bias"))
        return operands

    def _given(self, name: str) -> Any:
        return getattr(type(self), name).given(self)

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        rank, shape = self._rank(), tuple(inputs[0].shape)
        require(len(shape) >= rank + 2, f"a {rank}-d window needs an input of rank {rank + 2}")
        require(len(self.dilation_nd) == rank, f"dilation {self.dilation_nd} is not of rank {rank}")
        x = last_axes(net, inputs[0], rank + 2, f"{name}.flatten")
        operands = self._operands(net, inputs, x, name)
        y = net.add(self._op(shape[-rank:]), operands, name).output(0)
        return [reshaped(net, y, (*shape[: -rank - 1], *y.shape[1:]), f"{name}.restore")]

    def _op(self, spatial: tuple) -> Any:
        raise NotImplementedError


@layer_type("Convolution", LayerType.CONVOLUTION)
class IConvolutionLayer(_WeightedLayer):
    """A convolution; the kernel is (maps, channels / groups, extents)."""

    def _kernel_shape(self, channels: int) -> tuple:
        return (self.num_output_maps, channels // self.num_groups, *self.kernel_size_nd)

    def _op(self, spatial: tuple) -> Any:
        window = self._window(tuple(self.kernel_size_nd), tuple(self.dilation_nd), spatial)
        return ops.Convolution(window=window, groups=self.num_groups)


@layer_type("Deconvolution", LayerType.DECONVOLUTION)
class IDeconvolutionLayer(_WeightedLayer):
    """A transposed convolution; the kernel is (channels, maps / groups, extents)."""

    def _kernel_shape(self, channels: int) -> tuple:
        return (channels, self.num_output_maps // self.num_groups, *self.kernel_size_nd)

    def _op(self, spatial: tuple) -> Any:
        window = self._window(tuple(self.kernel_size_nd), tuple(self.dilation_nd), spatial)
        return ops.Deconvolution(window=window, groups=self.num_groups)

    def _paddings(self, kernel: tuple, dilation: tuple, spatial: tuple) -> tuple:
        before, after = tuple(self.pre_padding), tuple(self.post_padding)
        if self.padding_mode in CAFFE:
            after = before
        if self.padding_mode in _SAME:
            total = [
                max(d * (k - 1) + 1 - s, 0) for k, d, s in zip(kernel, dilation, self.stride_nd)
            ]
            before, after = [t // 2 for t in total], [t - t // 2 for t in total]
            if self.padding_mode == PaddingMode.SAME_LOWER:
                before, after = after, before
        return ops.PaddingMode.EXPLICIT, before, after


class AddWindow:
    """The add_* functions of this file's layers."""

    def add_convolution_nd(
        self, input: ITensor, num_output_maps: int, kernel_shape: Any, kernel: Any, bias: Any = None
    ) -> Optional[IConvolutionLayer]:
        """A convolution over the last len(kernel_shape) axes, 2 or 3; kernel and bias are Weights
        or arrays (an empty kernel: give it as input 1)."""
        return _weighted(
            self,
            IConvolutionLayer,
            "addConvolutionNd",
            input,
            num_output_maps,
            kernel_shape,
            kernel,
            bias,
        )

    def add_convolution(
        self, input: ITensor, num_output_maps: int, kernel_shape: Any, kernel: Any, bias: Any = None
    ) -> Optional[IConvolutionLayer]:
        """add_convolution_nd() for two axes, as TensorRT 8 has it."""
        return self.add_convolution_nd(input, num_output_maps, DimsHW(kernel_shape), kernel, bias)

    def add_deconvolution_nd(
        self, input: ITensor, num_output_maps: int, kernel_shape: Any, kernel: Any, bias: Any = None
    ) -> Optional[IDeconvolutionLayer]:
        """A transposed convolution; arguments as those of add_convolution_nd()."""
        return _weighted(
            self,
            IDeconvolutionLayer,
            "addDeconvolutionNd",
            input,
            num_output_maps,
            kernel_shape,
            kernel,
            bias,
        )

    def add_deconvolution(
        self, input: ITensor, num_output_maps: int, kernel_shape: Any, kernel: Any, bias: Any = None
    ) -> Optional[IDeconvolutionLayer]:
        """add_deconvolution_nd() for two axes, as TensorRT 8 has it."""
        return self.add_deconvolution_nd(input, num_output_maps, DimsHW(kernel_shape), kernel, bias)


def _weighted(
    network: Any,
    cls: type,
    where: str,
    input: ITensor,
    maps: int,
    window: Any,
    kernel: Any,
    bias: Any,
) -> Any:
    values = {"num_output_maps": maps, "kernel_size_nd": window, "kernel": kernel, "bias": bias}
    return add(network, cls, where, [input], **values)
