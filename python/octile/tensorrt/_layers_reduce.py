"""Reduce, SoftMax, RaggedSoftMax, TopK and Cumulative: layers that work along axes."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

import octile
from octile import ops

from ._enums import CumulativeOperation, DataType, LayerType, ReduceOperation, TopKOperation
from ._layer_tools import add, boolean, computed, constant_of, integer, member, require, scalar
from ._network import ILayer, ITensor, attribute, axes_of_mask, layer_type

__all__ = ["IReduceLayer", "ISoftMaxLayer", "IRaggedSoftMaxLayer", "ITopKLayer", "ICumulativeLayer"]

_MOST_K = 3840
_MASK = 2**32 - 1


def _operation(value: Any) -> ReduceOperation:
    value = member(ReduceOperation)(value)
    require(value != ReduceOperation.NONE, "ReduceOperation.NONE reduces nothing")
    return value


@layer_type("Reduce", LayerType.REDUCE)
class IReduceLayer(ILayer):
    """Sum, product, maximum, minimum or mean over axes."""

    op = attribute(_operation, doc="SUM, PROD, MAX, MIN or AVG.")
    axes = attribute(integer(0, _MASK), doc="Bit i: axis i is reduced.")
    keep_dims = attribute(boolean, False, "Whether reduced axes stay, with extent 1.")

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        kind = "MEAN" if self.op == ReduceOperation.AVG else self.op.name
        op = ops.Reduce(
            kind=getattr(ops.ReduceKind, kind),
            axes=axes_of_mask(self.axes, len(inputs[0].shape)),
            keep_dims=self.keep_dims,
        )
        return [net.add(op, [inputs[0]], name).output(0)]


def _one_axis(mask: Any) -> int:
    mask = integer(0, _MASK)(mask)
    require(mask != 0 and mask & (mask - 1) == 0, f"axes mask {mask:#x} must have a single bit")
    return mask


@layer_type("Softmax", LayerType.SOFTMAX)
class ISoftMaxLayer(ILayer):
    """exp(x) / sum of exp(x) along one axis."""

    axes = computed(
        _one_axis,
        lambda layer: 1 << max(0, len(layer.get_input(0).shape) - 3),
        "The bit of the axis; until set, the third from the end (or the first).",
    )

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x = inputs[0]
        return [net.softmax(x, axes_of_mask(self.axes, len(x.shape)), name=name)]


@layer_type("Ragged SoftMax", LayerType.RAGGED_SOFTMAX)
class IRaggedSoftMaxLayer(ILayer):
    """SoftMax over the first elements of each row: bounds (…, 1) say how many; the rest is 0."""

    def _most_inputs(self) -> int:
        return 2

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x, bounds = inputs
        rank, length = len(x.shape), x.shape[-1]
        require(
            rank in (2, 3) and length != -1,
            f"{tuple(x.shape)} must be of rank 2 or 3, the last known",
        )
        require(
            len(bounds.shape) == rank and bounds.shape[-1] == 1,
            f"bounds {tuple(bounds.shape)} do not fit {tuple(x.shape)}: wanted are (…, 1)",
        )
        places = np.arange(length, dtype=np.int32).reshape((1,) * (rank - 1) + (length,))
        places = net.constant(places, name=f"{name}.places")
        bounds = net.cast(bounds, "int32", name=f"{name}.bounds")
        inside = net.elementwise(places, bounds, ops.ElementwiseKind.LESS, name=f"{name}.inside")
        low = scalar(net, np.finfo(np.float32).min, np.float32, f"{name}.low")
        zero = scalar(net, 0, np.float32, f"{name}.zero")
        x = net.select(inside, x, low, name=f"{name}.kept")
        y = net.softmax(x, [rank - 1], name=f"{name}.softmax")
        return [net.select(inside, y, zero, name=name)]


def _indices_type(value: Any) -> DataType:
    value = member(DataType)(value)
    require(value in (DataType.INT32, DataType.INT64), f"indices cannot be {value}")
    return value


@layer_type("TopK", LayerType.TOPK, outputs=2, shape_inputs=(1,))
class ITopKLayer(ILayer):
    """The k largest (smallest) elements along an axis, best first, and where they stand; of equal
    ones the first. k may be input 1: INT32 or INT64, one element."""

    op = attribute(member(TopKOperation), doc="MAX or MIN.")
    k = attribute(integer(1, _MOST_K), doc="How many; input 1 goes before it.")
    axes = attribute(integer(0, _MASK), doc="The bit of the axis.")
    indices_type = attribute(_indices_type, DataType.INT32, "INT32 or INT64.")

    def _most_inputs(self) -> int:
        return 2

    def _output_dtype(self, index: int, native: DataType, inputs: Sequence[DataType]) -> DataType:
        return self.indices_type if index == 1 else super()._output_dtype(index, native, inputs[:1])

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x, largest = inputs[0], self.op == TopKOperation.MAX
        axes = axes_of_mask(self.axes, len(x.shape))
        require(len(axes) == 1, f"axes mask {self.axes:#x} must name exactly one dimension")
        count = inputs[1] if len(inputs) > 1 else None
        if count is None or count.value is not None:
            k = self.k if count is None else int(np.asarray(count.value).reshape(-1)[0])
            require(k <= _MOST_K, f"k is {k}, but at most {_MOST_K}")
            layer = net.add(ops.TopK(k=k, axis=axes[0], largest=largest), [x], name)
        else:
            count = net.cast(count, "int64", name=f"{name}.k")
            layer = net.add(ops.TopKOf(axis=axes[0], largest=largest), [x, count], name)
        values, indices = layer.outputs
        if self.indices_type == DataType.INT64:
            indices = net.cast(indices, "int64", name=f"{name}.indices")
        return [values, indices]


@layer_type("Cumulative", LayerType.CUMULATIVE)
class ICumulativeLayer(ILayer):
    """Running sums along an axis, which input 1, a constant, names (negative: from the end)."""

    op = attribute(member(CumulativeOperation), CumulativeOperation.SUM, "SUM.")
    exclusive = attribute(boolean, False, "Whether the element itself is left out.")
    reverse = attribute(boolean, False, "Whether it runs from the end.")

    def _most_inputs(self) -> int:
        return 2

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        x, rank = inputs[0], len(inputs[0].shape)
        axis = int(constant_of(inputs[1], "the axis").reshape(-1)[0])
        require(-rank <= axis < rank, f"axis {axis} is no axis of {tuple(x.shape)}")
        op = ops.CumulativeSum(axis=axis % rank, exclusive=self.exclusive, reverse=self.reverse)
        return [net.add(op, [x], name).output(0)]


class AddReduce:
    """The add_* functions of this file's layers."""

    def add_reduce(
        self, input: ITensor, op: ReduceOperation, axes: int, keep_dims: bool
    ) -> Optional[IReduceLayer]:
        """`op` over the axes whose bits are set in `axes`."""
        values = {"op": op, "axes": axes, "keep_dims": keep_dims}
        return add(self, IReduceLayer, "addReduce", [input], **values)

    def add_softmax(self, input: ITensor) -> Optional[ISoftMaxLayer]:
        """SoftMax along one axis: set `axes`."""
        return add(self, ISoftMaxLayer, "addSoftMax", [input])

    def add_ragged_softmax(self, input: ITensor, bounds: ITensor) -> Optional[IRaggedSoftMaxLayer]:
        """SoftMax over the first bounds (…, 1) elements of each row of `input`."""
        return add(self, IRaggedSoftMaxLayer, "addRaggedSoftMax", [input, bounds])

    def add_topk(
        self,
        input: ITensor,
        op: TopKOperation,
        k: int,
        axes: int,
        indices_type: DataType = DataType.INT32,
    ) -> Optional[ITopKLayer]:
        """The k best along the axis whose bit is set in `axes`: values, and their indices."""
        values = {"op": op, "k": k, "axes": axes, "indices_type": indices_type}
        return add(self, ITopKLayer, "addTopK", [input], **values)

    def add_cumulative(
        self,
        input: ITensor,
        axis: ITensor,
        op: CumulativeOperation,
        exclusive: bool,
        reverse: bool,
    ) -> Optional[ICumulativeLayer]:
        """Running sums along `axis`, a constant."""
        values = {"op": op, "exclusive": exclusive, "reverse": reverse}
        return add(self, ICumulativeLayer, "addCumulative", [input, axis], **values)
