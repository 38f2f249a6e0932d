"""Pooling over the last two or three axes."""

from __future__ import annotations

from typing import Any, Optional

import octile
from octile import ops

from ._enums import LayerType, PoolingType
from ._layer_tools import (
    add,
    boolean,
    extents,
    last_axes,
    member,
    number,
    require,
    reshaped,
    same_as,
)
from ._layers_window import CAFFE, WindowLayer
from ._network import ITensor, attribute, layer_type
from ._types import DimsHW

__all__ = ["IPoolingLayer"]


@layer_type("Pooling", LayerType.POOLING)
class IPoolingLayer(WindowLayer):
    """Maximum, average or a blend of both over a window."""

    type = attribute(member(PoolingType), doc="MAX, AVERAGE or MAX_AVERAGE_BLEND.")
    window_size_nd = extents(1, doc="The window's extents, one an axis.")
    blend_factor = attribute(number(0.0, 1.0), 0.0, "The average's part of a blend.")
    average_count_excludes_padding = attribute(
        boolean, True, "Whether the average divides by the window's elements on the image only."
    )
    window_size = same_as("window_size_nd", DimsHW)

    def _rank(self) -> int:
        return len(self.window_size_nd)

    def _drops_last_windows(self) -> bool:
        return self.padding_mode in CAFFE

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        rank, shape = self._rank(), tuple(inputs[0].shape)
        require(len(shape) >= rank + 1, f"a {rank}-d window needs an input of rank {rank + 1}")
        x = last_axes(net, inputs[0], rank + 2, f"{name}.flatten")
        window = self._window(tuple(self.window_size_nd), (1,) * rank, shape[-rank:])

        def pooled(kind: Any, place: str) -> octile.Tensor:
            counts = kind == ops.PoolingKind.AVERAGE and not self.average_count_excludes_padding
            op = ops.Pooling(kind=kind, window=window, count_padding=counts)
            return net.add(op, [x], place).output(0)

        if self.type == PoolingType.MAX:
            y = pooled(ops.PoolingKind.MAX, name)
        elif self.type == PoolingType.AVERAGE:
            y = pooled(ops.PoolingKind.AVERAGE, name)
        else:
            affine, blend = ops.ActivationKind.AFFINE, self.blend_factor
            most = pooled(ops.PoolingKind.MAX, f"{name}.max")
            mean = pooled(ops.PoolingKind.AVERAGE, f"{name}.average")
            most = net.activation(most, affine, 1.0 - blend, 0.0, name=f"{name}.max_part")
            mean = net.activation(mean, affine, blend, 0.0, name=f"{name}.average_part")
            y = net.elementwise(most, mean, ops.ElementwiseKind.ADD, name=name)
        return [reshaped(net, y, (*shape[:-rank], *y.shape[2:]), f"{name}.restore")]


class AddPooling:
    """The add_* functions of this file's layer."""

    def add_pooling_nd(
        self, input: ITensor, type: PoolingType, window_size: Any
    ) -> Optional[IPoolingLayer]:
        """A pooling over the last len(window_size) axes, 2 or 3; its stride is 1 until set."""
        values = {"type": type, "window_size_nd": window_size}
        return add(self, IPoolingLayer, "addPoolingNd", [input], **values)

    def add_pooling(
        self, input: ITensor, type: PoolingType, window_size: Any
    ) -> Optional[IPoolingLayer]:
        """add_pooling_nd() for two axes, as TensorRT 8 has it."""
        return self.add_pooling_nd(input, type, DimsHW(window_size))
